// Finds the schema of a declared type by its name. Texts are read when a type is first asked for, so that an idle server
// holds only what its clients used.
import JSON
import Synchronization

final class TypeLibrary: Sendable {
    /// Everything that this server declares.
    static let shared = TypeLibrary(TypeText.shared + KindRegistry.all.compactMap(\.types))

    fileprivate struct State {
        var declarations: [String: (package: String, lines: Substring)] = [:]
        var schemas: [String: ObjectSchema] = [:]
        /// Mistakes in the declarations, in the words of a test's failure.
        var mistakes: [String] = []
    }

    private let state: Mutex<State>
    /// Changes whenever any declaration does; names the version of all documents that are made from them.
    let revision: String

    init(_ texts: [TypeText]) {
        var state = State()
        var hash = ContentHash()
        for text in texts {
            hash.add(text.package.utf8)
            hash.add(text.text.utf8)
            for type in text.types { state.declarations[type.name] = (text.package, type.lines) }
        }
        self.state = Mutex(state)
        revision = hash.text
    }

    /// nil when no such type is declared.
    func object(_ name: String) -> ObjectSchema? { state.withLock { $0.object(name) } }

    func schema(_ name: String) -> Schema? { object(name).map { .object($0) } }

    /// Mistakes of what has been read so far: a line that is no declaration and a field of an unknown type are left out or taken for
    /// anything, so that a server serves what it can; a test reads all types and finds none.
    var mistakes: [String] { state.withLock { $0.mistakes } }

    var names: [String] { state.withLock { $0.declarations.keys.sorted() } }
}

extension TypeLibrary.State {
    fileprivate mutating func object(_ name: String) -> ObjectSchema? {
        if let known = schemas[name] { return known }
        guard let (package, lines) = declarations[name] else { return nil }
        var description: Substring = ""
        var fields: [Field] = []
        var inlined: [Int: ObjectSchema] = [:]
        for line in lines.split(separator: "\n") where !line.allSatisfy(\.isWhitespace) {
            if TypeText.isHead(line) {
                if let dash = line.firstRange(of: " -- ") { description = line[dash.upperBound...] }
                if line.hasPrefix("kind ") { fields += Self.typeMeta }
                continue
            }
            guard let declaration = FieldDeclaration(line) else {
                mistakes.append("\(name): malformed declaration: \(line)")
                continue
            }
            if declaration.name == "inline" {
                guard let part = object(fullName(declaration.type, package)) else {
                    mistakes.append("\(name): no type \(declaration.type) is declared for \(package)")
                    continue
                }
                fields += part.fields.map { field in
                    var field = field
                    field.isInlined = true
                    return field
                }
                inlined[declaration.number] = part
                continue
            }
            fields.append(field(declaration, package))
        }
        if fields.count > ObjectSchema.maximumFields {
            mistakes.append("\(name): \(fields.count) fields; at most \(ObjectSchema.maximumFields)")
            fields.removeSubrange(ObjectSchema.maximumFields...)
        }
        let schema = ObjectSchema(name: name, description: description, fields: fields, inlined: inlined)
        schemas[name] = schema
        return schema
    }

    private static let typeMeta = [
        Field(name: "apiVersion", schema: .string, description: "Group and version of this document's form."),
        Field(name: "kind", schema: .string, description: "What this document is; fixed by the place that it is sent to."),
    ]

    private mutating func field(_ declaration: FieldDeclaration, _ package: String) -> Field {
        let schema = schema(declaration.type, declaration, package)
        var field = Field(name: String(declaration.name), schema: schema)
        field.isRequired = declaration.isRequired
        field.isPointer = declaration.isPointer
        if let text = declaration.defaultText {
            field.defaultValue = FieldDeclaration.defaultValue(text, schema)
            if field.defaultValue == nil { mistakes.append("\(package): \(declaration.name): malformed default: \(text)") }
        }
        field.number = declaration.number
        field.isMicroTime = declaration.type == "microTime"
        field.list.mapKeys = declaration.argument("map")?.split(separator: ",").map(String.init) ?? []
        field.list.isSet = declaration.has("set")
        field.list.retainsKeys = declaration.has("retainKeys")
        field.description = declaration.description
        return field
    }

    private mutating func schema(_ type: Substring, _ declaration: FieldDeclaration, _ package: String) -> Schema {
        if type.hasPrefix("[]") {
            let element = schema(type.dropFirst(2), declaration, package)
            return .array(element, mergeKey: declaration.argument("merge").map(String.init))
        }
        if type.hasPrefix("{}") { return .map(schema(type.dropFirst(2), declaration, package)) }
        if type.hasPrefix("enum(") {
            return .enumeration(type.dropFirst(5).dropLast().split(separator: "|").map(String.init))
        }
        func bound(_ mark: String, _ other: Int64?) -> Int64? { declaration.argument(mark).flatMap { Int64($0) } ?? other }
        switch type {
        case "string": return .string
        case "bool": return .boolean
        case "int32":
            return .integer(minimum: bound("min", Int64(Int32.min)), maximum: bound("max", Int64(Int32.max)))
        case "count": return .integer(minimum: bound("min", 0), maximum: bound("max", Int64(Int32.max)))
        case "int64": return .integer(minimum: bound("min", nil), maximum: bound("max", nil))
        case "double": return .number
        case "bytes": return .bytes
        case "time", "microTime": return .dateTime
        case "quantity": return .quantity
        case "intOrString": return .intOrString
        case "any": return .any
        default:
            guard let object = object(fullName(type, package)) else {
                mistakes.append("\(package): \(declaration.name): no type \(type) is declared")
                return .any
            }
            return .object(object)
        }
    }

    private func fullName(_ type: Substring, _ package: String) -> String {
        guard let dot = type.firstIndex(of: "."), let known = TypeText.packages[String(type[..<dot])] else {
            return "\(package).\(type)"
        }
        return "\(known).\(type[type.index(after: dot)...])"
    }
}
