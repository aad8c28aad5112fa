// The keyed and unkeyed views that Codable types read through.

struct TapeKeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let tape: JSONTape
    let object: Int

    var codingPath: [any CodingKey] { tape.codingPath(to: object) }

    var allKeys: [Key] {
        tape.children(of: JSONTape.Node(index: object), kind: .object, stride: 2).compactMap {
            Key(stringValue: tape.text($0))
        }
    }

    func contains(_ key: Key) -> Bool { tape.name(key.stringValue, inObject: object) != nil }

    private func member(_ key: some CodingKey) throws -> TapeDecoder {
        guard let name = tape.name(key.stringValue, inObject: object) else {
            let context = DecodingError.Context(
                codingPath: codingPath, debugDescription: "required member \"\(key.stringValue)\" is missing")
            throw DecodingError.keyNotFound(key, context)
        }
        return TapeDecoder(tape: tape, index: name + 1)
    }

    /// nil for an absent member and for null: to Kubernetes the two mean the same.
    private func memberIfPresent(_ key: Key) -> TapeDecoder? {
        guard let name = tape.name(key.stringValue, inObject: object) else { return nil }
        let member = TapeDecoder(tape: tape, index: name + 1)
        return member.decodeNil() ? nil : member
    }

    func decodeNil(forKey key: Key) throws -> Bool { try member(key).decodeNil() }
    func decode(_: Bool.Type, forKey key: Key) throws -> Bool { try member(key).bool() }
    func decode(_: String.Type, forKey key: Key) throws -> String { try member(key).string() }
    func decode(_: Double.Type, forKey key: Key) throws -> Double { try member(key).double() }
    func decode(_: Float.Type, forKey key: Key) throws -> Float { Float(try member(key).double()) }
    func decode(_: Int.Type, forKey key: Key) throws -> Int { try member(key).integer() }
    func decode(_: Int8.Type, forKey key: Key) throws -> Int8 { try member(key).integer() }
    func decode(_: Int16.Type, forKey key: Key) throws -> Int16 { try member(key).integer() }
    func decode(_: Int32.Type, forKey key: Key) throws -> Int32 { try member(key).integer() }
    func decode(_: Int64.Type, forKey key: Key) throws -> Int64 { try member(key).integer() }
    func decode(_: UInt.Type, forKey key: Key) throws -> UInt { try member(key).integer() }
    func decode(_: UInt8.Type, forKey key: Key) throws -> UInt8 { try member(key).integer() }
    func decode(_: UInt16.Type, forKey key: Key) throws -> UInt16 { try member(key).integer() }
    func decode(_: UInt32.Type, forKey key: Key) throws -> UInt32 { try member(key).integer() }
    func decode(_: UInt64.Type, forKey key: Key) throws -> UInt64 { try member(key).integer() }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try member(key).decodeValue(type) }

    // The defaults would search three times.
    func decodeIfPresent(_: Bool.Type, forKey key: Key) throws -> Bool? { try memberIfPresent(key)?.bool() }
    func decodeIfPresent(_: String.Type, forKey key: Key) throws -> String? { try memberIfPresent(key)?.string() }
    func decodeIfPresent(_: Double.Type, forKey key: Key) throws -> Double? { try memberIfPresent(key)?.double() }
    func decodeIfPresent(_: Int.Type, forKey key: Key) throws -> Int? { try memberIfPresent(key)?.integer() }
    func decodeIfPresent(_: Int32.Type, forKey key: Key) throws -> Int32? { try memberIfPresent(key)?.integer() }
    func decodeIfPresent(_: Int64.Type, forKey key: Key) throws -> Int64? { try memberIfPresent(key)?.integer() }
    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
        try memberIfPresent(key)?.decodeValue(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try member(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try member(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try member(JSONKey.super) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try member(key) }
}

struct TapeUnkeyedContainer: UnkeyedDecodingContainer {
    let tape: JSONTape
    let array: Int
    private var next: Int
    private(set) var currentIndex = 0

    init(tape: JSONTape, array: Int) {
        self.tape = tape
        self.array = array
        next = array + 1
    }

    var codingPath: [any CodingKey] { tape.codingPath(to: array) }
    /// Unknown without a walk.
    var count: Int? { nil }
    var isAtEnd: Bool { next >= Int(tape.entries[array].next) }

    /// Reads the next element and steps past it only if that succeeded, as the protocol asks.
    private mutating func take<T>(_ read: (TapeDecoder) throws -> T) throws -> T {
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                T.self, .init(codingPath: codingPath, debugDescription: "array has only \(currentIndex) elements"))
        }
        let value = try read(TapeDecoder(tape: tape, index: next))
        next = Int(tape.entries[next].next)
        currentIndex += 1
        return value
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, tape.entries[next].kind == .null else { return false }
        return try take { $0.decodeNil() }
    }

    mutating func decode(_: String.Type) throws -> String { try take { try $0.string() } }
    mutating func decode(_: Bool.Type) throws -> Bool { try take { try $0.bool() } }
    mutating func decode(_: Double.Type) throws -> Double { try take { try $0.double() } }
    mutating func decode(_: Float.Type) throws -> Float { try take { Float(try $0.double()) } }
    mutating func decode(_: Int.Type) throws -> Int { try take { try $0.integer() } }
    mutating func decode(_: Int8.Type) throws -> Int8 { try take { try $0.integer() } }
    mutating func decode(_: Int16.Type) throws -> Int16 { try take { try $0.integer() } }
    mutating func decode(_: Int32.Type) throws -> Int32 { try take { try $0.integer() } }
    mutating func decode(_: Int64.Type) throws -> Int64 { try take { try $0.integer() } }
    mutating func decode(_: UInt.Type) throws -> UInt { try take { try $0.integer() } }
    mutating func decode(_: UInt8.Type) throws -> UInt8 { try take { try $0.integer() } }
    mutating func decode(_: UInt16.Type) throws -> UInt16 { try take { try $0.integer() } }
    mutating func decode(_: UInt32.Type) throws -> UInt32 { try take { try $0.integer() } }
    mutating func decode(_: UInt64.Type) throws -> UInt64 { try take { try $0.integer() } }
    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try take { try $0.decodeValue(type) } }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        try take { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try take { try $0.unkeyedContainer() } }
    mutating func superDecoder() throws -> any Decoder { try take { $0 } }
}
