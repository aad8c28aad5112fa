// ResourceQuota: how much the objects of a namespace may ask for together (core/v1).

public struct ResourceQuota: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "resourcequotas")
    public static let kind = "ResourceQuota"
    public static let namespaced = true

    private var apiVersion = APIVersionField<ResourceQuota>()
    private var kind = KindField<ResourceQuota>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: ResourceQuotaSpec = .init()
    @DefaultEmpty public var status: ResourceQuotaStatus = .init()

    public init(metadata: ObjectMeta = .init(), spec: ResourceQuotaSpec = .init(), status: ResourceQuotaStatus = .init()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct ResourceQuotaSpec: DefaultInitializable, Sendable {
    /// Limits by name: "pods", "requests.cpu", "count/configmaps", ...
    @DefaultEmpty public var hard: [String: Quantity] = [:]
    /// All must match a pod for it to count: BestEffort, NotBestEffort, Terminating, NotTerminating.
    @DefaultEmpty public var scopes: [String] = []
    public var scopeSelector: ScopeSelector?

    public init() {}

    public init(hard: [String: Quantity] = [:], scopes: [String] = [], scopeSelector: ScopeSelector? = nil) {
        self.hard = hard
        self.scopes = scopes
        self.scopeSelector = scopeSelector
    }
}

public struct ScopeSelector: DefaultInitializable, Sendable {
    @DefaultEmpty public var matchExpressions: [ScopeSelectorRequirement] = []

    public init() {}
}

public struct ScopeSelectorRequirement: Sendable, Hashable, Codable {
    /// As in `scopes`, and PriorityClass.
    @WrittenEmpty public var scopeName: String = ""
    /// In, NotIn, Exists, DoesNotExist.
    @WrittenEmpty public var `operator`: String = ""
    @DefaultEmpty public var values: [String] = []

    public init(scopeName: String = "", `operator`: String = "", values: [String] = []) {
        self.scopeName = scopeName
        self.operator = `operator`
        self.values = values
    }
}

public struct ResourceQuotaStatus: DefaultInitializable, Sendable {
    @DefaultEmpty public var hard: [String: Quantity] = [:]
    @DefaultEmpty public var used: [String: Quantity] = [:]

    public init() {}

    public init(hard: [String: Quantity] = [:], used: [String: Quantity] = [:]) {
        self.hard = hard
        self.used = used
    }
}
