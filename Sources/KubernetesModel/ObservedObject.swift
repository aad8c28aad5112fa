// What a local copy keeps of an object: a whole typed view, or the few facts that its readers need.
import JSON

/// Where an object is, whatever its kind.
public struct ObjectKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// nil at cluster scope.
    public var namespace: String?
    public var name: String

    public init(namespace: String?, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// "namespace/name" or "name".
    public var description: String { namespace.map { "\($0)/\(name)" } ?? name }

    public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        (left.namespace ?? "", left.name) < (right.namespace ?? "", right.name)
    }
}

/// An object as an informer keeps it. Every `KubernetesObject` is one, read whole; a kind of which there are many gets a type
/// of its own that reads off the tape only what is asked for.
public protocol ObservedObject: Sendable {
    static var resource: GroupVersionResource { get }
    static var kind: String { get }

    var observedKey: ObjectKey { get }
    /// Distinguishes two objects that had the same name one after the other.
    var observedUID: String? { get }
    var observedVersion: String? { get }

    /// Reads the object at `node` of `tape`. Throws when it does not fit.
    static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> Self
}

extension KubernetesObject {
    public var observedKey: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }
    public var observedUID: String? { metadata.uid }
    public var observedVersion: String? { metadata.resourceVersion }

    public static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> Self {
        try JSON.decode(Self.self, from: node, of: tape)
    }
}
