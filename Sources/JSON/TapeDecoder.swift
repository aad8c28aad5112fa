// Codable decoding straight off the tape. A coding path costs nothing until an error needs it: it is then found by
// walking the tape down to the entry.

struct TapeDecoder: Decoder {
    let tape: JSONTape
    let index: Int

    var codingPath: [any CodingKey] { tape.codingPath(to: index) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard tape.entries[index].kind == .object else { throw mismatch([String: JSONValue].self, expected: "object") }
        return KeyedDecodingContainer(TapeKeyedContainer<Key>(tape: tape, object: index))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { try elements() }

    func elements() throws -> TapeUnkeyedContainer {
        guard tape.entries[index].kind == .array else { throw mismatch([JSONValue].self, expected: "array") }
        return TapeUnkeyedContainer(tape: tape, array: index)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }
}

extension TapeDecoder: SingleValueDecodingContainer {
    func decodeNil() -> Bool { tape.entries[index].kind == .null }
    func decode(_: Bool.Type) throws -> Bool { try bool() }
    func decode(_: String.Type) throws -> String { try string() }
    func decode(_: Double.Type) throws -> Double { try double() }
    func decode(_: Float.Type) throws -> Float { Float(try double()) }
    func decode(_: Int.Type) throws -> Int { try integer() }
    func decode(_: Int8.Type) throws -> Int8 { try integer() }
    func decode(_: Int16.Type) throws -> Int16 { try integer() }
    func decode(_: Int32.Type) throws -> Int32 { try integer() }
    func decode(_: Int64.Type) throws -> Int64 { try integer() }
    func decode(_: UInt.Type) throws -> UInt { try integer() }
    func decode(_: UInt8.Type) throws -> UInt8 { try integer() }
    func decode(_: UInt16.Type) throws -> UInt16 { try integer() }
    func decode(_: UInt32.Type) throws -> UInt32 { try integer() }
    func decode(_: UInt64.Type) throws -> UInt64 { try integer() }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try decodeValue(type) }
}

// MARK: - Values

extension TapeDecoder {
    func string() throws -> String {
        guard let value = tape.string(JSONTape.Node(index: index)) else { throw mismatch(String.self, expected: "string") }
        return value
    }

    func bool() throws -> Bool {
        guard let value = tape.bool(JSONTape.Node(index: index)) else { throw mismatch(Bool.self, expected: "bool") }
        return value
    }

    func double() throws -> Double {
        guard let value = tape.double(JSONTape.Node(index: index)) else { throw mismatch(Double.self, expected: "number") }
        return value
    }

    func integer<Integer: FixedWidthInteger>() throws -> Integer {
        let node = JSONTape.Node(index: index)
        if let value = tape.integer(node, as: Integer.self) { return value }
        guard tape.kind(node) == .number else { throw mismatch(Integer.self, expected: "integer") }
        let found = String(decoding: tape.rawBytes(node).prefix(40), as: UTF8.self)
        throw DecodingError.dataCorrupted(
            .init(
                codingPath: codingPath,
                debugDescription: "expected an integer from \(Integer.min) to \(Integer.max), found \(found)"))
    }

    /// The common generic types take a short cut past the containers.
    func decodeValue<T: Decodable>(_ type: T.Type) throws -> T {
        let value: Any?
        if type == String.self {
            value = try string()
        } else if type == JSONValue.self {
            value = tape.value(JSONTape.Node(index: index))
        } else if type == JSONObject.self {
            value = tape.value(JSONTape.Node(index: index)).objectValue
        } else if type == [String].self {
            value = try strings()
        } else if let dictionary = type as? any StringKeyedDecodable.Type {
            value = try dictionary.decode(from: self)
        } else {
            return try T(from: self)
        }
        // A nil here is a document of the wrong kind: let the type's own initialiser say so.
        guard let result = value as? T else { return try T(from: self) }
        return result
    }

    private func strings() throws -> [String] {
        let elements = try elements()
        return try tape.children(of: JSONTape.Node(index: elements.array), kind: .array, stride: 1).map {
            try TapeDecoder(tape: tape, index: $0).string()
        }
    }

    func mismatch(_ type: Any.Type, expected: String) -> DecodingError {
        let found = tape.kind(JSONTape.Node(index: index))
        let context = DecodingError.Context(codingPath: codingPath, debugDescription: "expected \(expected), found \(found)")
        return found == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }
}

/// Dictionaries with string keys, decoded in one pass instead of one search per key.
protocol StringKeyedDecodable {
    static func decode(from decoder: TapeDecoder) throws -> Self
}

extension Dictionary: StringKeyedDecodable where Key == String, Value: Decodable {
    static func decode(from decoder: TapeDecoder) throws -> [String: Value] {
        let tape = decoder.tape
        guard tape.entries[decoder.index].kind == .object else {
            throw decoder.mismatch([String: Value].self, expected: "object")
        }
        var result: [String: Value] = [:]
        for name in tape.children(of: JSONTape.Node(index: decoder.index), kind: .object, stride: 2) {
            result[tape.text(name)] = try TapeDecoder(tape: tape, index: name + 1).decodeValue(Value.self)
        }
        return result
    }
}

extension JSONTape {
    /// The names and positions that lead from the root to an entry.
    func codingPath(to target: Int) -> [any CodingKey] {
        var path: [any CodingKey] = []
        var current = 0
        while current != target {
            let node = Node(index: current)
            let isObject = entries[current].kind == .object
            var position = 0
            var found: Int?
            for child in children(of: node, kind: entries[current].kind, stride: isObject ? 2 : 1) {
                let value = isObject ? child + 1 : child
                if target < Int(entries[value].next) {
                    path.append(isObject ? JSONKey(stringValue: text(child)) : JSONKey(intValue: position))
                    found = value
                    break
                }
                position += 1
            }
            guard let found else { return path }
            current = found
        }
        return path
    }
}
