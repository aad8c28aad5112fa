// Renders Kuscia's configuration templates: `{{.NAME}}` puts a value in, `{{{.NAME.a.b[0]}}}` a part of a JSON value.
import JSON

/// A template that cannot be rendered; says where.
public struct ConfigTemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    public var file: String
    /// 1-based.
    public var line: Int
    public var expression: String
    public var reason: String

    public var description: String { "\(file):\(line): \(expression): \(reason)" }
}

/// The values that templates may use. Names are compared in upper case, as Kuscia does.
public struct ConfigTemplateValues: Sendable {
    private var values: [String: String] = [:]

    public init(_ values: [String: String] = [:]) {
        for (name, value) in values { self[name] = value }
    }

    public subscript(name: String) -> String? {
        get { values[name.uppercased()] }
        set { values[name.uppercased()] = newValue }
    }

    /// Values of `other` win.
    public mutating func merge(_ other: [String: String]) {
        for (name, value) in other { self[name] = value }
    }
}

/// One file with placeholders.
///
/// - `{{.NAME}}`: the value, escaped as the inside of a JSON string (the template writes the quotes); a name that has no
///   value gives the empty text.
/// - `{{{.NAME.path}}}`: the value is parsed as JSON and the path followed: `.member`, `[0]`, `[key=value]` (first
///   element of an array whose member equals the value), `[.NAME.path]` (index or member name taken from another value).
///   A string comes escaped, a number or boolean as written, an object or array as JSON: escaped when the placeholder
///   stands directly behind a quotation mark, as it is otherwise. A path that leads nowhere gives the empty text.
public struct ConfigTemplate: Sendable {
    public var file: String
    public var text: String

    public init(file: String, text: String) {
        self.file = file
        self.text = text
    }

    /// What keeps it from being rendered, whatever the values are; nil when nothing does.
    public var defect: ConfigTemplateError? {
        do throws(ConfigTemplateError) {
            _ = try render(ConfigTemplateValues())
            return nil
        } catch {
            return error
        }
    }

    public func render(_ values: ConfigTemplateValues) throws(ConfigTemplateError) -> String {
        var output = ""
        var line = 1
        var rest = Substring(text)
        while let open = rest.firstRange(of: "{{") {
            let before = rest[..<open.lowerBound]
            output += before
            line += before.count { $0.isNewline }
            rest = rest[open.lowerBound...]
            let isPath = rest.hasPrefix("{{{")
            let (opening, closing) = isPath ? (3, "}}}") : (2, "}}")
            let inside = rest.dropFirst(opening)
            guard let close = inside.firstRange(of: closing) else {
                throw failure(line, String(rest.prefix { !$0.isNewline }), "not closed by \(closing)")
            }
            let body = inside[..<close.lowerBound]
            let expression = String(rest[..<close.upperBound])
            do {
                output +=
                    isPath
                    ? try Self.lookUp(body, values, inString: output.last == "\"")
                    : try Self.substitute(body, values)
            } catch {
                throw failure(line, expression, error.reason)
            }
            line += body.count { $0.isNewline }
            rest = rest[close.upperBound...]
        }
        return output + rest
    }

    private func failure(_ line: Int, _ expression: String, _ reason: String) -> ConfigTemplateError {
        ConfigTemplateError(file: file, line: line, expression: expression, reason: reason)
    }

    private static func substitute(
        _ body: Substring, _ values: ConfigTemplateValues
    ) throws(ConfigTemplatePath.Malformed) -> String {
        let path = try ConfigTemplatePath(parsing: body.trimmingBlanks())
        guard path.steps.isEmpty else { throw .init(reason: "a path needs three braces: {{{.NAME.path}}}") }
        return values[path.name].map(JSONText.escaped) ?? ""
    }

    private static func lookUp(
        _ body: Substring, _ values: ConfigTemplateValues, inString: Bool
    ) throws(ConfigTemplatePath.Malformed) -> String {
        let path = try ConfigTemplatePath(parsing: body.trimmingBlanks())
        if path.steps.isEmpty { return values[path.name].map(JSONText.escaped) ?? "" }
        guard let found = try path.resolve(values) else { return "" }
        switch found {
        case .null: return ""
        case .string(let string): return JSONText.escaped(string)
        case .bool, .int, .double: return found.serializedString()
        case .array, .object:
            let json = found.serializedString()
            return inString ? JSONText.escaped(json) : json
        }
    }
}

/// Text as the inside of a JSON string.
enum JSONText {
    static func escaped(_ text: String) -> String {
        String(JSONValue.string(text).serializedString().dropFirst().dropLast())
    }
}

extension Substring {
    func trimmingBlanks() -> Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }

    /// The first place where `pattern` stands. (The standard library's `ranges(of:)` needs the regex runtime.)
    func firstRange(of pattern: String) -> Range<Index>? {
        let wanted = Array(pattern.utf8)
        let bytes = utf8
        var start = bytes.startIndex
        while start != bytes.endIndex {
            let candidate = bytes[start...].prefix(wanted.count)
            if candidate.elementsEqual(wanted) { return start..<candidate.endIndex }
            start = bytes.index(after: start)
        }
        return nil
    }
}
