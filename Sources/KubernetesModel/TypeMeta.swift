// `apiVersion` and `kind` of a typed view: known by its type, so that they take no memory, are always written and never
// need to be present when read (items of a list leave them out).

/// Writes `Object.apiVersion`; ignores what is read.
public struct APIVersionField<Object: KubernetesObject>: Sendable, Hashable, Codable {
    public init() {}

    public init(from decoder: any Decoder) throws {}

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Object.apiVersion)
    }
}

/// Writes `Object.kind`; ignores what is read.
public struct KindField<Object: KubernetesObject>: Sendable, Hashable, Codable {
    public init() {}

    public init(from decoder: any Decoder) throws {}

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Object.kind)
    }
}

extension KeyedDecodingContainer {
    public func decode<Object>(_ type: APIVersionField<Object>.Type, forKey key: Key) throws -> APIVersionField<Object> {
        APIVersionField()
    }

    public func decode<Object>(_ type: KindField<Object>.Type, forKey key: Key) throws -> KindField<Object> { KindField() }
}

extension KubernetesObject {
    /// "name" or "namespace/name": how logs and errors name the object.
    public var namespacedName: String {
        metadata.namespace.map { "\($0)/\(metadata.name)" } ?? metadata.name
    }
}
