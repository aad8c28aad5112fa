// JSON written as YAML, in the block style of `kubectl -o yaml`; reads back as the same value.
import JSON

extension YAMLText {
    static func text(of value: JSONValue) -> String {
        var lines: [String] = []
        switch value {
        case .object(let object) where !object.isEmpty: write(object, indent: 0, into: &lines)
        case .array(let elements) where !elements.isEmpty: write(elements, indent: 0, into: &lines)
        default: lines.append(scalarText(value))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func write(_ object: JSONObject, indent: Int, into lines: inout [String]) {
        for (key, value) in object {
            write(value, after: spaces(indent) + scalarText(.string(key)) + ":", indent: indent, into: &lines)
        }
    }

    private static func write(_ value: JSONValue, after start: String, indent: Int, into lines: inout [String]) {
        switch value {
        case .object(let object) where !object.isEmpty:
            lines.append(start)
            write(object, indent: indent + 2, into: &lines)
        case .array(let elements) where !elements.isEmpty:
            lines.append(start)
            write(elements, indent: indent, into: &lines)
        case .string(let text) where isBlockText(text):
            lines.append(start + (text.hasSuffix("\n") ? " |" : " |-"))
            let body = text.hasSuffix("\n") ? text.dropLast() : text[...]
            for line in body.split(separator: "\n", omittingEmptySubsequences: false) {
                lines.append(line.isEmpty ? "" : spaces(indent + 2) + line)
            }
        default:
            lines.append(start + " " + scalarText(value))
        }
    }

    private static func write(_ elements: [JSONValue], indent: Int, into lines: inout [String]) {
        for element in elements {
            guard case .object(let object) = element, !object.isEmpty else {
                // The dash stands for two spaces of indentation: what follows it is one level deeper.
                write(element, after: spaces(indent) + "-", indent: indent + 2, into: &lines)
                continue
            }
            let first = lines.count
            write(object, indent: indent + 2, into: &lines)
            lines[first] = spaces(indent) + "- " + lines[first].dropFirst(indent + 2)
        }
    }

    /// Whether a literal block says the text exactly: several lines, none that begins or ends with blanks.
    private static func isBlockText(_ text: String) -> Bool {
        guard text.contains("\n"), !text.hasSuffix("\n\n"), !text.hasPrefix("\n"), !text.hasPrefix(" ") else { return false }
        return text.unicodeScalars.allSatisfy { $0 == "\n" || (0x20..<0x7F).contains($0.value) || $0.value >= 0xA0 }
            && !text.split(separator: "\n").contains { $0.last == " " }
    }

    private static func scalarText(_ value: JSONValue) -> String {
        switch value {
        case .string(let text) where isPlain(text): text
        case .object: "{}"
        case .array: "[]"
        default: value.serializedString()
        }
    }

    /// Text that needs no quotes: no sign of YAML's in it, and nothing that reads as a number, boolean or null.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, first.properties.isAlphabetic || first == "/" || first == "_" else {
            return false
        }
        let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        guard !reserved.contains(text.lowercased()), !text.hasSuffix(":"), !text.hasSuffix(" ") else { return false }
        guard !text.contains(": "), !text.contains(" #") else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "-_./: =,+@%()'".unicodeScalars.contains(scalar)
        }
    }

    private static func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }
}
