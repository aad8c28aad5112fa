// Samples in Prometheus' text format, under the kubelet's names where it has them.
// https://prometheus.io/docs/instrumenting/exposition_formats/ https://kubernetes.io/docs/reference/instrumentation/metrics/

public struct PrometheusText: Sendable {
    public private(set) var text = ""

    public init() {}

    public enum Kind: String, Sendable { case counter, gauge }

    /// One family with all its series. Labels are written in the order given.
    public mutating func family(
        _ name: String, _ kind: Kind, _ help: String, _ series: [(labels: [(String, String)], value: Double)]
    ) {
        guard !series.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in series {
            let pairs = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
            text += pairs.isEmpty ? "\(name) \(Self.number(value))\n" : "\(name){\(pairs)} \(Self.number(value))\n"
        }
    }

    public mutating func value(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        family(name, kind, help, [([], value)])
    }

    static func escaped(_ label: String) -> String {
        label.flatMap { character -> [Character] in
            switch character {
            case "\\": ["\\", "\\"]
            case "\"": ["\\", "\""]
            case "\n": ["\\", "n"]
            default: [character]
            }
        }.reduce(into: "") { $0.append($1) }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}

extension NodeStats {
    /// `/metrics`: the agent and the node. `/metrics/resource` has the second half only.
    public func prometheus(_ counts: AgentCounts) -> String {
        var page = PrometheusText()
        page.family("kubelet_node_name", .gauge, "The node's name. The count is always 1.", [([("node", nodeName)], 1)])
        page.value("kubelet_running_pods", .gauge, "Number of pods that have a running pod sandbox", Double(counts.runningPods))
        page.family(
            "kubelet_running_containers", .gauge, "Number of containers currently running",
            [([("container_state", "running")], Double(counts.runningContainers))])
        page.value("kubelet_active_pods", .gauge, "Pods that the node knows", Double(counts.knownPods))
        page.value(
            "swiftlet_undelivered_reports", .gauge, "Statuses and deletions that the server does not have yet",
            Double(counts.undelivered))
        page.family(
            "kubelet_evictions", .counter, "Cumulative number of pod evictions by eviction signal",
            evictions.sorted { $0.key < $1.key }.map { ([("eviction_signal", $0.key)], Double($0.value)) })
        page.value(
            "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.",
            Double(node.agentCPUNanoseconds) / 1e9)
        page.value("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.", Double(node.agentResidentBytes))
        return page.text + resourcePrometheus
    }

    /// `/metrics/resource`: what metrics-server reads.
    public var resourcePrometheus: String {
        var page = PrometheusText()
        page.value(
            "node_cpu_usage_seconds_total", .counter, "Cumulative cpu time consumed by the node in core-seconds",
            Double(node.cpuNanoseconds) / 1e9)
        page.value(
            "node_memory_working_set_bytes", .gauge, "Current working set of the node in bytes", Double(node.workingSetBytes))
        let containers = pods.flatMap { pod in
            pod.containers.map { container in
                ([("container", container.name), ("namespace", pod.namespace), ("pod", pod.name)], container)
            }
        }
        page.family(
            "container_cpu_usage_seconds_total", .counter, "Cumulative cpu time consumed by the container in core-seconds",
            containers.filter(\.1.hasTotal).map { ($0.0, Double($0.1.cpuNanoseconds) / 1e9) })
        page.family(
            "container_memory_working_set_bytes", .gauge, "Current working set of the container in bytes",
            containers.map { ($0.0, Double($0.1.workingSetBytes)) })
        page.family(
            "container_start_time_seconds", .gauge, "Start time of the container since unix epoch in seconds",
            containers.map { ($0.0, Double($0.1.startedAt) / 1e9) })
        let pods = pods.map { ([("namespace", $0.namespace), ("pod", $0.name)], $0) }
        page.family(
            "pod_cpu_usage_seconds_total", .counter, "Cumulative cpu time consumed by the pod in core-seconds",
            pods.compactMap { labels, pod in pod.cpuNanoseconds.map { (labels, Double($0) / 1e9) } })
        page.family(
            "pod_memory_working_set_bytes", .gauge, "Current working set of the pod in bytes",
            pods.map { ($0.0, Double($0.1.sum(\.workingSetBytes))) })
        page.value("resource_scrape_error", .gauge, "1 if there was an error while getting container metrics, 0 otherwise", 0)
        return page.text
    }
}

/// What the agent counts of itself.
public struct AgentCounts: Sendable, Hashable {
    public var knownPods: Int
    public var runningPods: Int
    public var runningContainers: Int
    public var undelivered: Int

    public init(knownPods: Int, runningPods: Int, runningContainers: Int, undelivered: Int) {
        self.knownPods = knownPods
        self.runningPods = runningPods
        self.runningContainers = runningContainers
        self.undelivered = undelivered
    }
}
