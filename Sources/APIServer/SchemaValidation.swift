// Checks a tree against its schema and completes it: nulls and unknown fields go, defaults come. For what patches make;
// whole bodies go through `SchemaDecoder`.
import JSON

extension Schema {
    /// The value without nulls and unknown fields, with declared defaults. Findings are added, also for what is missing.
    func cleaned(_ value: JSONValue, at path: @autoclosure () -> String, _ findings: inout SchemaFindings) -> JSONValue {
        if findings.isFull { return value }
        switch self {
        case .any: return value
        case .object(let schema):
            guard case .object(let object) = value else { return refuse(value, path(), "object", &findings) }
            return .object(schema.cleaned(object, at: path(), &findings))
        case .array(let element, _):
            guard case .array(let elements) = value else { return refuse(value, path(), "array", &findings) }
            var result: [JSONValue] = []
            result.reserveCapacity(elements.count)
            for (index, one) in elements.enumerated() {
                result.append(element.cleaned(one, at: "\(path())[\(index)]", &findings))
            }
            return .array(result)
        case .map(let element):
            guard case .object(let object) = value else { return refuse(value, path(), "object", &findings) }
            var result: [JSONObject.Member] = []
            result.reserveCapacity(object.count)
            for (key, one) in object where !one.isNull {
                result.append(JSONObject.Member(key, element.cleaned(one, at: "\(path())[\(key)]", &findings)))
            }
            return .object(JSONObject(distinctMembers: result))
        case .string, .enumeration, .dateTime, .bytes, .integer, .number, .boolean, .quantity, .intOrString:
            if let error = scalarError(value, at: path()) { findings.errors.append(error) }
            return value
        }
    }

    private func refuse(
        _ value: JSONValue, _ path: String, _ expected: String, _ findings: inout SchemaFindings
    ) -> JSONValue {
        findings.errors.append(.wrongType(path, value, expected: expected))
        return value
    }
}

extension ObjectSchema {
    fileprivate func cleaned(
        _ object: JSONObject, at path: @autoclosure () -> String, _ findings: inout SchemaFindings
    ) -> JSONObject {
        var result: [JSONObject.Member] = []
        result.reserveCapacity(object.count + expected.count)
        var seen = SeenFields()
        for (name, value) in object {
            var key = name
            guard let position = key.withUTF8({ self.position(of: $0) }) else {
                findings.unknownFields.append(Self.place(name, in: path()))
                continue
            }
            // A null means "not given" for every typed field, as in Go; so does a zero where a default waits.
            let field = shapes[position]
            if value.isNull || field.isUnset(value) { continue }
            seen.insert(position)
            result.append(JSONObject.Member(name, field.schema.cleaned(value, at: Self.place(name, in: path()), &findings)))
        }
        complete(&result, seen, &findings, at: path)
        return JSONObject(distinctMembers: result)
    }

    /// Adds defaults for what is absent and says which required fields are.
    func complete(
        _ members: inout [JSONObject.Member], _ seen: SeenFields, _ findings: inout SchemaFindings, at path: () -> String
    ) {
        for position in expected where !seen.contains(position) {
            let field = fields[position]
            if let value = field.defaultValue {
                members.append(JSONObject.Member(field.name, field.schema.completed(value)))
            } else {
                findings.errors.append(.required(Self.place(field.name, in: path())))
            }
        }
    }

    private static func place(_ name: String, in path: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}

extension Schema {
    /// A default that is an object has defaults of its own.
    fileprivate func completed(_ value: JSONValue) -> JSONValue {
        guard case .object(let schema) = self, case .object(let object) = value, object.isEmpty, !schema.expected.isEmpty else {
            return value
        }
        var members: [JSONObject.Member] = []
        var findings = SchemaFindings()
        schema.complete(&members, SeenFields(), &findings) { "" }
        return .object(JSONObject(distinctMembers: members))
    }
}
