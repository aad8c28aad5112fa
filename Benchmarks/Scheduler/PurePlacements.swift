// Placements per second of the pure core on one core, beside a plain scheduler that follows the upstream algorithm node by
// node. CPU time, so that a busy machine does not matter.
import Glibc
import JSON
import KubernetesModel
import Scheduling

enum PurePlacements {
    /// Nodes of three sizes with labels; pods of five shapes, as a cluster of services and jobs has them.
    static func nodes(_ count: Int) -> [NodeDescription] {
        (0..<count).map { index in
            let size = Int64([32, 64, 96][index % 3])
            return NodeDescription(
                name: "node-\(index)", allocatable: ResourceAmounts(milliCPU: size * 1000, memory: size << 32, pods: 250),
                labels: ["kubernetes.io/hostname": "node-\(index)", "zone": "z\(index % 3)"])
        }
    }

    static func pod(_ index: Int) -> PodDescription {
        let cpu = Int64([100, 250, 500, 50, 1000][abs(index) % 5])
        return PodDescription(
            key: PodKey(namespace: "bench", name: "pod-\(index)"), uid: "uid-\(index)", arrival: Int64(index / 100),
            request: ResourceAmounts(milliCPU: cpu, memory: cpu << 20, pods: 1))
    }

    /// CPU seconds of this process.
    static func cpuSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Pods that arrive in batches, as the shell sees them: each is told to the core, placed, and told again as bound.
    static func run(nodes count: Int, pods: Int, batch: Int = 500) -> JSONValue {
        var scheduler = SchedulerState()
        for node in nodes(count) { scheduler.setNode(node) }
        let described = (0..<pods).map(pod)
        // The list of eligible nodes is made once per change of the nodes, not per pod.
        var first = pod(-1)
        first.key.name = "first"
        scheduler.setPod(first)
        _ = scheduler.schedule(now: 0)
        scheduler.removePod(first.key)
        var placing = 0.0
        var placed = 0
        let start = cpuSeconds()
        for first in stride(from: 0, to: pods, by: batch) {
            let told = described[first..<min(first + batch, pods)]
            for pod in told { scheduler.setPod(pod) }
            let before = cpuSeconds()
            let decisions = scheduler.schedule(now: 0)
            placing += cpuSeconds() - before
            for case .bind(let placements) in decisions {
                for one in placements {
                    placed += 1
                    if let index = Int(one.pod.name.dropFirst(4)) {
                        var bound = described[index]
                        bound.nodeName = one.node
                        scheduler.setPod(bound)
                    }
                }
            }
        }
        let all = cpuSeconds() - start
        return [
            "nodes": .int(Int64(count)), "pods": .int(Int64(pods)), "placed": .int(Int64(placed)),
            "placements_per_second": .double(Double(placed) / placing),
            "with_facts_per_second": .double(Double(placed) / all),
        ]
    }

    /// The same work by the plain scheduler.
    static func runPlain(nodes count: Int, pods: Int) -> JSONValue {
        var plain = PlainScheduler(nodes: nodes(count))
        let start = cpuSeconds()
        var placed = 0
        for index in 0..<pods where plain.place(pod(index)) != nil { placed += 1 }
        return [
            "nodes": .int(Int64(count)), "pods": .int(Int64(pods)), "placed": .int(Int64(placed)),
            "placements_per_second": .double(Double(placed) / (cpuSeconds() - start)),
        ]
    }
}
