// A large value that is copied as one reference and written as JSON once: a pod's object, which every record of its machine holds.
import JSON
import Synchronization

/// Equal to another when the values are; what is changed is a new one, so nobody else sees it. Encodes as the value itself.
@propertyWrapper
public struct SharedValue<Value: Hashable & Codable & Sendable>: Sendable {
    private final class Storage: Sendable {
        let value: Value
        let text = Mutex<[UInt8]?>(nil)

        init(_ value: Value) { self.value = value }

        func encoded() throws -> [UInt8] {
            if let text = text.withLock({ $0 }) { return text }
            let new = try JSON.encode(value)
            text.withLock { $0 = new }
            return new
        }
    }

    private var storage: Storage

    public var wrappedValue: Value {
        get { storage.value }
        set { storage = Storage(newValue) }
    }

    public init(wrappedValue: Value) { storage = Storage(wrappedValue) }
}

extension SharedValue: Hashable {
    public static func == (one: SharedValue, other: SharedValue) -> Bool {
        one.storage === other.storage || one.storage.value == other.storage.value
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(storage.value) }
}

extension SharedValue: Codable {
    public init(from decoder: any Decoder) throws { self.init(wrappedValue: try Value(from: decoder)) }

    public func encode(to encoder: any Encoder) throws {
        if try JSON.write({ try storage.encoded() }, to: encoder) { return }
        try storage.value.encode(to: encoder)
    }
}
