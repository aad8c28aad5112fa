// Names of API resources: which endpoint serves a kind, and which kind an endpoint serves.

/// The endpoint of a kind: `group` is empty for core/v1, `resource` is the plural of the URL ("pods").
public struct GroupVersionResource: Hashable, Sendable, Codable, CustomStringConvertible {
    public var group: String
    public var version: String
    public var resource: String

    public init(group: String = "", version: String = "v1", resource: String) {
        self.group = group
        self.version = version
        self.resource = resource
    }

    /// "v1" for the core group, "group/version" otherwise: the `apiVersion` of its objects.
    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// "/api/v1" or "/apis/group/version": where the group version is mounted.
    public var pathPrefix: String { group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)" }

    public var description: String { group.isEmpty ? resource : "\(resource).\(group)" }
}

/// A kind by name, as in `apiVersion` and `kind` of an object.
public struct GroupVersionKind: Hashable, Sendable, Codable, CustomStringConvertible {
    public var group: String
    public var version: String
    public var kind: String

    public init(group: String = "", version: String = "v1", kind: String) {
        self.group = group
        self.version = version
        self.kind = kind
    }

    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
    public var description: String { "\(apiVersion), Kind=\(kind)" }
}

/// What every typed view has. The views are *partial*: they keep the fields that our code reads or writes, so an object
/// that was read through a view is never written back whole; changes go out as patches.
public protocol KubernetesObject: ObservedObject, Codable {
    static var namespaced: Bool { get }
    var metadata: ObjectMeta { get set }
}

extension KubernetesObject {
    public static var apiVersion: String { resource.apiVersion }
}
