// The kubelet's `/stats/summary` document and the objects of metrics.k8s.io, made from samples.
// https://kubernetes.io/docs/reference/instrumentation/node-metrics/
import JSON
import KubernetesModel

extension NodeStats {
    /// `{"node": {...}, "pods": [...]}` (stats/v1alpha1 Summary).
    public var summary: JSONValue {
        let load = node.load
        let node: JSONValue = [
            "nodeName": .string(nodeName), "systemContainers": [agentSummary],
            "cpu": Self.cpu(node.at, node.cpuNanoseconds, nodeNanoCores),
            "memory": [
                "time": Self.time(node.at), "availableBytes": .int(load.memoryAvailableBytes),
                "usageBytes": .int(node.workingSetBytes), "workingSetBytes": .int(node.workingSetBytes),
            ],
            "fs": [
                "time": Self.time(node.at), "availableBytes": .int(load.diskFreeBytes),
                "capacityBytes": .int(load.diskTotalBytes),
                "usedBytes": .int(load.diskTotalBytes - load.diskFreeBytes), "inodesFree": .int(load.inodesFree),
                "inodes": .int(load.inodesTotal), "inodesUsed": .int(load.inodesTotal - load.inodesFree),
            ],
            "rlimit": ["time": Self.time(node.at), "maxpid": .int(load.processLimit), "curproc": .int(load.processes)],
        ]
        return ["node": node, "pods": .array(pods.map(Self.pod))]
    }

    private var agentSummary: JSONValue {
        [
            "name": "kubelet", "startTime": Self.time(node.at),
            "cpu": Self.cpu(node.at, node.agentCPUNanoseconds, nil),
            "memory": [
                "time": Self.time(node.at), "usageBytes": .int(node.agentResidentBytes),
                "workingSetBytes": .int(node.agentResidentBytes), "rssBytes": .int(node.agentResidentBytes),
            ],
        ]
    }

    private static func pod(_ pod: PodSample) -> JSONValue {
        let at = pod.containers.map(\.at).max() ?? 0
        let rates = pod.containers.compactMap(\.usageNanoCores)
        return [
            "podRef": ["name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid)],
            "startTime": time(pod.startedAt), "containers": .array(pod.containers.map(container)),
            "cpu": cpu(at, pod.cpuNanoseconds, rates.isEmpty ? nil : rates.reduce(0, +)),
            "memory": memory(at, pod.sum(\.memoryUsageBytes), pod.sum(\.workingSetBytes), pod.sum(\.rssBytes)),
            "process_stats": ["process_count": .int(pod.sum(\.pids))],
        ]
    }

    private static func container(_ container: ContainerSample) -> JSONValue {
        [
            "name": .string(container.name), "startTime": time(container.startedAt),
            "cpu": cpu(container.at, container.hasTotal ? container.cpuNanoseconds : nil, container.usageNanoCores),
            "memory": memory(container.at, container.memoryUsageBytes, container.workingSetBytes, container.rssBytes),
        ]
    }

    private static func cpu(_ at: UnixNanoseconds, _ total: Int64?, _ rate: Int64?) -> JSONValue {
        var value: JSONValue = ["time": time(at)]
        if let total { value["usageCoreNanoSeconds"] = .int(total) }
        if let rate { value["usageNanoCores"] = .int(rate) }
        return value
    }

    private static func memory(_ at: UnixNanoseconds, _ usage: Int64, _ workingSet: Int64, _ rss: Int64) -> JSONValue {
        [
            "time": time(at), "usageBytes": .int(usage), "workingSetBytes": .int(workingSet), "rssBytes": .int(rss),
        ]
    }

    static func time(_ at: UnixNanoseconds) -> JSONValue { .string(Timestamp(unixNanoseconds: at).description) }

    // MARK: metrics.k8s.io/v1beta1

    /// The window of the rates, in whole seconds as Go writes a duration.
    private var window: String { "\(max(1, (node.at - since) / .nanosecondsPerSecond))s" }

    public var nodeMetrics: JSONValue {
        [
            "apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "metadata": ["name": .string(nodeName)],
            "timestamp": Self.time(node.at), "window": .string(window),
            "usage": Self.usage(nodeNanoCores ?? 0, node.workingSetBytes),
        ]
    }

    public func podMetrics(_ pod: PodSample) -> JSONValue {
        let containers: [JSONValue] = pod.containers.map { container in
            [
                "name": .string(container.name),
                "usage": Self.usage(container.usageNanoCores ?? 0, container.workingSetBytes),
            ]
        }
        // With the pod's labels, as metrics-server has it: lists of figures are chosen by them.
        let labels = JSONObject(pod.labels.mapValues { JSONValue.string($0) })
        return [
            "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
            "metadata": ["name": .string(pod.name), "namespace": .string(pod.namespace), "labels": .object(labels)],
            "timestamp": Self.time(node.at), "window": .string(window), "containers": .array(containers),
        ]
    }

    private static func usage(_ nanoCores: Int64, _ bytes: Int64) -> JSONValue {
        ["cpu": .string("\(nanoCores)n"), "memory": .string("\(bytes / 1024)Ki")]
    }
}
