// What a server stores, as discovery tells it: for controllers that treat all kinds alike (garbage, namespaces, quota).
import KubernetesModel

/// One kind of stored object with its endpoint.
public struct ServedResource: Sendable, Hashable {
    public var resource: GroupVersionResource
    public var kind: String
    public var namespaced: Bool

    public init(_ resource: GroupVersionResource, kind: String, namespaced: Bool) {
        self.resource = resource
        self.kind = kind
        self.namespaced = namespaced
    }

    public init<T: KubernetesObject>(_ type: T.Type) { self.init(T.resource, kind: T.kind, namespaced: T.namespaced) }
}

/// A server that knows which kinds it stores.
public protocol ResourceDiscovery: Sendable {
    /// Kinds that can be listed, watched and deleted.
    var servedResources: [ServedResource] { get }
}
