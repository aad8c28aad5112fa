// What a pod's node last reported about it (core/v1).

public struct PodStatus: DefaultInitializable, Sendable {
    public var phase: PodPhase?
    @DefaultEmpty public var conditions: [PodCondition] = []
    public var message: String?
    /// One CamelCase word, e.g. "Evicted", "PortConflict".
    public var reason: String?
    public var nominatedNodeName: String?
    public var hostIP: String?
    public var podIP: String?
    @DefaultEmpty public var podIPs: [PodIP] = []
    public var startTime: Timestamp?
    @DefaultEmpty public var initContainerStatuses: [ContainerStatus] = []
    @DefaultEmpty public var containerStatuses: [ContainerStatus] = []
    public var qosClass: String?
    @DefaultEmpty public var hostIPs: [PodIP] = []
    @DefaultEmpty public var ephemeralContainerStatuses: [ContainerStatus] = []

    public init() {}

    public init(
        phase: PodPhase? = nil, conditions: [PodCondition] = [], message: String? = nil, reason: String? = nil,
        nominatedNodeName: String? = nil, hostIP: String? = nil, podIP: String? = nil, podIPs: [PodIP] = [],
        startTime: Timestamp? = nil, initContainerStatuses: [ContainerStatus] = [],
        containerStatuses: [ContainerStatus] = [], qosClass: String? = nil, hostIPs: [PodIP] = [],
        ephemeralContainerStatuses: [ContainerStatus] = []
    ) {
        self.phase = phase
        self.conditions = conditions
        self.message = message
        self.reason = reason
        self.nominatedNodeName = nominatedNodeName
        self.hostIP = hostIP
        self.podIP = podIP
        self.podIPs = podIPs
        self.startTime = startTime
        self.initContainerStatuses = initContainerStatuses
        self.containerStatuses = containerStatuses
        self.qosClass = qosClass
        self.hostIPs = hostIPs
        self.ephemeralContainerStatuses = ephemeralContainerStatuses
    }
}

public enum PodPhase: String, Sendable, Hashable, Codable, CaseIterable {
    case pending = "Pending"
    case running = "Running"
    case succeeded = "Succeeded"
    case failed = "Failed"
    case unknown = "Unknown"

    /// Succeeded and Failed are final.
    public var isFinished: Bool {
        switch self {
        case .succeeded, .failed: true
        case .pending, .running, .unknown: false
        }
    }
}

public struct PodIP: Sendable, Hashable, Codable {
    @WrittenEmpty public var ip: String = ""

    public init(ip: String = "") {
        self.ip = ip
    }
}

public enum ConditionStatus: String, Sendable, Hashable, Codable {
    case `true` = "True"
    case `false` = "False"
    case unknown = "Unknown"
}

public struct PodCondition: Sendable, Hashable, Codable {
    /// PodScheduled, Initialized, ContainersReady, Ready, ...
    @WrittenEmpty public var type: String = ""
    public var status: ConditionStatus
    public var reason: String?
    public var message: String?
    public var lastProbeTime: Timestamp?
    public var lastTransitionTime: Timestamp?

    public init(
        type: String = "", status: ConditionStatus, reason: String? = nil, message: String? = nil,
        lastProbeTime: Timestamp? = nil, lastTransitionTime: Timestamp? = nil
    ) {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
        self.lastProbeTime = lastProbeTime
        self.lastTransitionTime = lastTransitionTime
    }
}

public struct ContainerStatus: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    @DefaultEmpty public var state: ContainerState = .init()
    /// How the run before this one ended.
    @DefaultEmpty public var lastState: ContainerState = .init()
    @WrittenEmpty public var ready: Bool = false
    @WrittenEmpty public var restartCount: Int = 0
    @WrittenEmpty public var image: String = ""
    @WrittenEmpty public var imageID: String = ""
    /// "<runtime>://<id>".
    public var containerID: String?
    public var started: Bool?

    public init(
        name: String = "", state: ContainerState = .init(), lastState: ContainerState = .init(), ready: Bool = false,
        restartCount: Int = 0, image: String = "", imageID: String = "", containerID: String? = nil,
        started: Bool? = nil
    ) {
        self.name = name
        self.state = state
        self.lastState = lastState
        self.ready = ready
        self.restartCount = restartCount
        self.image = image
        self.imageID = imageID
        self.containerID = containerID
        self.started = started
    }
}

/// At most one is set; none means waiting.
public struct ContainerState: DefaultInitializable, Sendable {
    public var waiting: ContainerStateWaiting?
    public var running: ContainerStateRunning?
    public var terminated: ContainerStateTerminated?

    public init() {}

    public init(
        waiting: ContainerStateWaiting? = nil, running: ContainerStateRunning? = nil,
        terminated: ContainerStateTerminated? = nil
    ) {
        self.waiting = waiting
        self.running = running
        self.terminated = terminated
    }
}

public struct ContainerStateWaiting: DefaultInitializable, Sendable {
    /// e.g. "ContainerCreating", "CrashLoopBackOff".
    public var reason: String?
    public var message: String?

    public init() {}

    public init(reason: String? = nil, message: String? = nil) {
        self.reason = reason
        self.message = message
    }
}

public struct ContainerStateRunning: DefaultInitializable, Sendable {
    public var startedAt: Timestamp?

    public init() {}

    public init(startedAt: Timestamp? = nil) {
        self.startedAt = startedAt
    }
}

public struct ContainerStateTerminated: Sendable, Hashable, Codable {
    @WrittenEmpty public var exitCode: Int = 0
    public var signal: Int?
    /// "Completed", "Error", "OOMKilled", ...
    public var reason: String?
    public var message: String?
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    public var containerID: String?

    public init(
        exitCode: Int = 0, signal: Int? = nil, reason: String? = nil, message: String? = nil,
        startedAt: Timestamp? = nil, finishedAt: Timestamp? = nil, containerID: String? = nil
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.reason = reason
        self.message = message
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.containerID = containerID
    }
}
