// Node: a machine that runs pods (core/v1).

public struct Node: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "nodes")
    public static let kind = "Node"
    public static let namespaced = false

    private var apiVersion = APIVersionField<Node>()
    private var kind = KindField<Node>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: NodeSpec = .init()
    @DefaultEmpty public var status: NodeStatus = .init()

    public init(metadata: ObjectMeta = .init(), spec: NodeSpec = .init(), status: NodeStatus = .init()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct NodeSpec: DefaultInitializable, Sendable {
    public var podCIDR: String?
    public var providerID: String?
    /// Cordoned: no new pods.
    @DefaultEmpty public var unschedulable: Bool = false
    @DefaultEmpty public var taints: [Taint] = []

    public init() {}

    public init(podCIDR: String? = nil, providerID: String? = nil, unschedulable: Bool = false, taints: [Taint] = []) {
        self.podCIDR = podCIDR
        self.providerID = providerID
        self.unschedulable = unschedulable
        self.taints = taints
    }
}

public enum TaintEffect: String, Sendable, Hashable, Codable {
    case noSchedule = "NoSchedule"
    case preferNoSchedule = "PreferNoSchedule"
    case noExecute = "NoExecute"
}

/// Keeps pods away that do not tolerate it.
public struct Taint: Sendable, Hashable, Codable {
    public var key: String
    public var value: String?
    public var effect: TaintEffect
    public var timeAdded: Timestamp?

    public init(key: String, value: String? = nil, effect: TaintEffect, timeAdded: Timestamp? = nil) {
        self.key = key
        self.value = value
        self.effect = effect
        self.timeAdded = timeAdded
    }
}

public struct NodeStatus: DefaultInitializable, Sendable {
    /// All that the machine has: "cpu", "memory", "pods", "ephemeral-storage", "kuscia.io/bandwidth".
    @DefaultEmpty public var capacity: [String: Quantity] = [:]
    /// What of it pods may have.
    @DefaultEmpty public var allocatable: [String: Quantity] = [:]
    @DefaultEmpty public var conditions: [NodeCondition] = []
    @DefaultEmpty public var addresses: [NodeAddress] = []
    public var daemonEndpoints: NodeDaemonEndpoints?
    public var nodeInfo: NodeSystemInfo?
    @DefaultEmpty public var images: [ContainerImage] = []

    public init() {}

    public init(
        capacity: [String: Quantity] = [:], allocatable: [String: Quantity] = [:], conditions: [NodeCondition] = [],
        addresses: [NodeAddress] = [], daemonEndpoints: NodeDaemonEndpoints? = nil, nodeInfo: NodeSystemInfo? = nil,
        images: [ContainerImage] = []
    ) {
        self.capacity = capacity
        self.allocatable = allocatable
        self.conditions = conditions
        self.addresses = addresses
        self.daemonEndpoints = daemonEndpoints
        self.nodeInfo = nodeInfo
        self.images = images
    }

    /// The address under which pods in the host's network are reached.
    public var internalIP: String? { addresses.first { $0.type == "InternalIP" }?.address }

    public var isReady: Bool { conditions.contains { $0.type == "Ready" && $0.status == .true } }
}

public struct NodeCondition: Sendable, Hashable, Codable {
    /// Ready, MemoryPressure, DiskPressure, PIDPressure, ...
    @WrittenEmpty public var type: String = ""
    public var status: ConditionStatus
    public var lastHeartbeatTime: Timestamp?
    public var lastTransitionTime: Timestamp?
    public var reason: String?
    public var message: String?

    public init(
        type: String = "", status: ConditionStatus, lastHeartbeatTime: Timestamp? = nil,
        lastTransitionTime: Timestamp? = nil, reason: String? = nil, message: String? = nil
    ) {
        self.type = type
        self.status = status
        self.lastHeartbeatTime = lastHeartbeatTime
        self.lastTransitionTime = lastTransitionTime
        self.reason = reason
        self.message = message
    }
}

public struct NodeAddress: Sendable, Hashable, Codable {
    /// "InternalIP" or "Hostname".
    @WrittenEmpty public var type: String = ""
    @WrittenEmpty public var address: String = ""

    public init(type: String = "", address: String = "") {
        self.type = type
        self.address = address
    }
}

public struct NodeDaemonEndpoints: DefaultInitializable, Sendable {
    public var kubeletEndpoint: DaemonEndpoint?

    public init() {}

    public init(kubeletEndpoint: DaemonEndpoint? = nil) {
        self.kubeletEndpoint = kubeletEndpoint
    }
}

public struct DaemonEndpoint: Sendable, Hashable, Codable {
    /// The capital is Kubernetes' own.
    public var Port: Int

    public init(Port: Int) {
        self.Port = Port
    }
}

public struct NodeSystemInfo: DefaultInitializable, Sendable {
    @WrittenEmpty public var machineID: String = ""
    @WrittenEmpty public var systemUUID: String = ""
    @WrittenEmpty public var bootID: String = ""
    @WrittenEmpty public var kernelVersion: String = ""
    @WrittenEmpty public var osImage: String = ""
    @WrittenEmpty public var containerRuntimeVersion: String = ""
    @WrittenEmpty public var kubeletVersion: String = ""
    @WrittenEmpty public var kubeProxyVersion: String = ""
    @WrittenEmpty public var operatingSystem: String = ""
    @WrittenEmpty public var architecture: String = ""

    public init() {}

    public init(
        machineID: String = "", systemUUID: String = "", bootID: String = "", kernelVersion: String = "",
        osImage: String = "", containerRuntimeVersion: String = "", kubeletVersion: String = "",
        kubeProxyVersion: String = "", operatingSystem: String = "", architecture: String = ""
    ) {
        self.machineID = machineID
        self.systemUUID = systemUUID
        self.bootID = bootID
        self.kernelVersion = kernelVersion
        self.osImage = osImage
        self.containerRuntimeVersion = containerRuntimeVersion
        self.kubeletVersion = kubeletVersion
        self.kubeProxyVersion = kubeProxyVersion
        self.operatingSystem = operatingSystem
        self.architecture = architecture
    }
}

public struct ContainerImage: Sendable, Hashable, Codable {
    @DefaultEmpty public var names: [String] = []
    public var sizeBytes: Int64?

    public init(names: [String] = [], sizeBytes: Int64? = nil) {
        self.names = names
        self.sizeBytes = sizeBytes
    }
}
