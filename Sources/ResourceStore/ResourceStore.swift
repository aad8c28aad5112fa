// The seam between the API server and whatever keeps its objects: revisioned objects as encoded JSON, with optimistic
// concurrency, all-or-nothing commits, and watches that miss nothing after the revision of a list.
import JSON

public protocol ResourceStore: Sendable {
    /// The object as of the latest durable commit; nil when there is none.
    func get(_ key: ResourceKey) async throws(StoreError) -> StoredObject?

    /// Objects in order of namespace and name.
    func list(_ request: ListRequest) async throws(StoreError) -> ListResult

    /// As `get`, for callers that must not suspend: present states are in memory.
    func peek(_ key: ResourceKey) throws(StoreError) -> StoredObject?

    /// As `list`, for callers that must not suspend.
    func scan(_ request: ListRequest) throws(StoreError) -> ListResult

    /// One transaction, all or nothing, acknowledged only when it is durable and visible to `get`, `list` and `watch`.
    /// Each create, update and delete gets a revision of its own, strictly increasing over the store's whole life.
    @discardableResult
    func commit(_ operations: [StoreOperation]) async throws(StoreError) -> CommitResult

    /// Every change after `revision`, in order; from nil, first every present object as `added`.
    /// Throws `expired` when the event log does not reach back (or not yet up) to `revision`: list again.
    func watch(
        _ collection: CollectionID, namespace: String?, selector: StoreSelector, from revision: UInt64?
    ) throws(StoreError) -> StoreWatch

    /// Revision of the latest durable commit.
    var revision: UInt64 { get }

    /// Why the last write could not be made durable; nil when it could, and before the first. Not nil: not ready.
    var writeFailure: String? { get }

    /// Finishes the commits under way and ends every watch; every later call fails with `unavailable`.
    func close() async
}

extension ResourceStore {
    public func list(
        group: String, resource: String, namespace: String? = nil, selector: StoreSelector = .everything, limit: Int? = nil,
        continueAfter: ListContinuation? = nil, atLeast revision: UInt64 = 0
    ) async throws(StoreError) -> ListResult {
        try await list(
            ListRequest(
                collection: CollectionID(group: group, resource: resource), namespace: namespace, selector: selector,
                limit: limit, continueAfter: continueAfter, atLeast: revision))
    }

    public func watch(
        group: String, resource: String, namespace: String? = nil, selector: StoreSelector = .everything,
        from revision: UInt64?
    ) throws(StoreError) -> StoreWatch {
        try watch(
            CollectionID(group: group, resource: resource), namespace: namespace, selector: selector, from: revision)
    }
}

// MARK: - Names

/// All objects of one API group ("" for the core group) and resource, whatever their version and namespace.
public struct CollectionID: Hashable, Sendable {
    public let group: String
    /// Plural: "pods".
    public let resource: String

    public init(group: String, resource: String) {
        self.group = group
        self.resource = resource
    }
}

public struct ResourceKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// "" is the core group.
    public let group: String
    /// Plural: "pods".
    public let resource: String
    /// "" for objects of cluster scope.
    public let namespace: String
    public let name: String

    public init(group: String, resource: String, namespace: String, name: String) {
        self.group = group
        self.resource = resource
        self.namespace = namespace
        self.name = name
    }

    public var collection: CollectionID { CollectionID(group: group, resource: resource) }

    public static func < (left: ResourceKey, right: ResourceKey) -> Bool {
        (left.group, left.resource, left.namespace, left.name) < (right.group, right.resource, right.namespace, right.name)
    }

    /// `pods alice/web`, `kusciajobs.kuscia.secretflow cross-domain/job-1`, `nodes node-1`
    public var description: String {
        (group.isEmpty ? resource : "\(resource).\(group)") + (namespace.isEmpty ? " " : " \(namespace)/") + name
    }
}

// MARK: - Objects

/// What selectors look at, extracted once when an object is written.
public struct ObjectIndex: Sendable, Hashable, Codable {
    public var uid: String
    public var labels: [String: String]
    /// Selectable fields by path: "metadata.name", "metadata.namespace", and by kind e.g. "spec.nodeName", "status.phase".
    public var fields: [String: String]

    public init(uid: String = "", labels: [String: String] = [:], fields: [String: String] = [:]) {
        self.uid = uid
        self.labels = labels
        self.fields = fields
    }
}

/// One state of one object. A class, because lists and event logs share it.
public final class StoredObject: Sendable {
    public let key: ResourceKey
    /// Revision of the change that made this state; also in `bytes`.
    public let revision: UInt64
    /// The whole object as JSON, with `metadata.resourceVersion` set to `revision`.
    public let bytes: [UInt8]
    public let index: ObjectIndex

    public init(key: ResourceKey, revision: UInt64, bytes: [UInt8], index: ObjectIndex) {
        self.key = key
        self.revision = revision
        self.bytes = bytes
        self.index = index
    }
}

/// A field that has a value.
public struct FieldTerm: Sendable, Hashable {
    /// By path: "spec.nodeName".
    public var field: String
    public var value: String

    public init(_ field: String, is value: String) {
        self.field = field
        self.value = value
    }
}

/// A predicate over the index; label and field selectors are parsed by the caller.
public struct StoreSelector: Sendable {
    public let matches: @Sendable (ObjectIndex) -> Bool
    /// Whether it selects everything, so that counts need no scan.
    public let isEverything: Bool
    /// A term that `matches` implies. Watches are found by it, and lists when the field is indexed: they cost what they match.
    public let requiring: FieldTerm?

    public init(requiring term: FieldTerm? = nil, _ matches: @escaping @Sendable (ObjectIndex) -> Bool) {
        self.matches = matches
        requiring = term
        isEverything = false
    }

    private init() {
        matches = { _ in true }
        requiring = nil
        isEverything = true
    }

    public static let everything = StoreSelector()
}

// MARK: - Lists

public struct ListRequest: Sendable {
    public var collection: CollectionID
    /// nil: all namespaces.
    public var namespace: String?
    public var selector: StoreSelector
    public var limit: Int?
    public var continueAfter: ListContinuation?
    /// Fails with `unavailable` when the store has not reached this revision.
    public var atLeast: UInt64
    /// The collection as it was at this revision; fails with `expired` when the history does not reach back to it, with
    /// `unavailable` when the store has not reached it. nil: as it is.
    public var exactly: UInt64?

    public init(
        collection: CollectionID, namespace: String? = nil, selector: StoreSelector = .everything, limit: Int? = nil,
        continueAfter: ListContinuation? = nil, atLeast: UInt64 = 0, exactly: UInt64? = nil
    ) {
        self.exactly = exactly
        self.collection = collection
        self.namespace = namespace
        self.selector = selector
        self.limit = limit
        self.continueAfter = continueAfter
        self.atLeast = atLeast
    }
}

/// Where the next page begins. All pages carry the first one's revision. A page read `exactly` there belongs to the same list;
/// one read from the present state may have missed changes, which a watch from that revision brings.
public struct ListContinuation: Sendable, Hashable {
    public let revision: UInt64
    public let namespace: String
    public let name: String

    public init(revision: UInt64, namespace: String, name: String) {
        self.revision = revision
        self.namespace = namespace
        self.name = name
    }
}

public struct ListResult: Sendable {
    public let objects: [StoredObject]
    /// Watch from here to follow the list.
    public let revision: UInt64
    /// nil: this was the last page.
    public let continuation: ListContinuation?
    /// Objects after this page; nil when a selector makes it unknown, as in Kubernetes.
    public let remaining: Int?
}

// MARK: - Writes

/// Bytes are a JSON object; the store sets its `metadata.resourceVersion`. Who wrote the bytes himself and noted the place where
/// it goes spares the store reading them; without a place they are checked.
public enum StoreOperation: Sendable {
    /// Fails with `alreadyExists`.
    case create(ResourceKey, bytes: [UInt8], index: ObjectIndex, place: ResourceVersionSplice? = nil)
    /// Fails with `notFound`, and with `conflict` when a revision is expected and another found.
    case update(ResourceKey, bytes: [UInt8], index: ObjectIndex, expectedRevision: UInt64?, place: ResourceVersionSplice? = nil)
    /// Fails as update does. `finalBytes`: the last state that watchers are told; nil: the stored one.
    case delete(ResourceKey, expectedRevision: UInt64?, finalBytes: [UInt8]? = nil)
    /// Changes nothing; fails unless the object is at this revision. Revision 0: unless there is no such object.
    case check(ResourceKey, expectedRevision: UInt64)

    public var key: ResourceKey {
        switch self {
        case .create(let key, _, _, _), .update(let key, _, _, _, _), .delete(let key, _, _), .check(let key, _): key
        }
    }
}

public struct CommitResult: Sendable {
    /// Per operation: the new state; for a delete the final state, at the delete's revision; for a check nil.
    public let objects: [StoredObject?]
    /// The last revision of this commit (the store's, for a commit of checks only).
    public let revision: UInt64
}

// MARK: - Errors

public enum StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    case notFound(ResourceKey)
    case alreadyExists(ResourceKey)
    case conflict(ResourceKey, expected: UInt64, found: UInt64)
    /// The event log begins after the wanted revision.
    case expired(oldest: UInt64)
    /// Nothing was changed, as far as the store knows; another attempt may succeed, perhaps after a restart.
    case unavailable(String)
    /// The caller's mistake or the store's own.
    case `internal`(String)

    public var description: String {
        switch self {
        case .notFound(let key): "\(key) not found"
        case .alreadyExists(let key): "\(key) already exists"
        case .conflict(let key, let expected, let found): "\(key): expected revision \(expected), found \(found)"
        case .expired(let oldest): "revision is no longer in the event log, which begins after \(oldest)"
        case .unavailable(let reason): "store unavailable: \(reason)"
        case .internal(let reason): "store: \(reason)"
        }
    }
}
