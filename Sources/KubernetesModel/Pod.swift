// Pod: the unit that is scheduled to a node (core/v1).

public struct Pod: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "pods")
    public static let kind = "Pod"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Pod>()
    private var kind = KindField<Pod>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: PodSpec = .init()
    @DefaultEmpty public var status: PodStatus = .init()

    public init(metadata: ObjectMeta = .init(), spec: PodSpec = .init(), status: PodStatus = .init()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

/// What should run. Immutable once stored, but for `nodeName` through the binding subresource.
public struct PodSpec: DefaultInitializable, Sendable {
    @DefaultEmpty public var volumes: [Volume] = []
    @DefaultEmpty public var initContainers: [Container] = []
    @WrittenEmpty public var containers: [Container] = []
    /// Always when absent.
    public var restartPolicy: RestartPolicy?
    /// 30 when absent.
    public var terminationGracePeriodSeconds: Int64?
    /// Seconds after the start at which the pod is failed with DeadlineExceeded.
    public var activeDeadlineSeconds: Int64?
    public var dnsPolicy: String?
    public var dnsConfig: PodDNSConfig?
    @DefaultEmpty public var nodeSelector: [String: String] = [:]
    public var serviceAccountName: String?
    public var automountServiceAccountToken: Bool?
    /// Set by the scheduler's binding.
    public var nodeName: String?
    public var hostNetwork: Bool?
    public var hostPID: Bool?
    public var hostIPC: Bool?
    /// False or absent: the pod's ids are its own. True: they are the node's.
    public var hostUsers: Bool?
    public var shareProcessNamespace: Bool?
    public var securityContext: PodSecurityContext?
    @DefaultEmpty public var imagePullSecrets: [LocalObjectReference] = []
    public var hostname: String?
    public var subdomain: String?
    public var affinity: Affinity?
    public var schedulerName: String?
    @DefaultEmpty public var tolerations: [Toleration] = []
    @DefaultEmpty public var hostAliases: [PodHostAlias] = []
    public var priorityClassName: String?
    public var priority: Int?
    public var runtimeClassName: String?
    public var enableServiceLinks: Bool?
    /// What the runtime itself needs for the pod, beside its containers.
    @DefaultEmpty public var overhead: [String: Quantity] = [:]
    /// "PreemptLowerPriority" (when absent) or "Never".
    public var preemptionPolicy: String?
    /// Added to a running pod to look into it; never restarted.
    @DefaultEmpty public var ephemeralContainers: [Container] = []
    /// Conditions that must be True beside the containers' readiness.
    @DefaultEmpty public var readinessGates: [PodReadinessGate] = []

    public init() {}

    public init(
        volumes: [Volume] = [], initContainers: [Container] = [], containers: [Container] = [],
        restartPolicy: RestartPolicy? = nil, terminationGracePeriodSeconds: Int64? = nil,
        activeDeadlineSeconds: Int64? = nil, dnsPolicy: String? = nil, dnsConfig: PodDNSConfig? = nil,
        nodeSelector: [String: String] = [:], serviceAccountName: String? = nil,
        automountServiceAccountToken: Bool? = nil, nodeName: String? = nil, hostNetwork: Bool? = nil,
        hostPID: Bool? = nil, hostIPC: Bool? = nil, hostUsers: Bool? = nil, shareProcessNamespace: Bool? = nil,
        securityContext: PodSecurityContext? = nil, imagePullSecrets: [LocalObjectReference] = [],
        hostname: String? = nil, subdomain: String? = nil, affinity: Affinity? = nil, schedulerName: String? = nil,
        tolerations: [Toleration] = [], hostAliases: [PodHostAlias] = [], priorityClassName: String? = nil,
        priority: Int? = nil, runtimeClassName: String? = nil, enableServiceLinks: Bool? = nil,
        overhead: [String: Quantity] = [:], preemptionPolicy: String? = nil,
        ephemeralContainers: [Container] = [], readinessGates: [PodReadinessGate] = []
    ) {
        self.volumes = volumes
        self.initContainers = initContainers
        self.containers = containers
        self.restartPolicy = restartPolicy
        self.terminationGracePeriodSeconds = terminationGracePeriodSeconds
        self.activeDeadlineSeconds = activeDeadlineSeconds
        self.dnsPolicy = dnsPolicy
        self.dnsConfig = dnsConfig
        self.nodeSelector = nodeSelector
        self.serviceAccountName = serviceAccountName
        self.automountServiceAccountToken = automountServiceAccountToken
        self.nodeName = nodeName
        self.hostNetwork = hostNetwork
        self.hostPID = hostPID
        self.hostIPC = hostIPC
        self.hostUsers = hostUsers
        self.shareProcessNamespace = shareProcessNamespace
        self.securityContext = securityContext
        self.imagePullSecrets = imagePullSecrets
        self.hostname = hostname
        self.subdomain = subdomain
        self.affinity = affinity
        self.schedulerName = schedulerName
        self.tolerations = tolerations
        self.hostAliases = hostAliases
        self.priorityClassName = priorityClassName
        self.priority = priority
        self.runtimeClassName = runtimeClassName
        self.enableServiceLinks = enableServiceLinks
        self.overhead = overhead
        self.preemptionPolicy = preemptionPolicy
        self.ephemeralContainers = ephemeralContainers
        self.readinessGates = readinessGates
    }
}

public struct PodReadinessGate: Sendable, Hashable, Codable {
    @WrittenEmpty public var conditionType: String = ""

    public init(conditionType: String = "") { self.conditionType = conditionType }
}

public enum RestartPolicy: String, Sendable, Hashable, Codable {
    case always = "Always"
    case onFailure = "OnFailure"
    case never = "Never"
}

/// A line of the pod's /etc/hosts.
public struct PodHostAlias: Sendable, Hashable, Codable {
    @WrittenEmpty public var ip: String = ""
    @DefaultEmpty public var hostnames: [String] = []

    public init(ip: String = "", hostnames: [String] = []) {
        self.ip = ip
        self.hostnames = hostnames
    }
}

public struct PodDNSConfig: DefaultInitializable, Sendable {
    @DefaultEmpty public var nameservers: [String] = []
    @DefaultEmpty public var searches: [String] = []
    @DefaultEmpty public var options: [PodDNSConfigOption] = []

    public init() {}

    public init(nameservers: [String] = [], searches: [String] = [], options: [PodDNSConfigOption] = []) {
        self.nameservers = nameservers
        self.searches = searches
        self.options = options
    }
}

public struct PodDNSConfigOption: Sendable, Hashable, Codable {
    public var name: String
    public var value: String?

    public init(name: String, value: String? = nil) {
        self.name = name
        self.value = value
    }
}

public struct LocalObjectReference: Sendable, Hashable, Codable {
    @DefaultEmpty public var name: String = ""

    public init(name: String = "") {
        self.name = name
    }
}

public struct PodSecurityContext: DefaultInitializable, Sendable {
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    public var runAsNonRoot: Bool?
    public var fsGroup: Int64?
    @DefaultEmpty public var supplementalGroups: [Int64] = []
    public var seccompProfile: SeccompProfile?
    @DefaultEmpty public var sysctls: [Sysctl] = []

    public init() {}

    public init(
        runAsUser: Int64? = nil, runAsGroup: Int64? = nil, runAsNonRoot: Bool? = nil, fsGroup: Int64? = nil,
        supplementalGroups: [Int64] = [], seccompProfile: SeccompProfile? = nil, sysctls: [Sysctl] = []
    ) {
        self.runAsUser = runAsUser
        self.runAsGroup = runAsGroup
        self.runAsNonRoot = runAsNonRoot
        self.fsGroup = fsGroup
        self.supplementalGroups = supplementalGroups
        self.seccompProfile = seccompProfile
        self.sysctls = sysctls
    }
}

public struct Sysctl: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    @WrittenEmpty public var value: String = ""

    public init(name: String = "", value: String = "") {
        self.name = name
        self.value = value
    }
}

public struct SeccompProfile: Sendable, Hashable, Codable {
    /// "RuntimeDefault", "Unconfined" or "Localhost".
    @WrittenEmpty public var type: String = ""
    public var localhostProfile: String?

    public init(type: String = "", localhostProfile: String? = nil) {
        self.type = type
        self.localhostProfile = localhostProfile
    }
}
