// The path language inside `{{{ }}}` of a configuration template.
import JSON

/// `.NAME`, then any of `.member`, `[0]`, `[key=value]`, `[.OTHER.path]`.
struct ConfigTemplatePath: Sendable, Hashable {
    struct Malformed: Error { var reason: String }

    enum Step: Sendable, Hashable {
        case member(String)
        case index(Int)
        /// The first element whose member `key` reads as `value`.
        case matching(key: String, value: String)
        /// The index or the member name is the value of another path.
        case indirect(ConfigTemplatePath)
    }

    /// Deeper nesting of `[.A[.B[...]]]` is refused: a template is written by people.
    static let maximumNesting = 8

    var name: String
    var steps: [Step]

    init(parsing text: Substring, nesting: Int = 0) throws(Malformed) {
        guard nesting < Self.maximumNesting else { throw Malformed(reason: "nested deeper than \(Self.maximumNesting)") }
        guard text.first == "." else { throw Malformed(reason: "must begin with a dot and a name, e.g. {{.TASK_ID}}") }
        var rest = text.dropFirst()
        name = String(rest.prefix(while: Self.isNameCharacter))
        guard !name.isEmpty else { throw Malformed(reason: "the name is missing") }
        rest = rest.dropFirst(name.count)
        steps = []
        while let next = rest.first {
            switch next {
            case ".":
                let member = rest.dropFirst().prefix(while: Self.isNameCharacter)
                guard !member.isEmpty else { throw Malformed(reason: "a member name is missing after '.'") }
                steps.append(.member(String(member)))
                rest = rest.dropFirst(1 + member.count)
            case "[":
                let inside = try Self.bracketed(rest)
                steps.append(try Self.bracketStep(inside, nesting: nesting))
                rest = rest.dropFirst(inside.count + 2)
            default:
                throw Malformed(reason: "unexpected '\(next)'")
            }
        }
    }

    private static func isNameCharacter(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_" || character == "-"
    }

    /// What stands between the brackets that `text` begins with, inner brackets included.
    private static func bracketed(_ text: Substring) throws(Malformed) -> Substring {
        var depth = 0
        for index in text.indices {
            switch text[index] {
            case "[": depth += 1
            case "]": depth -= 1
            default: continue
            }
            if depth == 0 { return text[text.index(after: text.startIndex)..<index] }
        }
        throw Malformed(reason: "'[' is not closed")
    }

    private static func bracketStep(_ inside: Substring, nesting: Int) throws(Malformed) -> Step {
        if inside.first == "." { return .indirect(try ConfigTemplatePath(parsing: inside, nesting: nesting + 1)) }
        if let index = Int(inside), index >= 0 { return .index(index) }
        guard let equals = inside.firstIndex(of: "="), equals != inside.startIndex else {
            throw Malformed(reason: "[\(inside)] is neither a number, nor key=value, nor a path")
        }
        return .matching(
            key: String(inside[..<equals].trimmingBlanks()),
            value: String(inside[inside.index(after: equals)...].trimmingBlanks()))
    }

    /// nil when the path leads nowhere. A value that is no JSON text is an error: the template expects one.
    func resolve(_ values: ConfigTemplateValues) throws(Malformed) -> JSONValue? {
        guard let text = values[name] else { return nil }
        var current: JSONValue
        do {
            current = try JSONValue(parsing: text)
        } catch {
            if steps.isEmpty { return .string(text) }
            throw Malformed(reason: "the value of \(name) is no JSON: \(error)")
        }
        for step in steps {
            guard let next = try Self.follow(step, from: current, values) else { return nil }
            current = next
        }
        return current
    }

    private static func follow(
        _ step: Step, from value: JSONValue, _ values: ConfigTemplateValues
    ) throws(Malformed) -> JSONValue? {
        switch step {
        case .member(let name): return value[name]
        case .index(let index): return value[index]
        case .matching(let key, let wanted): return value.arrayValue?.first { $0[key]?.plainText == wanted }
        case .indirect(let path):
            guard let found = try path.resolve(values) else { return nil }
            if let index = found.intValue { return value[Int(clamping: index)] }
            guard let name = found.stringValue else { throw Malformed(reason: "[.\(path.name)...] is no index or name") }
            return Int(name).flatMap { value[$0] } ?? value[name]
        }
    }
}

extension JSONValue {
    /// A scalar as people write it; nil for objects and arrays.
    var plainText: String? {
        switch self {
        case .string(let string): string
        case .null, .bool, .int, .double: serializedString()
        case .array, .object: nil
        }
    }
}
