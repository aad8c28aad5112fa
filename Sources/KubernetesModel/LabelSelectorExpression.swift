// A label selector as in `?labelSelector=`: "a=b,a==b,a!=b,a in (x,y),a notin (x),a,!a,a>1". Grammar and messages of
// apimachinery's labels.Parse.

public struct LabelSelectorExpression: Sendable, Hashable {
    public var requirements: [LabelRequirement]

    public init(requirements: [LabelRequirement] = []) { self.requirements = requirements }

    public init(_ text: String) throws(SelectorError) {
        var parser = LabelSelectorParser(text)
        requirements = try parser.parse()
    }

    /// An empty selector matches everything.
    public func matches(_ labels: [String: String]) -> Bool { requirements.allSatisfy { $0.matches(labels) } }

    public var isEmpty: Bool { requirements.isEmpty }
}

/// Words and signs of a selector.
private enum Token: Hashable {
    case end
    case word(String)
    case comma, open, close, not, equal, doubleEqual, notEqual, greater, less

    var literal: String {
        switch self {
        case .end: ""
        case .word(let text): text
        case .comma: ","
        case .open: "("
        case .close: ")"
        case .not: "!"
        case .equal: "="
        case .doubleEqual: "=="
        case .notEqual: "!="
        case .greater: ">"
        case .less: "<"
        }
    }
}

private func tokens(of text: String) -> [Token] {
    var result: [Token] = []
    var rest = text.unicodeScalars[...]
    let signs: Set<Unicode.Scalar> = ["=", "!", "(", ")", ",", ">", "<"]
    func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" || scalar == "\r" || scalar == "\n" }
    while let first = rest.first {
        if isSpace(first) {
            rest.removeFirst()
        } else if signs.contains(first) {
            rest.removeFirst()
            let doubled = rest.first == "="
            switch first {
            case "=": result.append(doubled ? .doubleEqual : .equal)
            case "!": result.append(doubled ? .notEqual : .not)
            case "(": result.append(.open)
            case ")": result.append(.close)
            case ">": result.append(.greater)
            case "<": result.append(.less)
            default: result.append(.comma)
            }
            if doubled, first == "=" || first == "!" { rest.removeFirst() }
        } else {
            let word = rest.prefix { !isSpace($0) && !signs.contains($0) }
            rest = rest.dropFirst(word.count)
            result.append(.word(String(String.UnicodeScalarView(word))))
        }
    }
    return result
}

private struct LabelSelectorParser {
    static let operators = "in, notin, =, ==, !=, gt, lt"
    private let tokens: [Token]
    private var position = 0

    init(_ text: String) { tokens = KubernetesModel.tokens(of: text) }

    private var next: Token { position < tokens.count ? tokens[position] : .end }

    private mutating func take() -> Token {
        defer { position += 1 }
        return next
    }

    mutating func parse() throws(SelectorError) -> [LabelRequirement] {
        var requirements: [LabelRequirement] = []
        while true {
            switch next {
            case .word, .not:
                do {
                    requirements.append(try requirement())
                } catch {
                    throw SelectorError("unable to parse requirement: \(error)")
                }
                switch take() {
                case .end: return requirements
                case .comma:
                    switch next {
                    case .word, .not: break
                    default: throw SelectorError("found '\(next.literal)', expected: identifier after ','")
                    }
                case let other: throw SelectorError("found '\(other.literal)', expected: ',' or 'end of string'")
                }
            case .end: return requirements
            default: throw SelectorError("found '\(next.literal)', expected: !, identifier, or 'end of string'")
            }
        }
    }

    private mutating func requirement() throws(SelectorError) -> LabelRequirement {
        var negated = false
        if next == .not {
            negated = true
            position += 1
        }
        let first = take()
        guard case .word(let key) = first else {
            throw SelectorError("found '\(first.literal)', expected: identifier")
        }
        if let problem = LabelKey.problems(with: key).first {
            throw SelectorError("key: Invalid value: \"\(key)\": \(problem)")
        }
        if negated { return LabelRequirement(key: key, condition: .doesNotExist) }
        if next == .end || next == .comma { return LabelRequirement(key: key, condition: .exists) }
        return LabelRequirement(key: key, condition: try condition())
    }

    private mutating func condition() throws(SelectorError) -> LabelRequirement.Condition {
        switch take() {
        case .equal, .doubleEqual: return .isIn([try checked(exactValue())])
        case .notEqual: return .isNotIn([try checked(exactValue())])
        case .word("in"): return .isIn(try values())
        case .word("notin"): return .isNotIn(try values())
        case .greater: return .greaterThan(try integer())
        case .less: return .lessThan(try integer())
        case let other: throw SelectorError("found '\(other.literal)', expected: \(Self.operators)")
        }
    }

    /// May be empty: "a=" is "a is the empty string".
    private mutating func exactValue() throws(SelectorError) -> String {
        switch next {
        case .end, .comma: return ""
        case .word(let value):
            position += 1
            return value
        default: throw SelectorError("found '\(next.literal)', expected: identifier")
        }
    }

    private mutating func integer() throws(SelectorError) -> Int64 {
        let text = try exactValue()
        guard let number = Int64(text) else {
            throw SelectorError("values[0]: Invalid value: \"\(text)\": for 'Gt', 'Lt' operators, the value must be an integer")
        }
        return number
    }

    private mutating func values() throws(SelectorError) -> Set<String> {
        let first = take()
        guard first == .open else { throw SelectorError("found '\(first.literal)' expected: '('") }
        var result: Set<String> = []
        while true {
            switch take() {
            case .word(let value):
                result.insert(try checked(value))
                switch take() {
                case .comma:
                    // A comma before the parenthesis stands for one more, empty value.
                    if next == .close { result.insert("") }
                case .close: return result
                case let other: throw SelectorError("found '\(other.literal)', expected: ',' or ')'")
                }
            case .comma: result.insert("")
            case .close:
                // "a in ()" names the empty string, as in Kubernetes.
                if result.isEmpty { result.insert("") }
                return result
            case let other: throw SelectorError("found '\(other.literal)', expected: ',', ')' or identifier")
            }
        }
    }

    private func checked(_ value: String) throws(SelectorError) -> String {
        if let problem = LabelValue.problems(with: value).first {
            throw SelectorError("values[0][\(value)]: Invalid value: \"\(value)\": \(problem)")
        }
        return value
    }
}
