// Fields that may be absent in JSON but are never nil in Swift, as in Kubernetes' own Go types: absent and null read as
// the empty value.

/// A value whose `init()` is the empty one.
public protocol DefaultInitializable: Codable, Hashable {
    init()
}

extension String: DefaultInitializable {}
extension Bool: DefaultInitializable {}
extension Int: DefaultInitializable {}
extension Array: DefaultInitializable where Element: Codable & Hashable {}
extension Dictionary: DefaultInitializable where Key: Codable, Value: Codable & Hashable {}

/// Absent or null reads as the empty value; the empty value is left out when written (Go's `omitempty`).
@propertyWrapper
public struct DefaultEmpty<Value: DefaultInitializable>: Hashable, Codable {
    public var wrappedValue: Value

    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws { wrappedValue = try Value(from: decoder) }

    public func encode(to encoder: any Encoder) throws { try wrappedValue.encode(to: encoder) }
}

/// Absent or null reads as the empty value; the field is always written, because the API's schema requires it.
@propertyWrapper
public struct WrittenEmpty<Value: DefaultInitializable>: Hashable, Codable {
    public var wrappedValue: Value

    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws { wrappedValue = try Value(from: decoder) }

    public func encode(to encoder: any Encoder) throws { try wrappedValue.encode(to: encoder) }
}

extension DefaultEmpty: Sendable where Value: Sendable {}
extension WrittenEmpty: Sendable where Value: Sendable {}

// The compiler's synthesised Codable calls these overloads, because they are more special than the generic ones.
extension KeyedDecodingContainer {
    public func decode<Value>(_ type: DefaultEmpty<Value>.Type, forKey key: Key) throws -> DefaultEmpty<Value> {
        DefaultEmpty(wrappedValue: try decodeIfPresent(Value.self, forKey: key) ?? Value())
    }

    public func decode<Value>(_ type: WrittenEmpty<Value>.Type, forKey key: Key) throws -> WrittenEmpty<Value> {
        WrittenEmpty(wrappedValue: try decodeIfPresent(Value.self, forKey: key) ?? Value())
    }
}

extension KeyedEncodingContainer {
    public mutating func encode<Value>(_ value: DefaultEmpty<Value>, forKey key: Key) throws {
        guard value.wrappedValue != Value() else { return }
        try encode(value.wrappedValue, forKey: key)
    }

    public mutating func encode<Value>(_ value: WrittenEmpty<Value>, forKey key: Key) throws {
        try encode(value.wrappedValue, forKey: key)
    }
}
