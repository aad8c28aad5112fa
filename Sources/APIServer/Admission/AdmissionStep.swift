// The seam for rules that look at a write before it is stored: each is a pure value that may change or refuse the object,
// and may add what must hold, or happen, in the same commit.
import JSON
import KubernetesModel
import ResourceStore

/// One rule over writes: namespace lifecycle, service accounts, priorities, node restriction, quota.
///
/// A step has no clock, randomness or state of its own, and is asked again with the same review when a commit met a
/// conflict. Order of a write: every `mutate` in order of the pipeline, then the kind's own validation, then every
/// `validate` in order, then one commit of the object together with what the steps added.
protocol AdmissionStep: Sendable {
    /// As in Kubernetes' list of plug-ins: "NodeRestriction". For messages and documents.
    var name: String { get }

    /// Whether the step has anything to say. Asked on every write, so it must be cheap: attributes only, no look-up.
    func handles(_ attributes: AdmissionAttributes) -> Bool

    /// May change `review.object` and add warnings. A refusal is thrown, usually as `.forbidden`.
    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError)

    /// Sees the object as it will be stored (without resourceVersion). May add warnings, conditions and further operations.
    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError)
}

extension AdmissionStep {
    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {}
    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {}
}

/// What admission is about, as Kubernetes' `admission.Attributes` says it.
struct AdmissionAttributes: Sendable {
    enum Operation: String, Sendable {
        case create = "CREATE"
        /// The verbs update and patch.
        case update = "UPDATE"
        /// The verbs delete (also of each object of a deletecollection).
        case delete = "DELETE"
    }

    var user: UserInfo
    var operation: Operation
    /// The kind of the path; with a subresource, of the object that it belongs to.
    var kind: ServedKind
    /// nil at cluster scope.
    var namespace: String?
    /// Empty for a create whose name is yet to be generated.
    var name: String
    /// "" or "status", "binding", "eviction", "token", "ephemeralcontainers", "approval".
    var subresource: String = ""
    var isDryRun: Bool = false

    /// Whether this is about the given resource itself, or about the given subresource of it.
    func concerns(_ group: String, _ resource: String, subresource: String = "") -> Bool {
        kind.resource.resource == resource && kind.resource.group == group && self.subresource == subresource
    }

    var isWriteOfObject: Bool { operation != .delete }
}

/// One write under review.
struct AdmissionReview: Sendable {
    let attributes: AdmissionAttributes
    /// The stored object before the write; nil for a create. For subresources with a document of their own (binding,
    /// eviction, token): the object that they belong to.
    let old: JSONValue?
    /// The object as it is to be stored, or the subresource's document; null for a delete.
    var object: JSONValue
    /// For the client, in Warning headers.
    private(set) var warnings: [String] = []
    /// What goes into the same commit before the object.
    private(set) var alongside: [StoreOperation] = []

    init(_ attributes: AdmissionAttributes, old: JSONValue?, object: JSONValue) {
        self.attributes = attributes
        self.old = old
        self.object = object
    }

    mutating func warn(_ text: String) { warnings.append(text) }

    /// The write is only good while `object` is as the step saw it: else all steps are asked again.
    mutating func require(_ object: StoredObject) {
        alongside.append(.check(object.key, expectedRevision: object.revision))
    }

    /// The write is only good while there is no such object.
    mutating func requireAbsent(_ key: ResourceKey) { alongside.append(.check(key, expectedRevision: 0)) }

    /// Another change that belongs to this write, e.g. a quota's new `status.used`: name the revision that it is based on,
    /// so that a race is a conflict and the steps are asked again. Left out of a dry run.
    mutating func commitAlongside(_ operation: StoreOperation) { alongside.append(operation) }
}

/// Reads of the present, durable state from memory. Nothing suspends; two reads may see two revisions.
protocol AdmissionLookup: Sendable {
    /// Seconds since 1970: the moment of the request.
    var now: Int64 { get }

    /// nil when there is no such object. Throws only when the store is closed or failed.
    func stored(_ key: ResourceKey) throws(StatusError) -> StoredObject?

    /// In order of namespace and name; nil namespace: all.
    func stored(_ collection: CollectionID, namespace: String?) throws(StatusError) -> [StoredObject]
}

extension AdmissionLookup {
    /// The object as a tree. Prefer the index, or a tape over the bytes, where one member is all that matters.
    func object(_ key: ResourceKey) throws(StatusError) -> JSONValue? {
        guard let stored = try stored(key) else { return nil }
        do { return try JSONValue(parsing: stored.bytes) } catch {
            throw .internalError("\(key): stored bytes are not JSON: \(error)")
        }
    }
}
