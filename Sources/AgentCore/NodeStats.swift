// What node and pods use, as samples; two samples make a rate. The words for it are in StatsSummary, PrometheusText and
// ResourceMetrics.
import KubernetesModel

public struct NodeSample: Sendable, Hashable {
    /// Since boot, all processors together, idle time not counted.
    public var cpuNanoseconds: Int64
    public var load: NodeMeasurement
    public var agentCPUNanoseconds: Int64
    public var agentResidentBytes: Int64
    public var at: UnixNanoseconds

    public init(
        cpuNanoseconds: Int64, load: NodeMeasurement, agentCPUNanoseconds: Int64 = 0, agentResidentBytes: Int64 = 0,
        at: UnixNanoseconds
    ) {
        self.cpuNanoseconds = cpuNanoseconds
        self.load = load
        self.agentCPUNanoseconds = agentCPUNanoseconds
        self.agentResidentBytes = agentResidentBytes
        self.at = at
    }

    /// Memory that cannot be had without taking it from somebody.
    public var workingSetBytes: Int64 { max(0, load.memoryTotalBytes - load.memoryAvailableBytes) }
}

public struct ContainerSample: Sendable, Hashable {
    public var name: String
    public var attempt: Int
    public var cpuNanoseconds: Int64
    public var memoryUsageBytes: Int64
    public var workingSetBytes: Int64
    public var rssBytes: Int64
    public var pids: Int64
    public var startedAt: UnixNanoseconds
    public var at: UnixNanoseconds
    /// Thousand-millionths of a CPU over the window; nil with the first sample.
    public var usageNanoCores: Int64?
    /// Whoever measured it says a rate and no total: `cpuNanoseconds` is not known.
    public var hasTotal = true

    /// Of a container that runs elsewhere.
    public init(name: String, usageNanoCores: Int64, workingSetBytes: Int64, startedAt: UnixNanoseconds, at: UnixNanoseconds) {
        self.init(
            name: name, cpuNanoseconds: 0, memoryUsageBytes: workingSetBytes, workingSetBytes: workingSetBytes,
            startedAt: startedAt, at: at)
        self.usageNanoCores = usageNanoCores
        hasTotal = false
    }

    public init(
        name: String, attempt: Int = 0, cpuNanoseconds: Int64, memoryUsageBytes: Int64 = 0, workingSetBytes: Int64 = 0,
        rssBytes: Int64 = 0, pids: Int64 = 0, startedAt: UnixNanoseconds = 0, at: UnixNanoseconds
    ) {
        self.name = name
        self.attempt = attempt
        self.cpuNanoseconds = cpuNanoseconds
        self.memoryUsageBytes = memoryUsageBytes
        self.workingSetBytes = workingSetBytes
        self.rssBytes = rssBytes
        self.pids = pids
        self.startedAt = startedAt
        self.at = at
    }
}

public struct PodSample: Sendable, Hashable {
    public var uid: String
    public var namespace: String
    public var name: String
    /// The pod's own, by which its figures are chosen.
    public var labels: [String: String]
    public var startedAt: UnixNanoseconds
    public var containers: [ContainerSample]

    public init(
        uid: String, namespace: String, name: String, labels: [String: String] = [:], startedAt: UnixNanoseconds = 0,
        containers: [ContainerSample]
    ) {
        self.uid = uid
        self.namespace = namespace
        self.name = name
        self.labels = labels
        self.startedAt = startedAt
        self.containers = containers
    }

    func sum(_ value: (ContainerSample) -> Int64) -> Int64 { containers.reduce(0) { $0 + value($1) } }

    /// nil: it is not known what it has used since its start.
    var cpuNanoseconds: Int64? { containers.allSatisfy(\.hasTotal) ? sum(\.cpuNanoseconds) : nil }
}

public struct NodeStats: Sendable, Hashable {
    public var nodeName: String
    public var node: NodeSample
    public var nodeNanoCores: Int64?
    /// By namespace and name.
    public var pods: [PodSample]
    /// Since the agent's start, by signal.
    public var evictions: [String: Int]
    /// When the window of the rates began.
    public var since: UnixNanoseconds

    public init(
        nodeName: String, node: NodeSample, nodeNanoCores: Int64? = nil, pods: [PodSample], evictions: [String: Int] = [:],
        since: UnixNanoseconds? = nil
    ) {
        self.nodeName = nodeName
        self.node = node
        self.nodeNanoCores = nodeNanoCores
        self.pods = pods.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        self.evictions = evictions
        self.since = since ?? node.at
    }

    /// The same with rates since `earlier`. A container that was not there, or was restarted, is counted from its start.
    public func rated(since earlier: NodeStats?) -> NodeStats {
        var result = self
        guard let earlier, node.at > earlier.node.at else { return result }
        result.since = earlier.node.at
        result.nodeNanoCores = Self.rate(node.cpuNanoseconds - earlier.node.cpuNanoseconds, node.at - earlier.node.at)
        var before: [String: ContainerSample] = [:]
        for pod in earlier.pods {
            for container in pod.containers { before["\(pod.uid)/\(container.name)/\(container.attempt)"] = container }
        }
        for pod in result.pods.indices {
            let uid = result.pods[pod].uid
            for index in result.pods[pod].containers.indices {
                let container = result.pods[pod].containers[index]
                guard container.hasTotal else { continue }
                let old = before["\(uid)/\(container.name)/\(container.attempt)"]
                let (used, since) = (old?.cpuNanoseconds ?? 0, old?.at ?? container.startedAt)
                guard since > 0 else { continue }
                result.pods[pod].containers[index].usageNanoCores = Self.rate(
                    container.cpuNanoseconds - used, container.at - since)
            }
        }
        return result
    }

    /// Nanoseconds of CPU over nanoseconds of time, in thousand-millionths of a CPU.
    static func rate(_ used: Int64, _ span: Int64) -> Int64? {
        guard span > 0 else { return nil }
        return Int64(Double(max(0, used)) / Double(span) * 1e9)
    }
}
