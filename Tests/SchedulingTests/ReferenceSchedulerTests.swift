// The fast scheduler against a plain one: whatever it decides, a reference that looks at every node with no caches agrees.
import KubernetesModel
import Testing

@testable import Scheduling

/// Filter and score as kube-scheduler does, node by node, from the API's own words. Slow and obvious.
struct ReferenceScheduler {
    var nodes: [NodeDescription] = []
    var placed: [PodDescription] = []

    func feasible(_ pod: PodDescription) -> [NodeDescription] { nodes.filter { fits(pod, $0) } }

    private func fits(_ pod: PodDescription, _ node: NodeDescription) -> Bool {
        let there = placed.filter { $0.nodeName == node.name }
        let cpu = there.reduce(0) { $0 + $1.request.milliCPU } + pod.request.milliCPU
        let memory = there.reduce(0) { $0 + $1.request.memory } + pod.request.memory
        let gpus = there.reduce(0) { $0 + ($1.request.extended["gpu"] ?? 0) } + (pod.request.extended["gpu"] ?? 0)
        let portFree = !there.contains { other in other.hostPorts.contains { one in pod.hostPorts.contains { $0.meets(one) } } }
        let affinity = pod.requiredTerms.map {
            NodeSelector(nodeSelectorTerms: $0).matches(nodeNamed: node.name, labels: node.labels)
        }
        let tolerated = node.taints.allSatisfy { taint in
            taint.effect == .preferNoSchedule || pod.tolerations.contains { $0.tolerates(taint) }
        }
        return cpu <= node.allocatable.milliCPU && memory <= node.allocatable.memory && Int64(there.count) < node.allocatable.pods
            && gpus <= (node.allocatable.extended["gpu"] ?? 0) && portFree && affinity ?? true && tolerated
            && pod.nodeSelector.allSatisfy { node.labels[$0.key] == $0.value } && node.ready && !node.unschedulable
    }

    /// LeastAllocated + BalancedAllocation + 2 x NodeAffinity + 3 x TaintToleration, each of 100; preferences normalised over
    /// the nodes that the pod may use at all.
    func scores(_ pod: PodDescription) -> [String: Double] {
        let empty = ReferenceScheduler(nodes: nodes, placed: [])
        var bare = pod
        bare.request = ResourceAmounts(pods: 1)
        bare.hostPorts = []
        let usable = empty.feasible(bare)
        func weight(_ node: NodeDescription) -> Double {
            Double(
                pod.preferredTerms.filter { $0.preference.matches(nodeNamed: node.name, labels: node.labels) }.reduce(0) {
                    $0 + $1.weight
                })
        }
        func untolerated(_ node: NodeDescription) -> Double {
            Double(
                node.taints.filter { taint in
                    taint.effect == .preferNoSchedule && !pod.tolerations.contains { $0.tolerates(taint) }
                }.count)
        }
        let mostWeight = usable.map(weight).max() ?? 0
        let mostTaints = usable.map(untolerated).max() ?? 0
        var scores: [String: Double] = [:]
        for node in feasible(pod) {
            let there = placed.filter { $0.nodeName == node.name }
            let cpu =
                1 - Double(there.reduce(0) { $0 + $1.request.milliCPU } + pod.request.milliCPU)
                / Double(node.allocatable.milliCPU)
            let memory =
                1 - Double(there.reduce(0) { $0 + $1.request.memory } + pod.request.memory) / Double(node.allocatable.memory)
            var score = 50 * (cpu + memory) - 50 * abs(cpu - memory)
            if mostWeight > 0 { score += 2 * 100 * weight(node) / mostWeight }
            if mostTaints > 0 { score += 3 * (100 - 100 * untolerated(node) / mostTaints) }
            scores[node.name] = score
        }
        return scores
    }
}

@Suite struct ReferenceSchedulerTests {
    struct Dice {
        var generator: SeededGenerator

        mutating func node(_ index: Int) -> NodeDescription {
            var made = Scheduling.NodeDescription(
                name: "n\(index)",
                allocatable: ResourceAmounts(
                    milliCPU: .random(in: 1000...8000, using: &generator), memory: .random(in: 1...16, using: &generator) << 30,
                    pods: .random(in: 2...12, using: &generator), extended: Bool.random(using: &generator) ? ["gpu": 2] : [:]),
                labels: [
                    "zone": ["a", "b", "c"].randomElement(using: &generator)!,
                    "size": "\(Int.random(in: 1...9, using: &generator))",
                ])
            if Int.random(in: 0..<5, using: &generator) == 0 {
                made.taints = [
                    Taint(
                        key: "t", value: "v",
                        effect: [.noSchedule, .preferNoSchedule, .noExecute].randomElement(using: &generator)!)
                ]
            }
            made.ready = Int.random(in: 0..<10, using: &generator) > 0
            made.unschedulable = Int.random(in: 0..<12, using: &generator) == 0
            return made
        }

        mutating func pod(_ index: Int) -> PodDescription {
            var made = PodDescription(
                key: PodKey(namespace: "a", name: "p\(index)"), uid: "u\(index)", arrival: Int64(index),
                request: ResourceAmounts(
                    milliCPU: [100, 250, 1000].randomElement(using: &generator)!,
                    memory: [64, 256, 1024].randomElement(using: &generator)! << 20, pods: 1))
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: made.nodeSelector = ["zone": "a"]
            case 1:
                made.requiredTerms = [
                    NodeSelectorTerm(matchExpressions: [
                        NodeSelectorRequirement(key: "zone", operator: "NotIn", values: ["b"]),
                        NodeSelectorRequirement(key: "size", operator: "Gt", values: ["4"]),
                    ])
                ]
            case 2:
                made.preferredTerms = [
                    PreferredSchedulingTerm(
                        weight: 40,
                        preference: NodeSelectorTerm(matchExpressions: [
                            NodeSelectorRequirement(key: "zone", operator: "In", values: ["c"])
                        ]))
                ]
            case 3: made.hostPorts = [HostPort(.random(in: 8000...8003, using: &generator))]
            case 4: made.request.extended = ["gpu": 1]
            case 5: made.tolerations = [Toleration(key: "t", operator: "Exists")]
            default: break
            }
            return made
        }
    }

    @Test(
        "I-SCHED-6: every pod goes to a best node of the plain algorithm, and waits only where that finds none; no pod is bound twice",
        arguments: UInt64(1)...25)
    func agrees(seed: UInt64) {
        var dice = Dice(generator: SeededGenerator(state: seed))
        var reference = ReferenceScheduler()
        var scheduler = SchedulerState()
        for index in 0..<20 {
            let made = dice.node(index)
            reference.nodes.append(made)
            scheduler.setNode(made)
        }
        var pods: [PodKey: PodDescription] = [:]
        for index in 0..<150 {
            let made = dice.pod(index)
            pods[made.key] = made
            scheduler.setPod(made)
            if index % 10 == 9, let gone = reference.placed.randomElement(using: &dice.generator) {
                reference.placed.removeAll { $0.key == gone.key }
                scheduler.removePod(gone.key)
            }
            for decision in scheduler.schedule(now: 0) {
                switch decision {
                case .bind(let placements):
                    guard var pod = pods.removeValue(forKey: placements[0].pod) else {
                        Issue.record("seed \(seed): \(placements[0].pod) bound twice")
                        continue
                    }
                    let scores = reference.scores(pod)
                    let best = scores.values.max() ?? 0
                    #expect((scores[placements[0].node] ?? -1) > best - 0.01, "seed \(seed): \(pod.key) on \(placements[0].node)")
                    pod.nodeName = placements[0].node
                    reference.placed.append(pod)
                case .unschedulable(let key, _, _):
                    guard let pod = pods[key] else { continue }
                    #expect(reference.feasible(pod).isEmpty, "seed \(seed): \(key) waits")
                case .preempt: Issue.record("seed \(seed): all are equal")
                }
            }
        }
    }

    @Test("in a large cluster a share of the nodes is compared, and still a pod waits only when nothing fits")
    func sampled() {
        var scheduler = state(nodes: (0..<1000).map { node("n\($0)", cpu: $0 == 777 ? 4000 : 50) })
        for index in 0..<40 { scheduler.setPod(pod("a", "p\(index)", cpu: 100, arrival: Int64(index))) }
        #expect(bindings(scheduler.schedule(now: 0)).count == 40)
        scheduler.setPod(pod("a", "last", cpu: 100))
        #expect(bindings(scheduler.schedule(now: 1)) == [])
    }

    @Test("a stream of ever different pods leaves nothing behind")
    func shapesAreSwept() {
        var scheduler = state(nodes: [node("n1", cpu: 1_000_000)])
        for index in 0..<3 * SchedulerState.maximumShapes {
            scheduler.setPod(pod("ns\(index)", "p", cpu: Int64(index)))
            _ = scheduler.schedule(now: 0)
            scheduler.removePod(PodKey(namespace: "ns\(index)", name: "p"))
        }
        #expect(scheduler.shapes.count <= SchedulerState.maximumShapes)
        #expect(scheduler.classes.count <= SchedulerState.maximumShapes)
        scheduler.setPod(pod("a", "after", cpu: 1))
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/after@n1"]])
    }
}
