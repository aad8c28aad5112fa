// Label and field selectors: parsed once per request, matched against the extracted index of stored objects.
import JSON

/// Why a selector's text is refused, in apimachinery's words.
struct SelectorError: Error, Sendable, Hashable { let message: String }

/// `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3` (apimachinery's labels.Parse; the reading is in LabelSelectorParser.swift).
struct LabelSelector: Sendable, Hashable {
    enum Requirement: Sendable, Hashable {
        case exists(String)
        case absent(String)
        case within(String, Set<String>)
        case outside(String, Set<String>)
        /// The label's value is an integer above this one.
        case above(String, Int64)
        case below(String, Int64)

        func matches(_ labels: [String: String]) -> Bool {
            switch self {
            case .exists(let key): labels[key] != nil
            case .absent(let key): labels[key] == nil
            case .within(let key, let values): labels[key].map { values.contains($0) } ?? false
            case .outside(let key, let values): labels[key].map { !values.contains($0) } ?? true
            case .above(let key, let bound): labels[key].flatMap { Int64($0) }.map { $0 > bound } ?? false
            case .below(let key, let bound): labels[key].flatMap { Int64($0) }.map { $0 < bound } ?? false
            }
        }
    }

    var requirements: [Requirement] = []
    /// More than this in one selector is refused.
    static let maximumRequirements = 128

    init() {}

    init(_ requirements: [Requirement]) { self.requirements = requirements }

    init(parsing text: String) throws(SelectorError) {
        if text.isEmpty { return }
        var parser = LabelSelectorParser(text)
        requirements = try parser.parse()
    }

    func matches(_ labels: [String: String]) -> Bool { requirements.allSatisfy { $0.matches(labels) } }
}

extension LabelSelector: CustomStringConvertible {
    /// A text that parses to the same selector.
    var description: String { requirements.map(\.description).joined(separator: ",") }
}

extension LabelSelector.Requirement: CustomStringConvertible {
    var description: String {
        switch self {
        case .exists(let key): key
        case .absent(let key): "!\(key)"
        case .within(let key, let values) where values.count == 1: "\(key)=\(values.first ?? "")"
        case .within(let key, let values): "\(key) in (\(values.sorted().joined(separator: ",")))"
        case .outside(let key, let values) where values.count == 1: "\(key)!=\(values.first ?? "")"
        case .outside(let key, let values): "\(key) notin (\(values.sorted().joined(separator: ",")))"
        case .above(let key, let bound): "\(key)>\(bound)"
        case .below(let key, let bound): "\(key)<\(bound)"
        }
    }
}

extension LabelSelector {
    /// A `metav1.LabelSelector` as it stands in objects: matchLabels and matchExpressions.
    init(object: JSONValue) throws(SelectorError) {
        for (key, value) in object["matchLabels"]?.objectValue ?? [:] {
            guard let value = value.stringValue else { throw SelectorError(message: "matchLabels: \(key) is no string") }
            requirements.append(.within(key, [value]))
        }
        for expression in object["matchExpressions"]?.arrayValue ?? [] {
            guard let key = expression["key"]?.stringValue else { throw SelectorError(message: "an expression has no key") }
            let values = Set((expression["values"]?.arrayValue ?? []).compactMap(\.stringValue))
            switch expression["operator"]?.stringValue {
            case "In" where !values.isEmpty: requirements.append(.within(key, values))
            case "NotIn" where !values.isEmpty: requirements.append(.outside(key, values))
            case "Exists" where values.isEmpty: requirements.append(.exists(key))
            case "DoesNotExist" where values.isEmpty: requirements.append(.absent(key))
            case let other:
                throw SelectorError(
                    message: "\"\(other ?? "")\" is not a valid label selector operator for \(values.count) values")
            }
        }
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
        if text.isEmpty { return }
        for part in Self.splitUnescaped(text) where !part.isEmpty {
            guard let (field, sign, value) = Self.parts(part) else {
                throw SelectorError(message: "invalid selector: '\(text)'; can't understand '\(part)'")
            }
            terms.append(Term(field: field, value: try Self.unescaped(value), negated: sign == "!="))
        }
        if terms.count > LabelSelector.maximumRequirements {
            throw SelectorError(message: "more than \(LabelSelector.maximumRequirements) terms")
        }
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

    /// The first of `!=`, `==`, `=` parts a term.
    private static func parts(_ term: Substring) -> (field: String, sign: String, value: Substring)? {
        for index in term.indices {
            for sign in ["!=", "==", "="] where term[index...].hasPrefix(sign) {
                return (String(term[..<index]), sign, term[index...].dropFirst(sign.count))
            }
        }
        return nil
    }

    private static func unescaped(_ text: Substring) throws(SelectorError) -> String {
        var result = ""
        var escaped = false
        for character in text {
            if escaped {
                guard ["\\", ",", "="].contains(character) else {
                    throw SelectorError(message: "invalid field selector: invalid escape sequence: \\\(character)")
                }
                result.append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character == "=" {
                throw SelectorError(message: "invalid field selector: unescaped character in field selector: \(character)")
            } else {
                result.append(character)
            }
        }
        if escaped { throw SelectorError(message: "invalid field selector: invalid escape sequence: \\") }
        return result
    }
}

extension FieldSelector: CustomStringConvertible {
    /// A text that parses to the same selector.
    var description: String {
        terms.map { term in
            let value = term.value.replacing("\\", with: "\\\\").replacing(",", with: "\\,").replacing("=", with: "\\=")
            return "\(term.field)\(term.negated ? "!=" : "=")\(value)"
        }.joined(separator: ",")
    }
}
