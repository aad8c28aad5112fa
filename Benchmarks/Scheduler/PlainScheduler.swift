// The reference of the scheduler's figures: the upstream algorithm written plainly. For each pod, filters run over the nodes
// until enough are feasible (percentageOfNodesToScore), score plug-ins run over those, each is normalised, the best wins.
import KubernetesModel
import Scheduling

struct PlainScheduler {
    private struct NodeInfo {
        var node: NodeDescription
        var usedCPU: Int64 = 0
        var usedMemory: Int64 = 0
        var pods: Int64 = 0
        var ports: Set<HostPort> = []
    }

    private typealias Filter = @Sendable (PodDescription, NodeInfo) -> Bool
    private typealias Score = @Sendable (PodDescription, NodeInfo) -> Int64

    private var infos: [NodeInfo]
    private var next = 0

    init(nodes: [NodeDescription]) { infos = nodes.map { NodeInfo(node: $0) } }

    private static let filters: [Filter] = [
        { _, info in !info.node.unschedulable },
        { pod, info in pod.nodeName == nil || pod.nodeName == info.node.name },
        { pod, info in
            info.node.taints.allSatisfy { taint in
                taint.effect == .preferNoSchedule || pod.tolerations.contains { $0.tolerates(taint) }
            }
        },
        { pod, info in
            pod.nodeSelector.allSatisfy { info.node.labels[$0.key] == $0.value }
                && pod.requiredTerms.map { terms in
                    terms.contains { $0.matches(nodeNamed: info.node.name, labels: info.node.labels) }
                } ?? true
        },
        { pod, info in pod.hostPorts.allSatisfy { !info.ports.contains($0) } },
        { pod, info in
            info.pods < info.node.allocatable.pods && info.usedCPU + pod.request.milliCPU <= info.node.allocatable.milliCPU
                && info.usedMemory + pod.request.memory <= info.node.allocatable.memory
        },
    ]

    /// With upstream's weights: NodeResourcesFit, BalancedAllocation, NodeAffinity, TaintToleration.
    private static let scores: [(weight: Int64, isReversed: Bool, score: Score)] = [
        (
            1, false,
            { pod, info in
                let cpu =
                    (info.node.allocatable.milliCPU - info.usedCPU - pod.request.milliCPU) * 100 / info.node.allocatable.milliCPU
                let memory =
                    (info.node.allocatable.memory - info.usedMemory - pod.request.memory) * 100 / info.node.allocatable.memory
                return (cpu + memory) / 2
            }
        ),
        (
            1, false,
            { pod, info in
                let cpu = Double(info.usedCPU + pod.request.milliCPU) / Double(info.node.allocatable.milliCPU)
                let memory = Double(info.usedMemory + pod.request.memory) / Double(info.node.allocatable.memory)
                return Int64((1 - abs(cpu - memory) / 2) * 100)
            }
        ),
        (
            2, false,
            { pod, info in
                pod.preferredTerms.reduce(0) { sum, term in
                    sum + (term.preference.matches(nodeNamed: info.node.name, labels: info.node.labels) ? Int64(term.weight) : 0)
                }
            }
        ),
        (
            3, true,
            { pod, info in
                Int64(
                    info.node.taints.count { taint in
                        taint.effect == .preferNoSchedule && !pod.tolerations.contains { $0.tolerates(taint) }
                    })
            }
        ),
    ]

    /// The chosen node's name, with its room taken; nil when none will do.
    mutating func place(_ pod: PodDescription) -> String? {
        var feasible: [Int] = []
        let enough = max(100, infos.count * max(50 - infos.count / 125, 5) / 100)
        for step in infos.indices {
            let index = (next + step) % infos.count
            if Self.filters.allSatisfy({ $0(pod, infos[index]) }) { feasible.append(index) }
            if feasible.count == enough {
                next = (index + 1) % infos.count
                break
            }
        }
        var totals = [Int64](repeating: 0, count: feasible.count)
        for (place, plugin) in Self.scores.enumerated() {
            var raw = feasible.map { plugin.score(pod, infos[$0]) }
            if place >= 2 { Self.normalise(&raw, reversed: plugin.isReversed) }
            for index in raw.indices { totals[index] += plugin.weight * raw[index] }
        }
        guard let best = totals.indices.max(by: { totals[$0] < totals[$1] }) else { return nil }
        let chosen = feasible[best]
        infos[chosen].usedCPU += pod.request.milliCPU
        infos[chosen].usedMemory += pod.request.memory
        infos[chosen].pods += 1
        infos[chosen].ports.formUnion(pod.hostPorts)
        return infos[chosen].node.name
    }

    private static func normalise(_ scores: inout [Int64], reversed: Bool) {
        let most = scores.max() ?? 0
        for index in scores.indices {
            scores[index] = most == 0 ? (reversed ? 100 : 0) : scores[index] * 100 / most
            if reversed, most > 0 { scores[index] = 100 - scores[index] }
        }
    }
}
