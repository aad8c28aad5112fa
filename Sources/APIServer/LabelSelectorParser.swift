// Reads a label selector as apimachinery's lexer and parser do, so that what is refused is refused in the same words.

struct LabelSelectorParser {
    private enum Token: Hashable {
        case end
        case comma, open, close, not, equals, doubleEquals, notEquals, above, below
        case `in`, notIn
        case identifier
        case error
    }

    /// Where keywords are words and where they are operators.
    private enum Context { case values, keyAndOperator }

    private let tokens: [(token: Token, text: String)]
    private var position = 0

    init(_ text: String) { tokens = Self.tokens(text) }

    mutating func parse() throws(SelectorError) -> [LabelSelector.Requirement] {
        var requirements: [LabelSelector.Requirement] = []
        while true {
            let (token, text) = lookahead(.values)
            switch token {
            case .identifier, .not:
                do throws(SelectorError) { requirements.append(try requirement()) } catch {
                    throw SelectorError(message: "unable to parse requirement: \(error.message)")
                }
                if requirements.count > LabelSelector.maximumRequirements {
                    throw SelectorError(message: "more than \(LabelSelector.maximumRequirements) requirements")
                }
                let (separator, found) = consume(.values)
                if separator == .end { return requirements }
                guard separator == .comma else { throw Self.expected("',' or 'end of string'", found) }
                let (next, nextText) = lookahead(.values)
                guard next == .identifier || next == .not else { throw Self.expected("identifier after ','", nextText) }
            case .end: return requirements
            default: throw Self.expected("!, identifier, or 'end of string'", text)
            }
        }
    }

    private mutating func requirement() throws(SelectorError) -> LabelSelector.Requirement {
        var (token, key) = consume(.values)
        let isAbsent = token == .not
        if isAbsent { (token, key) = consume(.values) }
        guard token == .identifier else { throw Self.expected("identifier", key) }
        if let problem = NameFormat.qualifiedNameProblem(key) {
            // Kubernetes prints its missing path like this.
            throw SelectorError(message: "<nil>: Invalid value: \"\(key)\": \(problem)")
        }
        if isAbsent { return .absent(key) }
        let next = lookahead(.values).token
        if next == .end || next == .comma { return .exists(key) }
        let (sign, text) = consume(.keyAndOperator)
        switch sign {
        case .in: return .within(key, try checked(try valueList(), key))
        case .notIn: return .outside(key, try checked(try valueList(), key))
        case .equals, .doubleEquals: return .within(key, try checked([try exactValue()], key))
        case .notEquals: return .outside(key, try checked([try exactValue()], key))
        case .above: return .above(key, try bound(key))
        case .below: return .below(key, try bound(key))
        default: throw Self.expected("in, notin, =, ==, !=, gt, lt", text)
        }
    }

    private mutating func exactValue() throws(SelectorError) -> String {
        let next = lookahead(.values).token
        if next == .end || next == .comma { return "" }
        let (token, text) = consume(.values)
        guard token == .identifier else { throw Self.expected("identifier", text) }
        return text
    }

    private mutating func bound(_ key: String) throws(SelectorError) -> Int64 {
        let text = try exactValue()
        guard let number = Int64(text) else {
            throw SelectorError(
                message: "values[0][\(key)]: Invalid value: \"\(text)\": for 'Gt', 'Lt' operators, the value must be an integer")
        }
        return number
    }

    /// `(a,b)`; nothing between commas is the empty value.
    private mutating func valueList() throws(SelectorError) -> [String] {
        let (token, text) = consume(.values)
        guard token == .open else { throw SelectorError(message: "found '\(text)' expected: '('") }
        switch lookahead(.values).token {
        case .close:
            _ = consume(.values)
            return [""]
        case .identifier, .comma:
            let values = try identifiers()
            let (token, text) = consume(.values)
            guard token == .close else { throw Self.expected("')'", text) }
            return values
        default: throw Self.expected("',', ')' or identifier", lookahead(.values).text)
        }
    }

    private mutating func identifiers() throws(SelectorError) -> [String] {
        var values: [String] = []
        while true {
            let (token, text) = consume(.values)
            switch token {
            case .identifier:
                values.append(text)
                let (next, nextText) = lookahead(.values)
                if next == .comma { continue }
                guard next == .close else { throw Self.expected("',' or ')'", nextText) }
                return values
            case .comma:
                if values.isEmpty { values.append("") }
                let next = lookahead(.values).token
                if next == .close { return values + [""] }
                if next == .comma {
                    _ = consume(.values)
                    values.append("")
                }
            default: throw Self.expected("',', or identifier", text)
            }
        }
    }

    private func checked(_ values: [String], _ key: String) throws(SelectorError) -> Set<String> {
        for (index, value) in values.enumerated() {
            if let problem = NameFormat.labelValueProblem(value) {
                throw SelectorError(message: "values[\(index)][\(key)]: Invalid value: \"\(value)\": \(problem)")
            }
        }
        return Set(values)
    }

    private static func expected(_ what: String, _ found: String) -> SelectorError {
        SelectorError(message: "found '\(found)', expected: \(what)")
    }

    // MARK: Tokens

    private func lookahead(_ context: Context) -> (token: Token, text: String) {
        guard position < tokens.count else { return (.end, "") }
        let (token, text) = tokens[position]
        if context == .values, token == .in || token == .notIn { return (.identifier, text) }
        return (token, text)
    }

    private mutating func consume(_ context: Context) -> (token: Token, text: String) {
        let result = lookahead(context)
        position += 1
        return result
    }

    private static let symbols: [String: Token] = [
        ")": .close, ",": .comma, "!": .not, "==": .doubleEquals, "=": .equals, ">": .above, "(": .open, "<": .below,
        "!=": .notEquals,
    ]

    private static func isSymbol(_ byte: UInt8) -> Bool { "=!(),><".utf8.contains(byte) }
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private static func tokens(_ text: String) -> [(token: Token, text: String)] {
        let bytes = Array(text.utf8)
        var result: [(token: Token, text: String)] = []
        var index = 0
        while index < bytes.count {
            if isSpace(bytes[index]) {
                index += 1
                continue
            }
            var end = index + 1
            if isSymbol(bytes[index]) {
                // The longest text that is a token.
                while end < bytes.count, isSymbol(bytes[end]),
                    symbols[String(decoding: bytes[index...end], as: UTF8.self)] != nil
                {
                    end += 1
                }
                let found = String(decoding: bytes[index..<end], as: UTF8.self)
                result.append((symbols[found] ?? .error, found))
            } else {
                while end < bytes.count, !isSymbol(bytes[end]), !isSpace(bytes[end]) { end += 1 }
                let found = String(decoding: bytes[index..<end], as: UTF8.self)
                result.append((found == "in" ? .in : found == "notin" ? .notIn : .identifier, found))
            }
            index = end
        }
        return result
    }
}
