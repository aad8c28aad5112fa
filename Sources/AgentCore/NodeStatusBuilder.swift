// The Node object that this agent writes: labels, taint, capacity, conditions from measurements.
import KubernetesModel
import KusciaModel

/// What does not change while the agent runs.
public struct NodeIdentity: Sendable, Hashable {
    public var name: String
    /// The organisation that owns the node; its pods live in the namespace of this name.
    public var domain: String
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
        name: String, domain: String, hostname: String, internalIP: String, runtime: String, architecture: String,
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

    public init(
        memoryAvailableBytes: Int64, diskFreeBytes: Int64, diskTotalBytes: Int64, inodesFree: Int64, inodesTotal: Int64,
        processes: Int64, processLimit: Int64
    ) {
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
    /// kubelet's default hard eviction thresholds: memory.available, nodefs.available, nodefs.inodesFree; pid.available.
    static let memoryAvailableThreshold: Int64 = 100 << 20
    static let diskFreePercent: Int64 = 5
    static let inodesFreePercent: Int64 = 5
    static let processesFreePercent: Int64 = 10
    public static let taint = Taint(
        key: Kuscia.agentTaintKey, value: Kuscia.agentTaintValue, effect: .noSchedule)

    public var identity: NodeIdentity
    public var capacity: PodResources
    /// Kept for the machine and the agent itself.
    public var reserved: PodResources
    /// What the runtime says of the machine; beside the conditions that are measured here.
    public var runtimeConditions: [NodeCondition]

    public init(identity: NodeIdentity, capacity: PodResources, reserved: PodResources, runtimeConditions: [NodeCondition] = []) {
        self.identity = identity
        self.capacity = capacity
        self.reserved = reserved
        self.runtimeConditions = runtimeConditions
    }

    public var allocatable: PodResources {
        PodResources(
            cpuMillis: max(0, capacity.cpuMillis - reserved.cpuMillis),
            memoryBytes: max(0, capacity.memoryBytes - reserved.memoryBytes), pods: capacity.pods)
    }

    public var labels: [String: String] {
        [
            KusciaLabel.hostname: identity.name, KusciaLabel.operatingSystem: "linux",
            KusciaLabel.architecture: identity.architecture, KusciaLabel.nodeRole: "agent",
            KusciaLabel.nodeDomain: identity.domain, KusciaLabel.nodeNamespace: identity.domain,
            KusciaLabel.nodeRuntime: identity.runtime,
        ]
    }

    /// The object to create when the node is not there yet.
    public func node(_ status: NodeStatus) -> Node {
        Node(
            metadata: ObjectMeta(name: identity.name, labels: labels), spec: NodeSpec(taints: [Self.taint]), status: status)
    }

    public func status(
        _ load: NodeMeasurement, _ readiness: NodeReadiness, previous: [NodeCondition], images: [String], now: UnixNanoseconds
    ) -> NodeStatus {
        NodeStatus(
            capacity: quantities(capacity), allocatable: quantities(allocatable),
            conditions: conditions(load, readiness, previous, Timestamp(unixNanoseconds: now)),
            addresses: [
                NodeAddress(type: "InternalIP", address: identity.internalIP),
                NodeAddress(type: "Hostname", address: identity.hostname),
            ],
            nodeInfo: nodeInfo, images: images.map { ContainerImage(names: [$0]) })
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
        [
            "cpu": Quantity(millis: resources.cpuMillis), "memory": Quantity(bytes: resources.memoryBytes),
            "pods": Quantity(resources.pods),
        ]
    }

    private var nodeInfo: NodeSystemInfo {
        NodeSystemInfo(
            machineID: identity.machineID, systemUUID: identity.machineID, bootID: identity.bootID,
            kernelVersion: identity.kernelVersion, osImage: identity.osImage,
            containerRuntimeVersion: "\(identity.runtime)://\(identity.agentVersion)", kubeletVersion: identity.agentVersion,
            kubeProxyVersion: "", operatingSystem: "linux", architecture: identity.architecture)
    }

    private func conditions(
        _ load: NodeMeasurement, _ readiness: NodeReadiness, _ previous: [NodeCondition], _ now: Timestamp
    ) -> [NodeCondition] {
        let disk =
            load.diskTotalBytes > 0 && load.diskFreeBytes < load.diskTotalBytes / 100 * Self.diskFreePercent
            || load.inodesTotal > 0 && load.inodesFree < load.inodesTotal / 100 * Self.inodesFreePercent
        let processes =
            load.processLimit > 0 && load.processLimit - load.processes < load.processLimit / 100 * Self.processesFreePercent
        let memory = load.memoryAvailableBytes < Self.memoryAvailableThreshold
        let pressures = [
            pressure("MemoryPressure", memory, "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory"),
            pressure("DiskPressure", disk, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure"),
            pressure("PIDPressure", processes, "KubeletHasInsufficientPID", "KubeletHasSufficientPID"),
        ]
        return (pressures + runtimeConditions + [ready(readiness)]).map { condition in
            let before = previous.first { $0.type == condition.type }
            var condition = condition
            condition.lastHeartbeatTime = now
            condition.lastTransitionTime = before?.status == condition.status ? before?.lastTransitionTime ?? now : now
            return condition
        }
    }

    private func pressure(_ type: String, _ present: Bool, _ bad: String, _ good: String) -> NodeCondition {
        NodeCondition(type: type, status: present ? .true : .false, reason: present ? bad : good)
    }

    private func ready(_ readiness: NodeReadiness) -> NodeCondition {
        switch readiness {
        case .ready: NodeCondition(type: "Ready", status: .true, reason: "AgentReady", message: "Agent is ready")
        case .exiting: NodeCondition(type: "Ready", status: .false, reason: "AgentExit", message: "Agent has exited")
        case .notReady(let why): NodeCondition(type: "Ready", status: .false, reason: "AgentNotReady", message: why)
        }
    }
}
