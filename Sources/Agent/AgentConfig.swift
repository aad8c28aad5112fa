// What an agent is told about its node. Values only; where they come from (kuscia.yaml, flags) is the executable's affair.
import AgentCore
import KubernetesModel

/// A directory in the machine's memory.
public struct RecordsInMemory: Sendable, Hashable {
    public var directory: String
    /// What lies there can be mounted with the ids of a pod (tmpfs since Linux 6.3).
    public var mapsIDs: Bool

    public init(directory: String, mapsIDs: Bool) {
        self.directory = directory
        self.mapsIDs = mapsIDs
    }
}

public struct AgentConfig: Sendable, Hashable {
    /// What happens to running tasks when the agent is asked to end.
    public enum StopPolicy: String, Sendable, Hashable, CaseIterable {
        /// They run on; the next agent adopts them.
        case leave
        /// They are stopped with their grace and reported before the agent ends.
        case drain
    }

    public var nodeName: String
    /// The organisation; its pods live in the namespace of this name. nil: a node of any Kubernetes cluster, with pods of
    /// every namespace.
    public var domain: String?
    /// Everything that the agent keeps. Absolute path.
    public var stateDirectory: String
    /// The domain's input data: the claim `domain-data`. Absolute path.
    public var dataDirectory: String
    /// The node's address: InternalIP and pod IP.
    public var nodeIP: String
    /// Replace what is measured; nil is "as measured".
    public var capacityCPUMillis: Int64?
    public var capacityMemoryBytes: Int64?
    public var reservedCPUMillis: Int64
    public var reservedMemoryBytes: Int64
    public var maxPods: Int64
    /// Bytes of disk that the node offers; nil: it counts none. A Lite on a machine of its own offers the file system of its state.
    public var capacityStorageBytes: Int64?
    public var reservedStorageBytes: Int64
    /// "kuscia.io/bandwidth": 1000, in the resource's own unit.
    public var extendedResources: [String: Int64]
    /// What of them the node keeps for itself.
    public var reservedExtendedResources: [String: Int64]
    /// Resource -> pattern of paths (glob(7)): the node offers as many as there are files that match.
    public var devices: [String: String]
    public var nodeLabels: [String: String]
    public var taints: [Taint]
    public var evictionThresholds: EvictionThresholds
    /// A directory of manifests that run without being asked for by the API server; nil: none.
    public var podManifestDirectory: String?
    /// Whether the node's and its pods' use goes to the server as metrics.k8s.io objects.
    public var publishesMetrics: Bool
    public var stopPolicy: StopPolicy
    public var heartbeat: Heartbeat.Intervals
    /// hostPath volumes must lie at or below one of these absolute paths.
    public var hostPathAllowList: [String]
    /// Limits of every container beside its own.
    public var pidsLimit: Int64
    /// How much of containers' output is kept.
    public var logs = LogPolicy()
    /// Of the journal that makes records last beyond a power cut; a multiple of 1024. 0: each record's file is flushed by itself.
    public var recordJournalBytes = 4 << 20
    /// How long what a job left on this node stays when no pod here asks for it any more; nil: for ever.
    public var jobDataSeconds: Int64?
    /// When images are removed.
    public var imageCollection = ImageCollector.Policy()
    /// For secrets; on a tmpfs, or a place where one may be mounted. nil: below the state directory.
    public var memoryDirectory: String?
    /// For pods' records: what of them has to last beyond a restart of the machine is in the journal. nil: they are on the disk.
    public var recordsInMemory: RecordsInMemory?
    public var tmpLimitBytes: Int64
    /// The node's own resolv.conf(5), for pods that share its network.
    public var resolverFile = "/etc/resolv.conf"
    public var agentVersion: String
    public var permissions: NodePermissions

    /// Several processes take turns under this node's name, of which one leads: another state directory is no stranger's.
    public var isReplicated = false

    public init(
        nodeName: String, domain: String?, stateDirectory: String, dataDirectory: String, nodeIP: String,
        capacityCPUMillis: Int64? = nil, capacityMemoryBytes: Int64? = nil, reservedCPUMillis: Int64 = 0,
        reservedMemoryBytes: Int64 = 0, maxPods: Int64 = 500, stopPolicy: StopPolicy = .leave,
        heartbeat: Heartbeat.Intervals = .init(), hostPathAllowList: [String] = [], pidsLimit: Int64 = 4096,
        tmpLimitBytes: Int64 = 256 << 20, agentVersion: String = "v0.1.0",
        permissions: NodePermissions = .init(), capacityStorageBytes: Int64? = nil, reservedStorageBytes: Int64 = 0,
        extendedResources: [String: Int64] = [:], reservedExtendedResources: [String: Int64] = [:],
        devices: [String: String] = [:],
        nodeLabels: [String: String] = [:], taints: [Taint] = [NodeStatusBuilder.taint],
        evictionThresholds: EvictionThresholds = .standard, podManifestDirectory: String? = nil, publishesMetrics: Bool = false
    ) {
        self.capacityStorageBytes = capacityStorageBytes
        self.reservedStorageBytes = reservedStorageBytes
        self.extendedResources = extendedResources
        self.reservedExtendedResources = reservedExtendedResources
        self.devices = devices
        self.nodeLabels = nodeLabels
        self.taints = taints
        self.evictionThresholds = evictionThresholds
        self.podManifestDirectory = podManifestDirectory
        self.publishesMetrics = publishesMetrics
        self.nodeName = nodeName
        self.domain = domain
        self.stateDirectory = stateDirectory
        self.dataDirectory = dataDirectory
        self.nodeIP = nodeIP
        self.capacityCPUMillis = capacityCPUMillis
        self.capacityMemoryBytes = capacityMemoryBytes
        self.reservedCPUMillis = reservedCPUMillis
        self.reservedMemoryBytes = reservedMemoryBytes
        self.maxPods = maxPods
        self.stopPolicy = stopPolicy
        self.heartbeat = heartbeat
        self.hostPathAllowList = hostPathAllowList
        self.pidsLimit = pidsLimit
        self.tmpLimitBytes = tmpLimitBytes
        self.agentVersion = agentVersion
        self.permissions = permissions
    }
}

/// Where things lie below the state directory.
public struct AgentPaths: Sendable, Hashable {
    public var state: String
    /// For what must not reach a disk; a tmpfs, mounted there when it is none.
    public var memory: String
    /// Where pods' records are when they lie in memory.
    public var records: RecordsInMemory?

    public init(state: String, memory: String? = nil, records: RecordsInMemory? = nil) {
        self.state = state
        self.memory = memory ?? state + "/memory"
        self.records = records
    }

    /// What tells this agent from another of the same machine.
    public var instance: String { state + "/instance" }
    public var pods: String { state + "/pods" }
    /// Copies of records that a power cut could take.
    public var recordJournal: String { state + "/pods.journal" }
    /// Volumes, hosts and the runtime's own files of one pod; its record, unless records lie in memory.
    public func pod(_ uid: String) -> String { "\(pods)/\(uid)" }
    public func podRecords(_ uid: String) -> String { records.map { "\($0.directory)/\(uid)" } ?? pod(uid) }
    public func record(_ uid: String) -> String { podRecords(uid) + "/record.json" }
    /// The record's name once the pod's final status has arrived.
    public func settledRecord(_ uid: String) -> String { podRecords(uid) + "/settled.json" }
    /// On the disk in any case: where records lie in memory, a copy for the next boot that the journal has no room for any more.
    public func keptRecord(_ uid: String) -> String { pod(uid) + "/record.json" }
    public func hosts(_ uid: String) -> String { pod(uid) + "/hosts" }
    /// Texts of the ConfigMaps and Secrets that the pod's environments use.
    public func environment(_ uid: String) -> String { pod(uid) + "/environment.json" }
    /// Which of the pod's claims lie elsewhere than by their names.
    public func claimPlaces(_ uid: String) -> String { pod(uid) + "/claims.json" }
    public func volumes(_ uid: String) -> String { pod(uid) + "/volumes" }
    public func runtime(_ uid: String) -> String { pod(uid) + "/runtime" }
    /// Secrets of one pod: its volumes, its tokens, its environment.
    public func podMemory(_ uid: String) -> String { "\(memory)/\(uid)" }
    public func secretVolumes(_ uid: String) -> String { podMemory(uid) + "/volumes" }
    public func tokens(_ uid: String) -> String { podMemory(uid) + "/tokens.json" }
    public func secretEnvironment(_ uid: String) -> String { podMemory(uid) + "/environment.json" }
    /// `<state>/volumes/<namespace>/<claimName>`
    public func claim(_ namespace: String, _ name: String) -> String { "\(claims)/\(namespace)/\(name)" }
    public var claims: String { state + "/volumes" }
    public var podLogs: String { state + "/logs/pods" }
    public func logs(namespace: String, name: String, uid: String) -> String { "\(podLogs)/\(namespace)_\(name)_\(uid)" }
    public func log(namespace: String, name: String, uid: String, container: String, attempt: Int) -> String {
        "\(logs(namespace: namespace, name: name, uid: uid))/\(container)/\(attempt).log"
    }
    /// What one run of a container writes its last word to, mounted with the pod's ids: in memory, where what is written counts
    /// for the container's limit, or beside its log.
    public func terminationMessage(of pod: Pod, container: String, attempt: Int) -> String {
        let uid = pod.metadata.uid ?? ""
        if let records, records.mapsIDs { return "\(records.directory)/\(uid)/\(container)_\(attempt).termination" }
        let directory = logs(namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: uid)
        return "\(directory)/\(container)/\(attempt).termination"
    }
    /// Where agents before this one had it.
    func formerTerminationMessage(_ uid: String, container: String, attempt: Int) -> String {
        "\(pod(uid))/\(container)_\(attempt).termination"
    }
}
