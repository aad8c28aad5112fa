// Checks a value against its schema and cleans it: nulls go, unknown fields go and are reported.
import JSON

/// What a schema check found. `unknownFields` are paths, in the form that Kubernetes' strict decoding reports.
struct SchemaFindings: Sendable {
    var errors: [FieldError] = []
    var unknownFields: [String] = []

    /// More findings than this end the check: the answer would not show them.
    static let maximumFindings = 64
    var isFull: Bool { errors.count + unknownFields.count >= Self.maximumFindings }
}

extension Schema {
    /// The value without nulls and unknown fields. Findings are added, also for what is missing.
    func cleaned(_ value: JSONValue, at path: String, _ findings: inout SchemaFindings) -> JSONValue {
        if findings.isFull { return value }
        switch self {
        case .any:
            return value
        case .object(let schema):
            guard case .object(let object) = value else { return refuse(value, path, "object", &findings) }
            return .object(schema.cleaned(object, at: path, &findings))
        case .array(let element, _):
            guard case .array(let elements) = value else { return refuse(value, path, "array", &findings) }
            var result: [JSONValue] = []
            result.reserveCapacity(elements.count)
            for (index, one) in elements.enumerated() {
                result.append(element.cleaned(one, at: "\(path)[\(index)]", &findings))
            }
            return .array(result)
        case .map(let element):
            guard case .object(let object) = value else { return refuse(value, path, "object", &findings) }
            var result = JSONObject()
            for (key, one) in object where !one.isNull {
                result[key] = element.cleaned(one, at: "\(path)[\(key)]", &findings)
            }
            return .object(result)
        case .string, .enumeration, .dateTime, .bytes, .integer, .number, .boolean, .quantity, .intOrString:
            checkScalar(value, path, &findings)
            return value
        }
    }

    private func refuse(
        _ value: JSONValue, _ path: String, _ expected: String, _ findings: inout SchemaFindings
    ) -> JSONValue {
        findings.errors.append(.wrongType(path, value, expected: expected))
        return value
    }

    private func checkScalar(_ value: JSONValue, _ path: String, _ findings: inout SchemaFindings) {
        switch self {
        case .enumeration(let words):
            guard let word = value.stringValue else {
                findings.errors.append(.wrongType(path, value, expected: "string"))
                return
            }
            if !words.contains(word) { findings.errors.append(.notSupported(path, value, supported: words)) }
        case .integer(let minimum, let maximum):
            guard let number = value.intValue else {
                findings.errors.append(.wrongType(path, value, expected: "integer"))
                return
            }
            if let minimum, number < minimum {
                findings.errors.append(.invalid(path, value, "must be greater than or equal to \(minimum)"))
            }
            if let maximum, number > maximum {
                findings.errors.append(.invalid(path, value, "must be less than or equal to \(maximum)"))
            }
        case .quantity:
            checkQuantity(value, path, &findings)
        case .dateTime:
            guard let text = value.stringValue else {
                findings.errors.append(.wrongType(path, value, expected: "string (RFC 3339 time)"))
                return
            }
            if RFC3339.seconds(text) == nil {
                findings.errors.append(.invalid(path, value, "must be a time in RFC 3339 form, e.g. 2026-01-31T12:00:00Z"))
            }
        case .bytes:
            guard let text = value.stringValue else {
                findings.errors.append(.wrongType(path, value, expected: "string (base64)"))
                return
            }
            if !Base64.isValid(text) { findings.errors.append(.invalid(path, value, "must be base64 text")) }
        case .string: expect(value.stringValue != nil, "string", value, path, &findings)
        case .number: expect(value.doubleValue != nil, "number", value, path, &findings)
        case .boolean: expect(value.boolValue != nil, "boolean", value, path, &findings)
        case .intOrString:
            expect(value.intValue != nil || value.stringValue != nil, "integer or string", value, path, &findings)
        case .any, .array, .map, .object:
            return
        }
    }

    private func expect(
        _ holds: Bool, _ type: String, _ value: JSONValue, _ path: String, _ findings: inout SchemaFindings
    ) {
        if !holds { findings.errors.append(.wrongType(path, value, expected: type)) }
    }

    private func checkQuantity(_ value: JSONValue, _ path: String, _ findings: inout SchemaFindings) {
        switch value {
        case .int, .double:
            return
        case .string(let text):
            if QuantityValue(text) == nil {
                findings.errors.append(
                    .invalid(path, value, "quantities must be a number with an optional suffix such as m, k, Mi or Gi"))
            }
        case .null, .bool, .array, .object:
            findings.errors.append(.wrongType(path, value, expected: "quantity (string or number)"))
        }
    }
}

extension ObjectSchema {
    fileprivate func cleaned(_ object: JSONObject, at path: String, _ findings: inout SchemaFindings) -> JSONObject {
        var result = JSONObject()
        for (name, value) in object {
            let place = path.isEmpty ? name : "\(path).\(name)"
            guard let field = self[name] else {
                findings.unknownFields.append(place)
                continue
            }
            // A null means "not given" for every typed field, as in Go.
            if value.isNull, case .any = field.schema { continue }
            if value.isNull { continue }
            result[name] = field.schema.cleaned(value, at: place, &findings)
        }
        for field in fields where field.isRequired && result[field.name] == nil {
            findings.errors.append(.required(path.isEmpty ? field.name : "\(path).\(field.name)"))
        }
        return result
    }
}
