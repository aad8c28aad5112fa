// The room's door: Codable types to and from JSON text and trees.

public enum JSON {
    /// Throws `JSONError` for a text that is not JSON and `DecodingError`, with the coding path of the culprit, for JSON
    /// that is not a `T`. Members that `T` does not know are ignored.
    public static func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
        try decode(type, from: JSONTape(parsing: bytes))
    }

    public static func decode<T: Decodable>(_ type: T.Type, from tape: JSONTape) throws -> T {
        try TapeDecoder(tape: tape, index: tape.root.index).decodeValue(type)
    }

    /// Decodes one value inside a document; coding paths start at the document's root.
    public static func decode<T: Decodable>(_ type: T.Type, from node: JSONTape.Node, of tape: JSONTape) throws -> T {
        try TapeDecoder(tape: tape, index: node.index).decodeValue(type)
    }

    public static func decode<T: Decodable>(_ type: T.Type, from value: JSONValue) throws -> T {
        try decode(type, from: value.serialized())
    }

    /// Throws `EncodingError` for a number that JSON cannot express and for a misused container. An optional that is nil
    /// is left out; string-keyed dictionaries are written in order of their keys, so equal values give equal bytes.
    public static func encode<T: Encodable>(_ value: T) throws -> [UInt8] {
        let output = EncodingOutput(path: [])
        try output.encodeValue(value, key: nil)
        return output.assembled()
    }

    /// In an `encode(to:)`: writes one value whose text is there already. False, and nothing is asked for, when the encoder is not one of this module.
    /// The text is taken as it is: it has to be what `encode` made of a value.
    public static func write(_ text: () throws -> [UInt8], to encoder: any Encoder) throws -> Bool {
        guard let encoder = encoder as? TapeEncoder else { return false }
        try encoder.write(try text())
        return true
    }

    public static func encodeToValue<T: Encodable>(_ value: T) throws -> JSONValue {
        try JSONValue(parsing: encode(value))
    }

    /// One line for people: `spec.tasks[0].parties: expected array, found string`.
    public static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            prefixed(context.codingPath, context.debugDescription)
        case DecodingError.keyNotFound(let key, let context):
            prefixed(context.codingPath + [key], "required member is missing")
        case EncodingError.invalidValue(_, let context):
            prefixed(context.codingPath, context.debugDescription)
        default: "\(error)"
        }
    }

    /// `spec.tasks[0].parties`
    public static func describe(path: [any CodingKey]) -> String {
        path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }

    private static func prefixed(_ path: [any CodingKey], _ text: String) -> String {
        path.isEmpty ? text : "\(describe(path: path)): \(text)"
    }
}
