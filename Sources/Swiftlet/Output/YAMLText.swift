// YAML to JSON and back, with the meaning that Kubernetes gives it: "yes" and "1.0" in quotes stay text, unquoted numbers
// keep all their digits, and only true and false are booleans.
import JSON
import Yams

enum YAMLText {
    /// Aliases may multiply nodes ("billion laughs"); no manifest of ours has a hundredth of this.
    static let nodeLimit = 1_000_000

    /// All documents of a text, empty ones left out. Throws `CommandFailure` that names `source` and the line.
    static func documents(_ text: String, source: String) throws -> [JSONValue] {
        var nodes: [Node] = []
        // Some editors begin a file with a mark of its encoding, which is no part of its first key.
        let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        do {
            // Not compose_all: its sequence ends quietly at an error.
            let parser = try Parser(yaml: text)
            while let node = try parser.nextRoot() { nodes.append(node) }
        } catch {
            throw CommandFailure(refusal(error, source), hint: "check indentation and quotes near that line")
        }
        var budget = nodeLimit
        return try nodes.map { try value($0, source: source, budget: &budget) }.filter { !$0.isNull }
    }

    private static func value(_ node: Node, source: String, budget: inout Int) throws -> JSONValue {
        budget -= 1
        guard budget > 0 else {
            throw CommandFailure("\(source): more than \(nodeLimit) values", hint: "do its aliases refer to each other?")
        }
        switch node {
        case .scalar(let scalar):
            return try self.scalar(scalar, source: source)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            for element in sequence { elements.append(try value(element, source: source, budget: &budget)) }
            return .array(elements)
        case .mapping(let mapping):
            return try object(mapping, source: source, budget: &budget)
        case .alias:
            throw CommandFailure("\(source): an alias without its anchor", hint: "write `&name` before `*name`")
        }
    }

    private static func object(_ mapping: Node.Mapping, source: String, budget: inout Int) throws -> JSONValue {
        var members: [(String, JSONValue)] = []
        var merged: [(String, JSONValue)] = []
        for (key, child) in mapping {
            guard case .scalar(let name) = key else {
                throw CommandFailure("\(place(source, key.mark)): a mapping's key is not text", hint: "JSON's keys are text")
            }
            let converted = try value(child, source: source, budget: &budget)
            if name.string == "<<", name.style == .plain {
                merged += mergedMembers(converted)
            } else {
                members.append((name.string, converted))
            }
        }
        // "<<" gives defaults: a key of the mapping itself wins, and of several merged mappings the first.
        return .object(JSONObject(merged.reversed() + members))
    }

    private static func mergedMembers(_ value: JSONValue) -> [(String, JSONValue)] {
        switch value {
        case .object(let object): object.map { ($0.key, $0.value) }
        case .array(let elements): elements.flatMap(mergedMembers)
        case .null, .bool, .int, .double, .string: []
        }
    }

    private static func scalar(_ scalar: Node.Scalar, source: String) throws -> JSONValue {
        let text = scalar.string
        guard scalar.style == .plain || scalar.style == .any, scalar.tag.description != Tag.Name.str.rawValue else {
            return .string(text)
        }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        if let integer = integer(text) { return .int(integer) }
        guard looksLikeNumber(text), let double = Double(text) else { return .string(text) }
        guard double.isFinite, abs(double) < 0x1p63 || text.contains(where: { ".eE".contains($0) }) else {
            throw CommandFailure(
                "\(place(source, scalar.mark)): the number \(text) does not fit 64 bits", hint: "quote it if it is text")
        }
        return .double(double)
    }

    /// Decimal, 0x, 0o and, as YAML 1.1 and so Kubernetes has it (file modes), a leading 0 for octal.
    private static func integer(_ text: String) -> Int64? {
        let negative = text.hasPrefix("-")
        let digits = negative || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard let first = digits.first, first.isASCII, first.isNumber else { return nil }
        let (body, radix): (Substring, Int) =
            if digits.hasPrefix("0x") { (digits.dropFirst(2), 16) } else if digits.hasPrefix("0o") {
                (digits.dropFirst(2), 8)
            } else if digits.count > 1, first == "0" { (digits.dropFirst(), 8) } else { (digits, 10) }
        guard let sign = body.first, sign.isHexDigit else { return nil }
        return Int64((negative ? "-" : "") + body, radix: radix)
    }

    private static func looksLikeNumber(_ text: String) -> Bool {
        let unsigned = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard let first = unsigned.utf8.first else { return false }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard digits.contains(first) || (first == UInt8(ascii: ".") && unsigned.count > 1) else { return false }
        return unsigned.utf8.allSatisfy { digits.contains($0) || ".eE+-".utf8.contains($0) }
    }

    /// "job.yaml:3:5: what is wrong": never the line itself, which may hold a secret.
    private static func refusal(_ error: any Error, _ source: String) -> String {
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            "\(source):\(mark.line):\(mark.column): \(problem)\(context.map { " \($0.text)" } ?? "")"
        case .reader(let problem, let offset, _, _): "\(source): \(problem)\(offset.map { ", byte \($0)" } ?? "")"
        case .duplicatedKeysInMapping(let duplicates, let context):
            "\(source):\(context.mark.line): the key \(duplicates.map { "\"\($0)\"" }.joined(separator: ", ")) stands there twice"
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded, nil: "\(source): not YAML: \(error)"
        }
    }

    private static func place(_ source: String, _ mark: Mark?) -> String {
        mark.map { "\(source):\($0.line)" } ?? source
    }
}
