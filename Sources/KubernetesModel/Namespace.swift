// Namespace: the objects of one domain live in the namespace of its name (core/v1).

public struct Namespace: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "namespaces")
    public static let kind = "Namespace"
    public static let namespaced = false

    private var apiVersion = APIVersionField<Namespace>()
    private var kind = KindField<Namespace>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var status: NamespaceStatus = .init()

    public init(metadata: ObjectMeta = .init(), status: NamespaceStatus = .init()) {
        self.metadata = metadata
        self.status = status
    }
}

public struct NamespaceStatus: DefaultInitializable, Sendable {
    /// "Active" or "Terminating".
    public var phase: String?
    /// How far a deletion has come.
    @DefaultEmpty public var conditions: [NamespaceCondition] = []

    public init() {}

    public init(phase: String? = nil, conditions: [NamespaceCondition] = []) {
        self.phase = phase
        self.conditions = conditions
    }
}

public struct NamespaceCondition: Sendable, Hashable, Codable {
    @WrittenEmpty public var type: String = ""
    public var status: ConditionStatus
    public var lastTransitionTime: Timestamp?
    public var reason: String?
    public var message: String?

    public init(
        type: String = "", status: ConditionStatus, lastTransitionTime: Timestamp? = nil, reason: String? = nil,
        message: String? = nil
    ) {
        self.type = type
        self.status = status
        self.lastTransitionTime = lastTransitionTime
        self.reason = reason
        self.message = message
    }
}
