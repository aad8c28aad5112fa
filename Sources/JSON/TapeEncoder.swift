// Codable encoding straight to bytes.

struct TapeEncoder: Encoder {
    let output: EncodingOutput
    let depth: Int

    var codingPath: [any CodingKey] { output.codingPath(above: depth) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedEncodingContainer<Key> {
        output.open(.object, at: depth)
        return KeyedEncodingContainer(KeyedWriter<Key>(output: output, depth: depth))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        output.open(.array, at: depth)
        return UnkeyedWriter(output: output, depth: depth)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }
}

extension TapeEncoder {
    /// One value, as its text says.
    func write(_ text: [UInt8]) throws {
        try output.beginScalar(at: depth)
        output.writer.raw(text, 0..<text.count)
    }
}

extension TapeEncoder: SingleValueEncodingContainer {
    private func integer(_ value: some FixedWidthInteger) throws {
        try output.beginScalar(at: depth)
        output.writer.integer(value)
    }

    func encodeNil() throws {
        try output.beginScalar(at: depth)
        output.writer.raw("null")
    }

    func encode(_ value: Bool) throws {
        try output.beginScalar(at: depth)
        output.writer.bool(value)
    }

    func encode(_ value: String) throws {
        try output.beginScalar(at: depth)
        output.writer.string(value)
    }

    func encode(_ value: Double) throws {
        try output.beginScalar(at: depth)
        output.writer.double(try output.finite(value, at: depth, key: nil))
    }

    func encode(_ value: Float) throws { try encode(Double(value)) }
    func encode(_ value: Int) throws { try integer(value) }
    func encode(_ value: Int8) throws { try integer(value) }
    func encode(_ value: Int16) throws { try integer(value) }
    func encode(_ value: Int32) throws { try integer(value) }
    func encode(_ value: Int64) throws { try integer(value) }
    func encode(_ value: UInt) throws { try integer(value) }
    func encode(_ value: UInt8) throws { try integer(value) }
    func encode(_ value: UInt16) throws { try integer(value) }
    func encode(_ value: UInt32) throws { try integer(value) }
    func encode(_ value: UInt64) throws { try integer(value) }

    func encode<T: Encodable>(_ value: T) throws {
        try output.beginScalar(at: depth)
        try output.encodeValue(value, key: nil)
    }
}

struct KeyedWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let output: EncodingOutput
    let depth: Int

    var codingPath: [any CodingKey] { output.codingPath(above: depth) }

    private func begin(_ key: any CodingKey) throws { try output.beginItem(.object, at: depth, key: key) }

    private func integer(_ value: some FixedWidthInteger, _ key: Key) throws {
        try begin(key)
        output.writer.integer(value)
    }

    func encodeNil(forKey key: Key) throws {
        try begin(key)
        output.writer.raw("null")
    }

    func encode(_ value: Bool, forKey key: Key) throws {
        try begin(key)
        output.writer.bool(value)
    }

    func encode(_ value: String, forKey key: Key) throws {
        try begin(key)
        output.writer.string(value)
    }

    func encode(_ value: Double, forKey key: Key) throws {
        try begin(key)
        output.writer.double(try output.finite(value, at: depth, key: key))
    }

    func encode(_ value: Float, forKey key: Key) throws { try encode(Double(value), forKey: key) }
    func encode(_ value: Int, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int8, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int16, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int32, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: Int64, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt8, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt16, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt32, forKey key: Key) throws { try integer(value, key) }
    func encode(_ value: UInt64, forKey key: Key) throws { try integer(value, key) }

    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        try begin(key)
        try output.encodeValue(value, key: key)
    }

    /// The protocol leaves no way to throw here; a misused container shows itself when it is written to.
    private func nested(_ key: any CodingKey) -> EncodingOutput {
        guard (try? begin(key)) != nil else { return EncodingOutput(path: codingPath) }
        return output.nested(at: depth, key: key)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        TapeEncoder(output: nested(key), depth: 0).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        TapeEncoder(output: nested(key), depth: 0).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { TapeEncoder(output: nested(JSONKey.super), depth: 0) }
    func superEncoder(forKey key: Key) -> any Encoder { TapeEncoder(output: nested(key), depth: 0) }
}

struct UnkeyedWriter: UnkeyedEncodingContainer {
    let output: EncodingOutput
    let depth: Int

    var codingPath: [any CodingKey] { output.codingPath(above: depth) }
    var count: Int { depth < output.frames.count ? output.frames[depth].count : 0 }

    private func begin() throws -> JSONKey {
        let key = JSONKey(intValue: count)
        try output.beginItem(.array, at: depth, key: key)
        return key
    }

    func encodeNil() throws {
        _ = try begin()
        output.writer.raw("null")
    }

    func encode(_ value: Double) throws {
        let key = try begin()
        output.writer.double(try output.finite(value, at: depth, key: key))
    }

    func encode(_ value: Float) throws { try encode(Double(value)) }

    func encode(_ value: String) throws {
        _ = try begin()
        output.writer.string(value)
    }

    func encode<T: Encodable>(_ value: T) throws {
        let key = try begin()
        try output.encodeValue(value, key: key)
    }

    private func nested() -> EncodingOutput {
        guard let key = try? begin() else { return EncodingOutput(path: codingPath) }
        return output.nested(at: depth, key: key)
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        TapeEncoder(output: nested(), depth: 0).container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        TapeEncoder(output: nested(), depth: 0).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { TapeEncoder(output: nested(), depth: 0) }
}
