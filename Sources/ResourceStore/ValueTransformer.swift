// How values are changed on their way to the disk and back: encryption at rest. Memory always holds plain values.

public protocol ValueTransformer: Sendable {
    /// The value as it is to be stored; nil: this object's kind is stored as it is. A sealed value must open only for its key.
    func seal(_ value: [UInt8], key: ResourceKey) throws(ValueTransformError) -> [UInt8]?

    /// Throws when the value was changed, belongs to another key, or was sealed with a secret that is not known here.
    func open(_ sealed: [UInt8], key: ResourceKey) throws(ValueTransformError) -> OpenedValue

    /// Whether a value of this key, stored as it is, should be sealed instead.
    func seals(_ key: ResourceKey) -> Bool
}

public struct OpenedValue: Sendable {
    public var value: [UInt8]
    /// False when it was sealed with a secret that is to be replaced: the store then seals it again.
    public var isCurrent: Bool

    public init(value: [UInt8], isCurrent: Bool) {
        self.value = value
        self.isCurrent = isCurrent
    }
}

public struct ValueTransformError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Stores everything as it is, and opens nothing that was sealed.
public struct PlainValues: ValueTransformer {
    public init() {}
    public func seal(_ value: [UInt8], key: ResourceKey) throws(ValueTransformError) -> [UInt8]? { nil }
    public func open(_ sealed: [UInt8], key: ResourceKey) throws(ValueTransformError) -> OpenedValue {
        throw ValueTransformError("it is encrypted, and no encryption key is given")
    }
    public func seals(_ key: ResourceKey) -> Bool { false }
}
