// KusciaJob: tasks of several parties with dependencies between them (kuscia.secretflow/v1alpha1).

import KubernetesModel

public struct KusciaJob: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(
        group: Kuscia.group, version: Kuscia.version, resource: "kusciajobs")
    public static let kind = "KusciaJob"
    public static let namespaced = true

    private var apiVersion = APIVersionField<KusciaJob>()
    private var kind = KindField<KusciaJob>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @WrittenEmpty public var spec: KusciaJobSpec = .init()
    @DefaultEmpty public var status: KusciaJobStatus = .init()

    public init(metadata: ObjectMeta = .init(), spec: KusciaJobSpec = .init(), status: KusciaJobStatus = .init()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct KusciaJobSpec: DefaultInitializable, Sendable {
    public var flowID: String?
    /// The domain that started the job.
    @WrittenEmpty public var initiator: String = ""
    /// Strict when absent.
    public var scheduleMode: KusciaJobScheduleMode?
    /// Tasks that run at once, 1...128; 1 when absent.
    public var maxParallelism: Int?
    /// 1...128 tasks.
    @WrittenEmpty public var tasks: [KusciaTaskTemplate] = []

    public init() {}

    public init(
        flowID: String? = nil, initiator: String = "", scheduleMode: KusciaJobScheduleMode? = nil,
        maxParallelism: Int? = nil, tasks: [KusciaTaskTemplate] = []
    ) {
        self.flowID = flowID
        self.initiator = initiator
        self.scheduleMode = scheduleMode
        self.maxParallelism = maxParallelism
        self.tasks = tasks
    }
}

public enum KusciaJobScheduleMode: String, Sendable, Hashable, Codable {
    /// The first failed task that is not tolerable fails the job at once.
    case strict = "Strict"
    /// All that can still run runs first.
    case bestEffort = "BestEffort"
}

/// One task of a job.
public struct KusciaTaskTemplate: Sendable, Hashable, Codable {
    /// Unique in the job; dependencies name it.
    @WrittenEmpty public var alias: String = ""
    /// Name of the KusciaTask; made up by the job controller when absent.
    public var taskID: String?
    /// Aliases of tasks that must have succeeded before.
    @DefaultEmpty public var dependencies: [String] = []
    /// Its failure does not fail the job.
    public var tolerable: Bool?
    @WrittenEmpty public var appImage: String = ""
    @DefaultEmpty public var taskInputConfig: String = ""
    public var scheduleConfig: ScheduleConfig?
    /// Higher first.
    public var priority: Int?
    @WrittenEmpty public var parties: [KusciaJobParty] = []

    public init(
        alias: String = "", taskID: String? = nil, dependencies: [String] = [], tolerable: Bool? = nil,
        appImage: String = "", taskInputConfig: String = "", scheduleConfig: ScheduleConfig? = nil,
        priority: Int? = nil, parties: [KusciaJobParty] = []
    ) {
        self.alias = alias
        self.taskID = taskID
        self.dependencies = dependencies
        self.tolerable = tolerable
        self.appImage = appImage
        self.taskInputConfig = taskInputConfig
        self.scheduleConfig = scheduleConfig
        self.priority = priority
        self.parties = parties
    }
}

public struct KusciaJobParty: Sendable, Hashable, Codable {
    @WrittenEmpty public var domainID: String = ""
    public var role: String?
    /// Replaces the AppImage's for this party.
    public var resources: ResourceRequirements?
    /// Which of its node's runtimes runs this party's pods, in place of the AppImage's choice. Kuscia does not know it.
    public var runtimeClassName: String?
    @DefaultEmpty public var bandwidthLimits: [BandwidthLimit] = []

    public init(
        domainID: String = "", role: String? = nil, resources: ResourceRequirements? = nil, runtimeClassName: String? = nil,
        bandwidthLimits: [BandwidthLimit] = []
    ) {
        self.domainID = domainID
        self.role = role
        self.resources = resources
        self.runtimeClassName = runtimeClassName
        self.bandwidthLimits = bandwidthLimits
    }
}

public struct BandwidthLimit: Sendable, Hashable, Codable {
    @WrittenEmpty public var destinationID: String = ""
    @WrittenEmpty public var limitKBps: Int = 0

    public init(destinationID: String = "", limitKBps: Int = 0) {
        self.destinationID = destinationID
        self.limitKBps = limitKBps
    }
}

/// Bounds of the co-scheduling of a task's parties.
public struct ScheduleConfig: DefaultInitializable, Sendable {
    /// Parties that must have their pods placed (and succeed); all when absent.
    public var minReservedMembers: Int?
    /// How long a party's resources are held for the others; 30 when absent.
    public var resourceReservedSeconds: Int?
    /// The task fails when it is not scheduled within; 300 when absent.
    public var lifecycleSeconds: Int?
    /// 30 when absent.
    public var retryIntervalSeconds: Int?

    public init() {}

    public init(
        minReservedMembers: Int? = nil, resourceReservedSeconds: Int? = nil, lifecycleSeconds: Int? = nil,
        retryIntervalSeconds: Int? = nil
    ) {
        self.minReservedMembers = minReservedMembers
        self.resourceReservedSeconds = resourceReservedSeconds
        self.lifecycleSeconds = lifecycleSeconds
        self.retryIntervalSeconds = retryIntervalSeconds
    }
}

public enum KusciaJobPhase: String, Sendable, Hashable, Codable, CaseIterable {
    case initialized = "Initialized"
    case awaitingApproval = "AwaitingApproval"
    case approvalReject = "ApprovalReject"
    case pending = "Pending"
    case running = "Running"
    case succeeded = "Succeeded"
    case failed = "Failed"
    case suspended = "Suspended"
    case cancelled = "Cancelled"
}

public struct KusciaJobStatus: DefaultInitializable, Sendable {
    /// nil before the controller saw the job.
    public var phase: KusciaJobPhase?
    /// Domain -> "JobAccepted" or "JobRejected".
    @DefaultEmpty public var approveStatus: [String: String] = [:]
    /// Domain -> e.g. "JobCreateStageSucceeded".
    @DefaultEmpty public var stageStatus: [String: String] = [:]
    @DefaultEmpty public var conditions: [KusciaCondition] = []
    public var reason: String?
    public var message: String?
    /// Task id -> phase.
    @DefaultEmpty public var taskStatus: [String: KusciaTaskPhase] = [:]
    /// Task id -> per party, whether its task was created.
    @DefaultEmpty public var partyTaskCreateStatus: [String: [PartyTaskCreateStatus]] = [:]
    public var startTime: Timestamp?
    public var completionTime: Timestamp?
    public var lastReconcileTime: Timestamp?

    public init() {}

    public init(
        phase: KusciaJobPhase? = nil, approveStatus: [String: String] = [:], stageStatus: [String: String] = [:],
        conditions: [KusciaCondition] = [], reason: String? = nil, message: String? = nil,
        taskStatus: [String: KusciaTaskPhase] = [:], partyTaskCreateStatus: [String: [PartyTaskCreateStatus]] = [:],
        startTime: Timestamp? = nil, completionTime: Timestamp? = nil, lastReconcileTime: Timestamp? = nil
    ) {
        self.phase = phase
        self.approveStatus = approveStatus
        self.stageStatus = stageStatus
        self.conditions = conditions
        self.reason = reason
        self.message = message
        self.taskStatus = taskStatus
        self.partyTaskCreateStatus = partyTaskCreateStatus
        self.startTime = startTime
        self.completionTime = completionTime
        self.lastReconcileTime = lastReconcileTime
    }
}

public struct PartyTaskCreateStatus: Sendable, Hashable, Codable {
    @WrittenEmpty public var domainID: String = ""
    public var role: String?
    public var phase: String?
    public var message: String?

    public init(domainID: String = "", role: String? = nil, phase: String? = nil, message: String? = nil) {
        self.domainID = domainID
        self.role = role
        self.phase = phase
        self.message = message
    }
}

/// Condition of a job or task.
public struct KusciaCondition: Sendable, Hashable, Codable {
    @WrittenEmpty public var type: String = ""
    public var status: ConditionStatus
    public var reason: String?
    public var message: String?
    public var lastUpdateTime: Timestamp?
    public var lastTransitionTime: Timestamp?

    public init(
        type: String = "", status: ConditionStatus, reason: String? = nil, message: String? = nil,
        lastUpdateTime: Timestamp? = nil, lastTransitionTime: Timestamp? = nil
    ) {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
        self.lastUpdateTime = lastUpdateTime
        self.lastTransitionTime = lastTransitionTime
    }
}
