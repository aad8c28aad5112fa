// The Node object that this agent writes: labels, taint, capacity, conditions from measurements.
import KubernetesModel
import KusciaModel

/// What does not change while the agent runs.
public struct NodeIdentity: Sendable, Hashable {
    public var name: String
    /// The organisation that owns the node; its pods live in the namespace of this name. nil: a node of any Kubernetes
    /// cluster, which serves every namespace and says nothing that NodeRestriction would refuse.
    public var domain: String?
    public var hostname: String
    public var internalIP: String
    public var runtime: String
    public var architecture: String
    public var machineID: String
    public var bootID: String
    public var kernelVersion: String
    public var osImage: String
    public var agentVersion: String

    public init(
        name: String, domain: String?, hostname: String, internalIP: String, runtime: String, architecture: String,
        machineID: String, bootID: String, kernelVersion: String, osImage: String, agentVersion: String
    ) {
        self.name = name
        self.domain = domain
        self.hostname = hostname
        self.internalIP = internalIP
        self.runtime = runtime
        self.architecture = architecture
        self.machineID = machineID
        self.bootID = bootID
        self.kernelVersion = kernelVersion
        self.osImage = osImage
        self.agentVersion = agentVersion
    }
}

/// One look at how full the machine is.
public struct NodeMeasurement: Sendable, Hashable {
    public var memoryAvailableBytes: Int64
    public var diskFreeBytes: Int64
    public var diskTotalBytes: Int64
    public var inodesFree: Int64
    public var inodesTotal: Int64
    public var processes: Int64
    public var processLimit: Int64
    /// 0: not known.
    public var memoryTotalBytes: Int64

    public init(
        memoryAvailableBytes: Int64, diskFreeBytes: Int64, diskTotalBytes: Int64, inodesFree: Int64, inodesTotal: Int64,
        processes: Int64, processLimit: Int64, memoryTotalBytes: Int64 = 0
    ) {
        self.memoryTotalBytes = memoryTotalBytes
        self.memoryAvailableBytes = memoryAvailableBytes
        self.diskFreeBytes = diskFreeBytes
        self.diskTotalBytes = diskTotalBytes
        self.inodesFree = inodesFree
        self.inodesTotal = inodesTotal
        self.processes = processes
        self.processLimit = processLimit
    }
}

public enum NodeReadiness: Sendable, Hashable {
    case ready
    /// An orderly exit: the last word of this agent.
    case exiting
    case notReady(String)
}

public struct NodeStatusBuilder: Sendable {
    /// Keeps pods away that are not meant for Kuscia's agents.
    public static let taint = Taint(
        key: Kuscia.agentTaintKey, value: Kuscia.agentTaintValue, effect: .noSchedule)

    public var identity: NodeIdentity
    public var capacity: PodResources
    /// Kept for the machine and the agent itself.
    public var reserved: PodResources
    /// What the runtime says of the machine; beside the conditions that are measured here.
    public var runtimeConditions: [NodeCondition]
    public var thresholds: EvictionThresholds
    /// Of the operator, beside those that the agent gives itself.
    public var extraLabels: [String: String]
    public var taints: [Taint]

    public init(
        identity: NodeIdentity, capacity: PodResources, reserved: PodResources, runtimeConditions: [NodeCondition] = [],
        thresholds: EvictionThresholds = .standard, extraLabels: [String: String] = [:],
        taints: [Taint] = [NodeStatusBuilder.taint]
    ) {
        self.identity = identity
        self.capacity = capacity
        self.reserved = reserved
        self.runtimeConditions = runtimeConditions
        self.thresholds = thresholds
        self.extraLabels = extraLabels
        self.taints = taints
    }

    public var allocatable: PodResources { capacity.without(reserved) }

    public var labels: [String: String] {
        var labels = extraLabels
        labels[KusciaLabel.hostname] = identity.name
        labels[KusciaLabel.operatingSystem] = "linux"
        labels[KusciaLabel.architecture] = identity.architecture
        labels[KusciaLabel.nodeRuntime] = identity.runtime
        // Not at a cluster of others: NodeRestriction refuses a kubernetes.io label that it does not know.
        if let domain = identity.domain {
            labels[KusciaLabel.nodeRole] = "agent"
            labels[KusciaLabel.nodeDomain] = domain
            labels[KusciaLabel.nodeNamespace] = domain
        }
        return labels
    }

    /// The object to create when the node is not there yet.
    public func node(_ status: NodeStatus) -> Node {
        Node(
            metadata: ObjectMeta(name: identity.name, labels: labels), spec: NodeSpec(taints: taints), status: status)
    }

    /// `pressures`: nil means that the one measurement decides. `remote`: of the place where pods run that do not run here.
    public func status(
        _ load: NodeMeasurement, _ readiness: NodeReadiness, pressures: Set<NodePressure>? = nil, remote: [NodeCondition] = [],
        previous: [NodeCondition], images: [ContainerImage], now: UnixNanoseconds
    ) -> NodeStatus {
        NodeStatus(
            capacity: quantities(capacity), allocatable: quantities(allocatable),
            conditions: conditions(
                pressures ?? thresholds.pressures(load), readiness, remote, previous, Timestamp(unixNanoseconds: now)),
            addresses: [
                NodeAddress(type: "InternalIP", address: identity.internalIP),
                NodeAddress(type: "Hostname", address: identity.hostname),
            ],
            nodeInfo: nodeInfo, images: images)
    }

    /// Whether `new` tells something that `old` did not; heartbeat times alone do not count.
    public static func differs(_ new: NodeStatus, from old: NodeStatus) -> Bool {
        func still(_ status: NodeStatus) -> NodeStatus {
            var status = status
            for index in status.conditions.indices { status.conditions[index].lastHeartbeatTime = nil }
            return status
        }
        return still(new) != still(old)
    }

    private func quantities(_ resources: PodResources) -> [String: Quantity] {
        var quantities = resources.extended.mapValues { Quantity($0) }
        quantities["cpu"] = Quantity(millis: resources.cpuMillis)
        quantities["memory"] = Quantity(bytes: resources.memoryBytes)
        quantities["pods"] = Quantity(resources.pods)
        if capacity.ephemeralStorageBytes > 0 {
            quantities["ephemeral-storage"] = Quantity(bytes: resources.ephemeralStorageBytes)
        }
        return quantities
    }

    private var nodeInfo: NodeSystemInfo {
        NodeSystemInfo(
            machineID: identity.machineID, systemUUID: identity.machineID, bootID: identity.bootID,
            kernelVersion: identity.kernelVersion, osImage: identity.osImage,
            containerRuntimeVersion: "\(identity.runtime)://\(identity.agentVersion)", kubeletVersion: identity.agentVersion,
            kubeProxyVersion: "", operatingSystem: "linux", architecture: identity.architecture)
    }

    private func conditions(
        _ present: Set<NodePressure>, _ readiness: NodeReadiness, _ remote: [NodeCondition], _ previous: [NodeCondition],
        _ now: Timestamp
    ) -> [NodeCondition] {
        let pressures = [
            pressure(.memory, present, "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory", "memory available"),
            pressure(.disk, present, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "disk"),
            pressure(.processes, present, "KubeletHasInsufficientPID", "KubeletHasSufficientPID", "PID available"),
        ]
        return (pressures + runtimeConditions + remote + [ready(readiness, remote)]).map { condition in
            let before = previous.first { $0.type == condition.type }
            var condition = condition
            condition.lastHeartbeatTime = now
            condition.lastTransitionTime = before?.status == condition.status ? before?.lastTransitionTime ?? now : now
            return condition
        }
    }

    private func pressure(
        _ kind: NodePressure, _ present: Set<NodePressure>, _ bad: String, _ good: String, _ what: String
    ) -> NodeCondition {
        let holds = present.contains(kind)
        let message =
            switch (kind, holds) {
            case (.disk, true): "agent has disk pressure"
            case (.disk, false): "agent has no disk pressure"
            case (_, true): "agent has insufficient \(what)"
            case (_, false): "agent has sufficient \(what)"
            }
        return NodeCondition(type: kind.rawValue, status: holds ? .true : .false, reason: holds ? bad : good, message: message)
    }

    /// Ready stays True while the other place is away: its pods run on there, and a node that is not ready is emptied.
    private func ready(_ readiness: NodeReadiness, _ remote: [NodeCondition]) -> NodeCondition {
        switch readiness {
        case .ready:
            let troubles = remote.filter { $0.status == .false }.map { "\($0.type): \($0.message ?? $0.reason ?? "")" }
            return NodeCondition(
                type: "Ready", status: .true, reason: "AgentReady",
                message: (["Agent is ready"] + troubles).joined(separator: "; "))
        case .exiting: return NodeCondition(type: "Ready", status: .false, reason: "AgentExit", message: "Agent has exited")
        case .notReady(let why): return NodeCondition(type: "Ready", status: .false, reason: "AgentNotReady", message: why)
        }
    }
}
