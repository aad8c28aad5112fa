// The one way in which our own parts talk to a Kubernetes API server: ours in the same process, ours over HTTPS, or any
// other. Bodies are JSON bytes; `KubernetesAPI+Typed.swift` adds the typed views.
import KubernetesModel

/// Query of a list or watch. Selectors are in the API's own syntax ("a=b,c!=d", "spec.nodeName=n").
public struct ListOptions: Sendable, Hashable {
    public var labelSelector: String?
    public var fieldSelector: String?
    /// At most so many objects in a page; `continueToken` of the answer fetches the next.
    public var limit: Int?
    public var continueToken: String?
    public var resourceVersion: String?

    public init(
        labelSelector: String? = nil, fieldSelector: String? = nil, limit: Int? = nil, continueToken: String? = nil,
        resourceVersion: String? = nil
    ) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.limit = limit
        self.continueToken = continueToken
        self.resourceVersion = resourceVersion
    }
}

public enum PatchType: String, Sendable {
    case json = "application/json-patch+json"
    case merge = "application/merge-patch+json"
    case strategicMerge = "application/strategic-merge-patch+json"
}

public struct DeleteOptions: Sendable, Hashable {
    public var gracePeriodSeconds: Int?
    public var propagationPolicy: String?
    /// Deletes only this incarnation of the name.
    public var uid: String?

    public init(gracePeriodSeconds: Int? = nil, propagationPolicy: String? = nil, uid: String? = nil) {
        self.gracePeriodSeconds = gracePeriodSeconds
        self.propagationPolicy = propagationPolicy
        self.uid = uid
    }
}

/// One event of a watch; `object` is the object's JSON (for ERROR, a Status).
public struct RawWatchEvent: Sendable {
    public enum Kind: String, Sendable {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
        case bookmark = "BOOKMARK"
        case error = "ERROR"
    }
    public var kind: Kind
    public var object: [UInt8]

    public init(kind: Kind, object: [UInt8]) {
        self.kind = kind
        self.object = object
    }
}

/// A running watch. `next` suspends until something happened and returns what has gathered since (never an empty array);
/// nil means that the server ended the watch in order: list again or watch on from the last resourceVersion seen.
/// Throws `KubernetesAPIError.status` with code 410 when the asked revision is gone.
public protocol WatchStream: Sendable {
    func next() async throws -> [RawWatchEvent]?
    /// Ends the watch; a suspended `next` returns nil. Idempotent.
    func cancel()
}

/// An endpoint call that failed.
public enum KubernetesAPIError: Error, Sendable, CustomStringConvertible {
    /// The server refused, with its Status object.
    case status(APIStatus)
    /// The server was not reached, or the answer was not understood. Worth a retry with back-off.
    case transport(String)

    public var description: String {
        switch self {
        case .status(let status): status.message ?? "\(status.reason ?? "Unknown") (HTTP \(status.code ?? 0))"
        case .transport(let message): message
        }
    }

    public var code: Int? {
        switch self {
        case .status(let status): status.code
        case .transport: nil
        }
    }
    public var reason: String? {
        switch self {
        case .status(let status): status.reason
        case .transport: nil
        }
    }
    public var isNotFound: Bool { code == 404 }
    /// The resourceVersion was stale, or a precondition did not hold.
    public var isConflict: Bool { code == 409 && reason == "Conflict" }
    public var isAlreadyExists: Bool { reason == "AlreadyExists" }
    /// The revision of a watch or a page is no longer kept: list again.
    public var isGone: Bool { code == 410 }
}

/// The verbs of the Kubernetes API. `namespace` nil means all namespaces (list, watch) or cluster scope.
/// All throw `KubernetesAPIError`.
public protocol KubernetesAPI: Sendable {
    func get(_ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?) async throws -> [UInt8]
    /// The List document: `{"kind":"PodList","metadata":{"resourceVersion":...},"items":[...]}`.
    func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8]
    /// As `list`, for who wants the objects and not the document: a server in the same process gives them as it keeps them.
    func page(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> ObjectPage
    /// Events after `options.resourceVersion`; BOOKMARK events may come.
    func watch(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> any WatchStream
    /// `name` and `subresource` are given together, e.g. ("web", "binding").
    func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8]
    func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8]
    func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType, body: [UInt8]
    ) async throws -> [UInt8]
    func delete(_ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions) async throws
        -> [UInt8]
}

/// One pod to one node. `uid` guards against a pod that was deleted and made again under the same name.
public struct PodBinding: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var uid: String
    public var node: String

    public init(namespace: String, name: String, uid: String, node: String) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.node = node
    }
}

/// Binds the pods of a gang in one durable commit: all or none. The master's in-process client can; a stock API server
/// cannot (there, bind one by one and unwind).
public protocol GangBinding: Sendable {
    func bindTogether(_ bindings: [PodBinding]) async throws
}
