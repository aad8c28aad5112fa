// Reads a body by its kind's schema: one pass over the tape checks, prunes, completes and builds the tree. Field names and
// known words are shared with the schema, so that an object costs little more than its own strings.
import JSON

struct SchemaDecoder {
    private let tape: JSONTape
    /// Whether quantities are rewritten in the form that Kubernetes keeps; custom resources keep what was sent.
    private let canonicalizes: Bool
    private(set) var findings = SchemaFindings()
    private var path: [Step] = []

    // SAFETY: the schema of a step outlives the walk, which the root's schema holds together. No reference is counted: there is
    // a step for every value.
    private enum Step {
        case field(Unmanaged<ObjectSchema>, Int)
        case unknown(JSONTape.Member)
        case index(Int)
        case key(JSONTape.Member)
    }

    init(_ tape: JSONTape, canonicalizes: Bool) {
        self.tape = tape
        self.canonicalizes = canonicalizes
        path.reserveCapacity(16)
    }

    mutating func root(_ schema: Schema) -> JSONValue { value(tape.root, schema) }

    private mutating func value(_ node: JSONTape.Node, _ schema: Schema) -> JSONValue {
        if findings.isFull { return .null }
        switch schema {
        case .object(let object):
            guard tape.kind(node) == .object else { return refuse(node, "object") }
            return .object(members(node, object))
        case .array(let element, _):
            guard tape.kind(node) == .array else { return refuse(node, "array") }
            return .array(elements(node, element))
        case .map(let element):
            guard tape.kind(node) == .object else { return refuse(node, "object") }
            return .object(entries(node, element))
        case .any: return tape.value(node)
        case .string:
            guard let text = tape.string(node) else { return refuse(node, "string") }
            return .string(text)
        case .quantity:
            let value = checked(node, schema)
            return canonicalizes ? QuantityForm.canonical(value) : value
        case .enumeration, .dateTime, .bytes, .integer, .number, .boolean, .intOrString: return checked(node, schema)
        }
    }

    private mutating func checked(_ node: JSONTape.Node, _ schema: Schema) -> JSONValue {
        let value = tape.value(node)
        if let error = schema.scalarError(value, at: place()) { findings.errors.append(error) }
        return value
    }

    private mutating func members(_ node: JSONTape.Node, _ schema: ObjectSchema) -> JSONObject {
        var result: [JSONObject.Member] = []
        result.reserveCapacity(min(schema.shapes.count, tape.entryCount(node) / 2) + schema.expected.count)
        var seen = SeenFields()
        var cursor = tape.cursor(node)
        while let member = tape.nextMember(&cursor) {
            guard let position = position(of: member, schema) else {
                findings.unknownFields.append(place(and: .unknown(member)))
                continue
            }
            // A null means "not given" for every typed field, as in Go; so does a zero where a default waits.
            if tape.isNull(member.value) { continue }
            let field = schema.shapes[position]
            path.append(.field(.passUnretained(schema), position))
            let value = value(member.value, field.schema)
            path.removeLast()
            if field.isUnset(value) { continue }
            seen.insert(position)
            result.append(JSONObject.Member(field.name, value))
        }
        if !schema.expected.isEmpty {
            schema.complete(&result, seen, &findings) { [path, tape] in Self.text(path, tape) }
        }
        return JSONObject(distinctMembers: result)
    }

    private func position(of member: JSONTape.Member, _ schema: ObjectSchema) -> Int? {
        if member.isEscaped {
            var name = tape.name(member)
            return name.withUTF8 { schema.position(of: $0) }
        }
        return tape.bytes.withUnsafeBufferPointer { schema.position(of: UnsafeBufferPointer(rebasing: $0[member.name])) }
    }

    private mutating func elements(_ node: JSONTape.Node, _ schema: Schema) -> [JSONValue] {
        var result: [JSONValue] = []
        var cursor = tape.cursor(node)
        while let element = tape.nextElement(&cursor) {
            path.append(.index(result.count))
            result.append(value(element, schema))
            path.removeLast()
        }
        return result
    }

    private mutating func entries(_ node: JSONTape.Node, _ schema: Schema) -> JSONObject {
        var result: [JSONObject.Member] = []
        var cursor = tape.cursor(node)
        while let member = tape.nextMember(&cursor) {
            if tape.isNull(member.value) { continue }
            path.append(.key(member))
            result.append(JSONObject.Member(tape.name(member), value(member.value, schema)))
            path.removeLast()
        }
        return JSONObject(distinctMembers: result)
    }

    // MARK: Places

    private mutating func refuse(_ node: JSONTape.Node, _ expected: String) -> JSONValue {
        let value = tape.value(node)
        findings.errors.append(.wrongType(place(), value, expected: expected))
        return value
    }

    private func place() -> String { Self.text(path, tape) }

    private func place(and step: Step) -> String { Self.text(path + [step], tape) }

    private static func text(_ path: [Step], _ tape: JSONTape) -> String {
        var text = ""
        for step in path {
            switch step {
            case .field(let schema, let position):
                let name = schema._withUnsafeGuaranteedRef { $0.shapes[position].name }
                text += text.isEmpty ? name : ".\(name)"
            case .unknown(let member): text += text.isEmpty ? tape.name(member) : ".\(tape.name(member))"
            case .index(let index): text += "[\(index)]"
            case .key(let member): text += "[\(tape.name(member))]"
            }
        }
        return text
    }
}
