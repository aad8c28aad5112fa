// Who goes first when the node is too full: the kubelet's order, as a total one (equal pods by their uid), and its words.
// https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction
import KubernetesModel

/// What one pod uses of the node at this moment.
public struct PodLoad: Sendable, Hashable {
    public struct ContainerLoad: Sendable, Hashable {
        public var name: String
        public var memoryBytes: Int64
        public var memoryRequest: Int64
        public var storageBytes: Int64
        public var storageRequest: Int64

        public init(
            name: String, memoryBytes: Int64 = 0, memoryRequest: Int64 = 0, storageBytes: Int64 = 0, storageRequest: Int64 = 0
        ) {
            self.name = name
            self.memoryBytes = memoryBytes
            self.memoryRequest = memoryRequest
            self.storageBytes = storageBytes
            self.storageRequest = storageRequest
        }
    }

    public var uid: String
    public var priority: Int
    /// Never evicted to help the node: the system's own and static pods.
    public var isCritical: Bool
    public var containers: [ContainerLoad]
    /// Disk that belongs to no container: the pod's emptyDir volumes.
    public var volumeBytes: Int64
    public var inodes: Int64
    public var processes: Int64
    public var graceSeconds: Int64

    public init(
        uid: String, priority: Int = 0, isCritical: Bool = false, containers: [ContainerLoad] = [], volumeBytes: Int64 = 0,
        inodes: Int64 = 0, processes: Int64 = 0, graceSeconds: Int64 = 30
    ) {
        self.uid = uid
        self.priority = priority
        self.isCritical = isCritical
        self.containers = containers
        self.volumeBytes = volumeBytes
        self.inodes = inodes
        self.processes = processes
        self.graceSeconds = graceSeconds
    }

    var memoryBytes: Int64 { containers.map(\.memoryBytes).saturatingSum }
    var memoryRequest: Int64 { containers.map(\.memoryRequest).saturatingSum }
    var storageBytes: Int64 { volumeBytes.saturatingAdding(containers.map(\.storageBytes).saturatingSum) }
    var storageRequest: Int64 { containers.map(\.storageRequest).saturatingSum }
}

enum EvictionOrder {
    /// The pods that may be evicted for a signal, the first to go first.
    static func candidates(_ pods: [PodLoad], for signal: EvictionSignal) -> [PodLoad] {
        pods.filter { !$0.isCritical }.sorted { precedes($0, $1, signal) }
    }

    /// Over its request before within it, the less important before the more, the greater excess before the smaller.
    private static func precedes(_ left: PodLoad, _ right: PodLoad, _ signal: EvictionSignal) -> Bool {
        let (a, b) = (excess(left, signal), excess(right, signal))
        let isRanked = signal == .memoryAvailable || signal == .nodefsAvailable
        if isRanked, (a > 0) != (b > 0) { return a > 0 }
        if left.priority != right.priority { return left.priority < right.priority }
        return a == b ? left.uid < right.uid : a > b
    }

    /// Use beyond the request. Nobody can ask for inodes or processes: there all use is excess.
    private static func excess(_ pod: PodLoad, _ signal: EvictionSignal) -> Int64 {
        switch signal {
        case .memoryAvailable: pod.memoryBytes - pod.memoryRequest
        case .nodefsAvailable: pod.storageBytes - pod.storageRequest
        case .nodefsInodesFree: pod.inodes
        case .pidAvailable: pod.processes
        }
    }

    /// "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container a was using 2Gi, ..."
    static func message(_ pod: PodLoad, _ threshold: EvictionThreshold, _ load: NodeMeasurement) -> String {
        let signal = threshold.signal
        var text = "The node was low on resource: \(signal.resource). "
        if let (available, capacity) = signal.reading(load) {
            let limit = threshold.quantity(ofCapacity: capacity)
            text += "Threshold quantity: \(quantity(limit, signal)), available: \(quantity(available, signal)). "
        }
        for container in pod.containers {
            let (used, asked): (Int64, Int64)
            switch signal {
            case .memoryAvailable: (used, asked) = (container.memoryBytes, container.memoryRequest)
            case .nodefsAvailable: (used, asked) = (container.storageBytes, container.storageRequest)
            case .nodefsInodesFree, .pidAvailable: continue
            }
            guard used > asked else { continue }
            text +=
                "Container \(container.name) was using \(quantity(used, signal)), request is \(quantity(asked, signal)), "
                + "has larger consumption of \(signal.resource). "
        }
        return text
    }

    /// Bytes in the largest binary unit that leaves a readable whole number.
    static func quantity(_ value: Int64, _ signal: EvictionSignal) -> String {
        guard signal == .memoryAvailable || signal == .nodefsAvailable else { return String(value) }
        return bytes(value)
    }

    static func bytes(_ value: Int64) -> String {
        if value >= 10 << 30 { return "\(value >> 30)Gi" }
        if value >= 1 << 20 { return "\(value >> 20)Mi" }
        return value >= 1 << 10 ? "\(value >> 10)Ki" : String(value)
    }
}
