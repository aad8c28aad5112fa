// What every object carries: identity, version, labels, owners, life time (metav1.ObjectMeta).

public struct ObjectMeta: DefaultInitializable, Sendable {
    @DefaultEmpty public var name: String = ""
    public var generateName: String?
    /// nil for cluster-scoped objects.
    public var namespace: String?
    /// Distinguishes two objects that had the same name one after the other.
    public var uid: String?
    /// Opaque to clients; strictly increasing with our server.
    public var resourceVersion: String?
    /// Counts changes of the desired state (spec), not of status.
    public var generation: Int64?
    public var creationTimestamp: Timestamp?
    /// Set once deletion was asked for; finalizers or a grace period keep the object until then.
    public var deletionTimestamp: Timestamp?
    public var deletionGracePeriodSeconds: Int64?
    @DefaultEmpty public var labels: [String: String] = [:]
    @DefaultEmpty public var annotations: [String: String] = [:]
    @DefaultEmpty public var ownerReferences: [OwnerReference] = []
    @DefaultEmpty public var finalizers: [String] = []

    public init() {}

    public init(
        name: String = "", generateName: String? = nil, namespace: String? = nil, uid: String? = nil,
        resourceVersion: String? = nil, generation: Int64? = nil, creationTimestamp: Timestamp? = nil,
        deletionTimestamp: Timestamp? = nil, deletionGracePeriodSeconds: Int64? = nil, labels: [String: String] = [:],
        annotations: [String: String] = [:], ownerReferences: [OwnerReference] = [], finalizers: [String] = []
    ) {
        self.name = name
        self.generateName = generateName
        self.namespace = namespace
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.generation = generation
        self.creationTimestamp = creationTimestamp
        self.deletionTimestamp = deletionTimestamp
        self.deletionGracePeriodSeconds = deletionGracePeriodSeconds
        self.labels = labels
        self.annotations = annotations
        self.ownerReferences = ownerReferences
        self.finalizers = finalizers
    }
}

/// Who an object belongs to: when the owner is gone, so is the object.
public struct OwnerReference: Sendable, Hashable, Codable {
    public var apiVersion: String
    public var kind: String
    public var name: String
    public var uid: String
    /// The one owner that manages the object.
    public var controller: Bool?
    public var blockOwnerDeletion: Bool?

    public init(
        apiVersion: String, kind: String, name: String, uid: String, controller: Bool? = nil,
        blockOwnerDeletion: Bool? = nil
    ) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
        self.controller = controller
        self.blockOwnerDeletion = blockOwnerDeletion
    }
}

extension OwnerReference {
    /// The reference that makes `owner` the managing owner; nil when the owner has no uid yet (was never stored).
    public init?(controller owner: some KubernetesObject) {
        guard let uid = owner.metadata.uid else { return nil }
        self.init(
            apiVersion: type(of: owner).apiVersion, kind: type(of: owner).kind, name: owner.metadata.name, uid: uid,
            controller: true, blockOwnerDeletion: true)
    }
}

/// A pointer to another object, as in events, endpoints and bindings.
public struct ObjectReference: DefaultInitializable, Sendable {
    public var apiVersion: String?
    public var kind: String?
    public var namespace: String?
    public var name: String?
    public var uid: String?
    public var resourceVersion: String?
    public var fieldPath: String?

    public init() {}

    public init(
        apiVersion: String? = nil, kind: String? = nil, namespace: String? = nil, name: String? = nil,
        uid: String? = nil, resourceVersion: String? = nil, fieldPath: String? = nil
    ) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.fieldPath = fieldPath
    }
}

/// Metadata of a list document.
public struct ListMeta: DefaultInitializable, Sendable {
    public var resourceVersion: String?
    /// Fetches the next page; nil or empty on the last.
    public var `continue`: String?
    public var remainingItemCount: Int64?

    public init() {}

    public init(resourceVersion: String? = nil, `continue`: String? = nil, remainingItemCount: Int64? = nil) {
        self.resourceVersion = resourceVersion
        self.continue = `continue`
        self.remainingItemCount = remainingItemCount
    }
}

/// `{"kind":"PodList","apiVersion":"v1","metadata":{...},"items":[...]}`.
public struct KubernetesList<Item: KubernetesObject & Hashable>: Sendable, Hashable, Codable {
    public var apiVersion: String?
    public var kind: String?
    @DefaultEmpty public var metadata: ListMeta = .init()
    @WrittenEmpty public var items: [Item] = []

    public init(metadata: ListMeta = .init(), items: [Item] = []) {
        self.apiVersion = Item.apiVersion
        self.kind = Item.kind + "List"
        self.metadata = metadata
        self.items = items
    }
}
