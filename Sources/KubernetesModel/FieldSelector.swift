// A field selector as in `?fieldSelector=`: "spec.nodeName=n,status.phase!=Failed" (apimachinery's fields.ParseSelector).
// Which fields a kind offers is the server's matter.

public struct FieldSelector: Sendable, Hashable {
    public struct Term: Sendable, Hashable {
        public var field: String
        public var value: String
        /// "!=".
        public var isNegated: Bool

        public init(field: String, value: String, isNegated: Bool = false) {
            self.field = field
            self.value = value
            self.isNegated = isNegated
        }
    }

    public var terms: [Term]

    public init(terms: [Term] = []) { self.terms = terms }

    /// `\,`, `\=` and `\\` in a value stand for the character itself.
    public init(_ text: String) throws(SelectorError) {
        terms = []
        for part in Self.splitTerms(text) where !part.isEmpty {
            guard let term = try Self.term(part) else {
                throw SelectorError("invalid selector: '\(text)'; can't understand '\(part)'")
            }
            terms.append(term)
        }
    }

    public var isEmpty: Bool { terms.isEmpty }

    /// A field that is absent is the empty string.
    public func matches(_ fields: [String: String]) -> Bool { matches { fields[$0] } }

    public func matches(_ field: (String) -> String?) -> Bool {
        terms.allSatisfy { ((field($0.field) ?? "") == $0.value) != $0.isNegated }
    }

    /// The value that the field must have, when the selector says so: lets a server pick an index.
    public func requiredValue(of field: String) -> String? { terms.first { $0.field == field && !$0.isNegated }?.value }

    /// At commas that no backslash precedes.
    private static func splitTerms(_ text: String) -> [String] {
        var parts: [String] = []
        var part = ""
        var escaped = false
        for character in text {
            if character == ",", !escaped {
                parts.append(part)
                part = ""
            } else {
                part.append(character)
            }
            escaped = character == "\\" && !escaped
        }
        return parts + [part]
    }

    /// At the first operator; nil when there is none.
    private static func term(_ text: String) throws(SelectorError) -> Term? {
        let scalars = Array(text.unicodeScalars)
        for index in scalars.indices {
            let next: Unicode.Scalar? = index + 1 < scalars.count ? scalars[index + 1] : nil
            let length: Int
            switch (scalars[index], next) {
            case ("!", "="?), ("=", "="?): length = 2
            case ("=", _): length = 1
            default: continue
            }
            return Term(
                field: string(scalars[..<index]), value: try unescape(scalars[(index + length)...]),
                isNegated: scalars[index] == "!")
        }
        return nil
    }

    private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    private static func unescape(_ scalars: ArraySlice<Unicode.Scalar>) throws(SelectorError) -> String {
        var result: [Unicode.Scalar] = []
        var rest = scalars
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\\":
                guard let escaped = rest.popFirst(), escaped == "\\" || escaped == "," || escaped == "=" else {
                    throw SelectorError("invalid field selector: invalid escape sequence in \"\(string(scalars))\"")
                }
                result.append(escaped)
            case ",", "=":
                throw SelectorError("invalid field selector: unescaped character in value: \(scalar)")
            default: result.append(scalar)
            }
        }
        return string(result)
    }
}
