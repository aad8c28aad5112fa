// Whether a scalar is what its schema says; both ways of checking an object (from a tape, from a tree) end here.
import JSON
import KubernetesModel

/// What a schema check found. `unknownFields` are paths, in the form that Kubernetes' strict decoding reports.
struct SchemaFindings: Sendable {
    var errors: [FieldError] = []
    var unknownFields: [String] = []

    /// More findings than this end the check: the answer would not show them.
    static let maximumFindings = 64
    var isFull: Bool { errors.count + unknownFields.count >= Self.maximumFindings }
}

extension Schema {
    /// nil: the value is as it should be, or not a scalar's.
    func scalarError(_ value: JSONValue, at path: @autoclosure () -> String) -> FieldError? {
        switch self {
        case .string: return value.stringValue == nil ? .wrongType(path(), value, expected: "string") : nil
        case .enumeration(let words):
            guard case .string(let word) = value else { return .wrongType(path(), value, expected: "string") }
            // An empty word is Go's way of not saying anything.
            if words.contains(word) || word.isEmpty { return nil }
            return .notSupported(path(), value, supported: words)
        case .integer(let minimum, let maximum):
            guard let number = value.intValue else { return .wrongType(path(), value, expected: "integer") }
            if let minimum, number < minimum {
                return .invalid(path(), value, "must be greater than or equal to \(minimum)")
            }
            if let maximum, number > maximum { return .invalid(path(), value, "must be less than or equal to \(maximum)") }
            return nil
        case .quantity: return quantityError(value, at: path())
        case .dateTime:
            guard case .string(let text) = value else {
                return .wrongType(path(), value, expected: "string (RFC 3339 time)")
            }
            if RFC3339.seconds(text) != nil { return nil }
            return .invalid(path(), value, "must be a time in RFC 3339 form, e.g. 2026-01-31T12:00:00Z")
        case .bytes:
            guard case .string(let text) = value else { return .wrongType(path(), value, expected: "string (base64)") }
            return Base64.isValid(text) ? nil : .invalid(path(), value, "must be base64 text")
        case .number: return value.doubleValue == nil ? .wrongType(path(), value, expected: "number") : nil
        case .boolean: return value.boolValue == nil ? .wrongType(path(), value, expected: "boolean") : nil
        case .intOrString:
            let isFit = value.intValue != nil || value.stringValue != nil
            return isFit ? nil : .wrongType(path(), value, expected: "integer or string")
        case .any, .array, .map, .object: return nil
        }
    }

    private func quantityError(_ value: JSONValue, at path: @autoclosure () -> String) -> FieldError? {
        switch value {
        case .int, .double: return nil
        case .string(let text):
            if QuantityForm.isCanonical(text) || QuantityForm.quantity(value) != nil { return nil }
            return .invalid(path(), value, "quantities must match the regular expression '\(QuantityForm.expression)'")
        case .null, .bool, .array, .object:
            return .wrongType(path(), value, expected: "quantity (string or number)")
        }
    }
}

/// Quantities as built-in kinds keep them: always text, in the one form that Kubernetes writes.
enum QuantityForm {
    static let expression = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"

    /// Whether the text is surely canonical: at most three digits can neither be shortened nor take a larger suffix. Most
    /// quantities are so, and need no arithmetic.
    static func isCanonical(_ text: String) -> Bool {
        text.utf8.withContiguousStorageIfAvailable { text in
            var digits = 0
            while digits < text.count, (0x30...0x39).contains(text[digits]) { digits += 1 }
            guard (1...3).contains(digits) else { return false }
            if digits == text.count { return text[0] != 0x30 || digits == 1 }
            return text[0] != 0x30 && isSuffix(text[digits...])
        } ?? false
    }

    /// m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei.
    private static func isSuffix(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let isBinary = text.count == 2 && text.last == UInt8(ascii: "i")
        guard let first = text.first, text.count == 1 || isBinary else { return false }
        switch first {
        case UInt8(ascii: "m"), UInt8(ascii: "k"): return !isBinary
        case UInt8(ascii: "K"): return isBinary
        case UInt8(ascii: "M"), UInt8(ascii: "G"), UInt8(ascii: "T"), UInt8(ascii: "P"), UInt8(ascii: "E"): return true
        default: return false
        }
    }

    static func quantity(_ value: JSONValue) -> Quantity? {
        switch value {
        case .string(let text): try? Quantity(text)
        case .int(let number): Quantity(number)
        case .double(let number): try? Quantity("\(number)")
        case .null, .bool, .array, .object: nil
        }
    }

    static func canonical(_ value: JSONValue) -> JSONValue {
        if case .string(let text) = value, isCanonical(text) { return value }
        return quantity(value).map { .string($0.canonical) } ?? value
    }
}
