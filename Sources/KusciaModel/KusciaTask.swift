// KusciaTask: one computation of several parties, as pods in each party's domain (kuscia.secretflow/v1alpha1).

import KubernetesModel

public struct KusciaTask: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(
        group: Kuscia.group, version: Kuscia.version, resource: "kusciatasks")
    public static let kind = "KusciaTask"
    public static let namespaced = true

    private var apiVersion = APIVersionField<KusciaTask>()
    private var kind = KindField<KusciaTask>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @WrittenEmpty public var spec: KusciaTaskSpec = .init()
    @DefaultEmpty public var status: KusciaTaskStatus = .init()

    public init(metadata: ObjectMeta = .init(), spec: KusciaTaskSpec = .init(), status: KusciaTaskStatus = .init()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct KusciaTaskSpec: DefaultInitializable, Sendable {
    @WrittenEmpty public var initiator: String = ""
    @WrittenEmpty public var taskInputConfig: String = ""
    public var scheduleConfig: ScheduleConfig?
    @WrittenEmpty public var parties: [KusciaTaskParty] = []

    public init() {}

    public init(
        initiator: String = "", taskInputConfig: String = "", scheduleConfig: ScheduleConfig? = nil,
        parties: [KusciaTaskParty] = []
    ) {
        self.initiator = initiator
        self.taskInputConfig = taskInputConfig
        self.scheduleConfig = scheduleConfig
        self.parties = parties
    }
}

public struct KusciaTaskParty: Sendable, Hashable, Codable {
    @WrittenEmpty public var domainID: String = ""
    /// Name of an AppImage.
    @WrittenEmpty public var appImageRef: String = ""
    public var role: String?
    /// Pods that must be placed and succeed; all when absent.
    public var minReservedPods: Int?
    public var template: KusciaPodTemplate?
    @DefaultEmpty public var bandwidthLimits: [BandwidthLimit] = []

    public init(
        domainID: String = "", appImageRef: String = "", role: String? = nil, minReservedPods: Int? = nil,
        template: KusciaPodTemplate? = nil, bandwidthLimits: [BandwidthLimit] = []
    ) {
        self.domainID = domainID
        self.appImageRef = appImageRef
        self.role = role
        self.minReservedPods = minReservedPods
        self.template = template
        self.bandwidthLimits = bandwidthLimits
    }
}

/// What a party changes of the AppImage's deploy template.
public struct KusciaPodTemplate: DefaultInitializable, Sendable {
    public var replicas: Int?
    public var spec: AppImagePodSpec?

    public init() {}

    public init(replicas: Int? = nil, spec: AppImagePodSpec? = nil) {
        self.replicas = replicas
        self.spec = spec
    }
}

public enum KusciaTaskPhase: String, Sendable, Hashable, Codable, CaseIterable {
    case pending = "Pending"
    case running = "Running"
    case succeeded = "Succeeded"
    case failed = "Failed"

    public var isFinished: Bool {
        switch self {
        case .succeeded, .failed: true
        case .pending, .running: false
        }
    }
}

public struct KusciaTaskStatus: DefaultInitializable, Sendable {
    /// nil before the controller saw the task.
    public var phase: KusciaTaskPhase?
    /// 0...1, as told by the engine.
    public var progress: Double?
    @DefaultEmpty public var partyTaskStatus: [PartyTaskStatus] = []
    public var reason: String?
    public var message: String?
    /// PortsAllocated, ResourceCreated, Running, Success, StatusSynced.
    @DefaultEmpty public var conditions: [KusciaCondition] = []
    /// "namespace/name" of a pod -> how it fared.
    @DefaultEmpty public var podStatuses: [String: KusciaPodStatus] = [:]
    /// "namespace/name" of a service -> how it fared.
    @DefaultEmpty public var serviceStatuses: [String: KusciaServiceStatus] = [:]
    @DefaultEmpty public var allocatedPorts: [PartyAllocatedPorts] = []
    /// Ours: what was made for each party, in the order of the spec; what becomes of the task goes by this.
    @DefaultEmpty public var partyLayouts: [PartyLayout] = []
    public var startTime: Timestamp?
    public var completionTime: Timestamp?
    public var lastReconcileTime: Timestamp?

    public init() {}

    public init(
        phase: KusciaTaskPhase? = nil, progress: Double? = nil, partyTaskStatus: [PartyTaskStatus] = [],
        reason: String? = nil, message: String? = nil, conditions: [KusciaCondition] = [],
        podStatuses: [String: KusciaPodStatus] = [:], serviceStatuses: [String: KusciaServiceStatus] = [:],
        allocatedPorts: [PartyAllocatedPorts] = [], partyLayouts: [PartyLayout] = [], startTime: Timestamp? = nil,
        completionTime: Timestamp? = nil, lastReconcileTime: Timestamp? = nil
    ) {
        self.phase = phase
        self.progress = progress
        self.partyTaskStatus = partyTaskStatus
        self.reason = reason
        self.message = message
        self.conditions = conditions
        self.podStatuses = podStatuses
        self.serviceStatuses = serviceStatuses
        self.allocatedPorts = allocatedPorts
        self.partyLayouts = partyLayouts
        self.startTime = startTime
        self.completionTime = completionTime
        self.lastReconcileTime = lastReconcileTime
    }
}

public struct PartyTaskStatus: Sendable, Hashable, Codable {
    @WrittenEmpty public var domainID: String = ""
    public var role: String?
    public var phase: KusciaTaskPhase?
    public var message: String?

    public init(domainID: String = "", role: String? = nil, phase: KusciaTaskPhase? = nil, message: String? = nil) {
        self.domainID = domainID
        self.role = role
        self.phase = phase
        self.message = message
    }
}

public struct KusciaPodStatus: DefaultInitializable, Sendable {
    public var podName: String?
    public var namespace: String?
    public var podPhase: PodPhase?
    public var nodeName: String?
    public var reason: String?
    public var message: String?
    /// The last lines that the container left.
    public var terminationLog: String?
    public var createTime: Timestamp?
    public var scheduleTime: Timestamp?
    public var startTime: Timestamp?
    public var readyTime: Timestamp?
    /// Ours: when its last container ended.
    public var finishTime: Timestamp?
    /// Ours: exit code of the container that decided the phase.
    public var exitCode: Int?
    /// Ours: what the pod used, as measured by its node.
    public var usage: PodUsage?

    public init() {}

    public init(
        podName: String? = nil, namespace: String? = nil, podPhase: PodPhase? = nil, nodeName: String? = nil,
        reason: String? = nil, message: String? = nil, terminationLog: String? = nil, createTime: Timestamp? = nil,
        scheduleTime: Timestamp? = nil, startTime: Timestamp? = nil, readyTime: Timestamp? = nil,
        finishTime: Timestamp? = nil, exitCode: Int? = nil, usage: PodUsage? = nil
    ) {
        self.podName = podName
        self.namespace = namespace
        self.podPhase = podPhase
        self.nodeName = nodeName
        self.reason = reason
        self.message = message
        self.terminationLog = terminationLog
        self.createTime = createTime
        self.scheduleTime = scheduleTime
        self.startTime = startTime
        self.readyTime = readyTime
        self.finishTime = finishTime
        self.exitCode = exitCode
        self.usage = usage
    }
}

public struct KusciaServiceStatus: DefaultInitializable, Sendable {
    public var serviceName: String?
    public var namespace: String?
    public var portName: String?
    public var portNumber: Int?
    public var scope: PortScope?
    public var reason: String?
    public var message: String?
    public var createTime: Timestamp?
    public var readyTime: Timestamp?

    public init() {}

    public init(
        serviceName: String? = nil, namespace: String? = nil, portName: String? = nil, portNumber: Int? = nil,
        scope: PortScope? = nil, reason: String? = nil, message: String? = nil, createTime: Timestamp? = nil,
        readyTime: Timestamp? = nil
    ) {
        self.serviceName = serviceName
        self.namespace = namespace
        self.portName = portName
        self.portNumber = portNumber
        self.scope = scope
        self.reason = reason
        self.message = message
        self.createTime = createTime
        self.readyTime = readyTime
    }
}

public struct PartyAllocatedPorts: Sendable, Hashable, Codable {
    @WrittenEmpty public var domainID: String = ""
    public var role: String?
    /// "pod/port" -> number.
    @DefaultEmpty public var namedPort: [String: Int] = [:]

    public init(domainID: String = "", role: String? = nil, namedPort: [String: Int] = [:]) {
        self.domainID = domainID
        self.role = role
        self.namedPort = namedPort
    }
}

/// What was made for a party. The AppImage that it follows from may change or go while the task runs.
public struct PartyLayout: Sendable, Hashable, Codable {
    @WrittenEmpty public var domainID: String = ""
    public var role: String?
    /// How many, numbered from 0.
    @WrittenEmpty public var pods: Int = 0
    /// Of them, how many must be placed and succeed.
    @WrittenEmpty public var minReservedPods: Int = 0
    /// Names of the ports of each pod that others reach.
    @DefaultEmpty public var reachablePorts: [String] = []

    public init(
        domainID: String = "", role: String? = nil, pods: Int = 0, minReservedPods: Int = 0, reachablePorts: [String] = []
    ) {
        self.domainID = domainID
        self.role = role
        self.pods = pods
        self.minReservedPods = minReservedPods
        self.reachablePorts = reachablePorts
    }
}

/// Value of the pod annotation `KusciaAnnotation.usage`.
public struct PodUsage: DefaultInitializable, Sendable {
    @WrittenEmpty public var containers: [String: ContainerUsage] = [:]

    public init() {}

    public init(containers: [String: ContainerUsage] = [:]) {
        self.containers = containers
    }
}

public struct ContainerUsage: DefaultInitializable, Sendable {
    /// Of all processes together.
    public var cpuSeconds: Double?
    public var peakMemoryBytes: Int64?

    public init() {}

    public init(cpuSeconds: Double? = nil, peakMemoryBytes: Int64? = nil) {
        self.cpuSeconds = cpuSeconds
        self.peakMemoryBytes = peakMemoryBytes
    }
}
