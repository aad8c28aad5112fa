// Domain: an organisation that takes part (kuscia.secretflow/v1alpha1).

import KubernetesModel

public struct Domain: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(group: Kuscia.group, version: Kuscia.version, resource: "domains")
    public static let kind = "Domain"
    public static let namespaced = false

    private var apiVersion = APIVersionField<Domain>()
    private var kind = KindField<Domain>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: DomainSpec = .init()
    @DefaultEmpty public var status: DomainStatus = .init()

    public init(metadata: ObjectMeta = .init(), spec: DomainSpec = .init(), status: DomainStatus = .init()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct DomainSpec: DefaultInitializable, Sendable {
    /// "" for one of ours, "partner" for a domain behind another master.
    public var role: String?
    public var master: String?
    /// "kuscia", "bfia".
    @DefaultEmpty public var interConnProtocols: [String] = []
    /// Base64 of the domain's certificate.
    public var cert: String?
    public var authCenter: AuthCenter?
    public var resourceQuota: DomainResourceQuota?

    public init() {}

    public init(
        role: String? = nil, master: String? = nil, interConnProtocols: [String] = [], cert: String? = nil,
        authCenter: AuthCenter? = nil, resourceQuota: DomainResourceQuota? = nil
    ) {
        self.role = role
        self.master = master
        self.interConnProtocols = interConnProtocols
        self.cert = cert
        self.authCenter = authCenter
        self.resourceQuota = resourceQuota
    }
}

public struct AuthCenter: DefaultInitializable, Sendable {
    /// "Token", "MTLS" or "None".
    public var authenticationType: String?
    /// "RSA-GEN" or "UID-RSA-GEN".
    public var tokenGenMethod: String?

    public init() {}

    public init(authenticationType: String? = nil, tokenGenMethod: String? = nil) {
        self.authenticationType = authenticationType
        self.tokenGenMethod = tokenGenMethod
    }
}

public struct DomainResourceQuota: DefaultInitializable, Sendable {
    /// nil for no limit.
    public var podMaxCount: Int?

    public init() {}

    public init(podMaxCount: Int? = nil) {
        self.podMaxCount = podMaxCount
    }
}

public struct DomainStatus: DefaultInitializable, Sendable {
    @DefaultEmpty public var nodeStatuses: [DomainNodeStatus] = []
    @DefaultEmpty public var deployTokenStatuses: [DeployTokenStatus] = []

    public init() {}

    public init(nodeStatuses: [DomainNodeStatus] = [], deployTokenStatuses: [DeployTokenStatus] = []) {
        self.nodeStatuses = nodeStatuses
        self.deployTokenStatuses = deployTokenStatuses
    }
}

public struct DomainNodeStatus: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    public var version: String?
    /// "Ready" or "NotReady".
    public var status: String?
    public var lastHeartbeatTime: Timestamp?
    public var lastTransitionTime: Timestamp?

    public init(
        name: String = "", version: String? = nil, status: String? = nil, lastHeartbeatTime: Timestamp? = nil,
        lastTransitionTime: Timestamp? = nil
    ) {
        self.name = name
        self.version = version
        self.status = status
        self.lastHeartbeatTime = lastHeartbeatTime
        self.lastTransitionTime = lastTransitionTime
    }
}

public struct DeployTokenStatus: Sendable, Hashable, Codable {
    @WrittenEmpty public var token: String = ""
    /// "unused" or "used".
    @WrittenEmpty public var state: String = ""
    public var lastTransitionTime: Timestamp?

    public init(token: String = "", state: String = "", lastTransitionTime: Timestamp? = nil) {
        self.token = token
        self.state = state
        self.lastTransitionTime = lastTransitionTime
    }
}
