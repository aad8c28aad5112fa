// Label and field selectors: parsed once per request, matched against the extracted index of stored objects.
import JSON

/// Why a selector's text is refused.
struct SelectorError: Error, Sendable { let message: String }

/// `a=b,c!=d,e in (f,g),h notin (i),j,!k` (apimachinery's labels.Parse).
struct LabelSelector: Sendable, Hashable {
    enum Requirement: Sendable, Hashable {
        case exists(String)
        case absent(String)
        case within(String, Set<String>)
        case outside(String, Set<String>)

        func matches(_ labels: [String: String]) -> Bool {
            switch self {
            case .exists(let key): labels[key] != nil
            case .absent(let key): labels[key] == nil
            case .within(let key, let values): labels[key].map { values.contains($0) } ?? false
            case .outside(let key, let values): labels[key].map { !values.contains($0) } ?? true
            }
        }
    }

    var requirements: [Requirement] = []
    /// More than this in one selector is refused.
    static let maximumRequirements = 128

    init() {}

    init(parsing text: String) throws(SelectorError) {
        for part in Self.splitOutsideParentheses(text) {
            let part = Self.trimmed(part)
            if part.isEmpty { continue }
            requirements.append(try Self.requirement(part))
            if requirements.count > Self.maximumRequirements {
                throw SelectorError(message: "more than \(Self.maximumRequirements) requirements")
            }
        }
    }

    func matches(_ labels: [String: String]) -> Bool { requirements.allSatisfy { $0.matches(labels) } }

    private static func requirement(_ part: Substring) throws(SelectorError) -> Requirement {
        if let open = part.firstIndex(of: "("), part.last == ")" {
            let words = part[..<open].split(separator: " ")
            let inside = part[part.index(after: open)...].dropLast()
            let values = Set(inside.split(separator: ",", omittingEmptySubsequences: false).map { String(trimmed($0)) })
            guard words.count == 2, words[1] == "in" || words[1] == "notin" else {
                throw SelectorError(message: "unable to parse requirement: found '\(part)', expected: 'in' or 'notin'")
            }
            let key = try checkedKey(words[0])
            for value in values { try check(value: value) }
            return words[1] == "in" ? .within(key, values) : .outside(key, values)
        }
        for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
            guard let range = part.firstRange(of: sign) else { continue }
            let key = try checkedKey(trimmed(part[..<range.lowerBound]))
            let value = String(trimmed(part[range.upperBound...]))
            try check(value: value)
            return negated ? .outside(key, [value]) : .within(key, [value])
        }
        if part.first == "!" { return .absent(try checkedKey(trimmed(part.dropFirst()))) }
        return .exists(try checkedKey(part))
    }

    private static func checkedKey(_ key: Substring) throws(SelectorError) -> String {
        if let problem = NameFormat.qualifiedNameProblem(String(key)) {
            throw SelectorError(message: "unable to parse requirement: key: Invalid value: \"\(key)\": \(problem)")
        }
        return String(key)
    }

    private static func check(value: String) throws(SelectorError) {
        if let problem = NameFormat.labelValueProblem(value) {
            throw SelectorError(message: "unable to parse requirement: values: Invalid value: \"\(value)\": \(problem)")
        }
    }

    private static func splitOutsideParentheses(_ text: String) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var depth = 0
        for index in text.indices {
            switch text[index] {
            case "(": depth += 1
            case ")": depth -= 1
            case "," where depth <= 0:
                parts.append(text[start..<index])
                start = text.index(after: index)
            default: continue
            }
        }
        parts.append(text[start...])
        return parts
    }

    fileprivate static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return text
    }
}

/// `spec.nodeName=n,status.phase!=Failed`; a backslash escapes comma, equals sign and itself.
struct FieldSelector: Sendable, Hashable {
    struct Term: Sendable, Hashable {
        var field: String
        var value: String
        var negated: Bool
    }

    var terms: [Term] = []

    init() {}

    init(parsing text: String) throws(SelectorError) {
        for part in Self.splitUnescaped(text) where !part.isEmpty {
            guard let range = part.firstRange(of: "!=") ?? part.firstRange(of: "==") ?? part.firstRange(of: "=") else {
                throw SelectorError(message: "invalid selector: '\(part)'; can't understand '\(part)'")
            }
            terms.append(
                Term(
                    field: String(LabelSelector.trimmed(part[..<range.lowerBound])),
                    value: Self.unescaped(part[range.upperBound...]), negated: part[range] == "!="))
        }
        if terms.count > LabelSelector.maximumRequirements { throw SelectorError(message: "too many terms") }
    }

    func matches(_ value: (String) -> String) -> Bool {
        terms.allSatisfy { (value($0.field) == $0.value) != $0.negated }
    }

    private static func splitUnescaped(_ text: String) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var escaped = false
        for index in text.indices {
            if escaped {
                escaped = false
            } else if text[index] == "\\" {
                escaped = true
            } else if text[index] == "," {
                parts.append(text[start..<index])
                start = text.index(after: index)
            }
        }
        parts.append(text[start...])
        return parts
    }

    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var escaped = false
        for character in text {
            if !escaped, character == "\\" {
                escaped = true
            } else {
                escaped = false
                result.append(character)
            }
        }
        return result
    }
}
