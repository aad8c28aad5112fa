// Table tests of the scheduler: each names a promise to whoever submits a pod.
import KubernetesModel
import Testing

@testable import Scheduling

func node(
    _ name: String, cpu: Int64 = 4000, memory: Int64 = 8 << 30, pods: Int64 = 110, domain: String? = nil, taints: [Taint] = [],
    ready: Bool = true, unschedulable: Bool = false, labels: [String: String] = [:]
) -> NodeDescription {
    var labels = labels
    if let domain { labels["kuscia.secretflow/namespace"] = domain }
    return NodeDescription(
        name: name, allocatable: ResourceAmounts(milliCPU: cpu, memory: memory, pods: pods), labels: labels, taints: taints,
        ready: ready, unschedulable: unschedulable)
}

func pod(
    _ namespace: String, _ name: String, cpu: Int64 = 100, memory: Int64 = 1 << 20, priority: Int = 0, arrival: Int64 = 0,
    selector: [String: String] = [:], tolerations: [Toleration] = [], group: PodGroup? = nil, on node: String? = nil
) -> PodDescription {
    PodDescription(
        key: PodKey(namespace: namespace, name: name), uid: "uid-\(name)", priority: priority, arrival: arrival,
        request: ResourceAmounts(milliCPU: cpu, memory: memory, pods: 1), nodeSelector: selector, tolerations: tolerations,
        group: group, nodeName: node)
}

func state(nodes: [NodeDescription], pods: [PodDescription] = [], domains: Set<String> = []) -> SchedulerState {
    var state = SchedulerState()
    state.setDomains(domains)
    for node in nodes { state.setNode(node) }
    for pod in pods { state.setPod(pod) }
    return state
}

func bindings(_ decisions: [SchedulingDecision]) -> [[String]] {
    decisions.compactMap { decision in
        guard case .bind(let placements) = decision else { return nil }
        return placements.map { "\($0.pod)@\($0.node)" }.sorted()
    }
}

func messages(_ decisions: [SchedulingDecision]) -> [String: String] {
    var messages: [String: String] = [:]
    for case .unschedulable(let key, _, let obstacle) in decisions { messages[key.description] = obstacle.message }
    return messages
}

@Suite struct SchedulerTests {
    @Test("pods spread over the emptiest nodes")
    func spread() {
        var scheduler = state(nodes: [node("n1"), node("n2")], pods: [pod("a", "p1"), pod("a", "p2", arrival: 1)])
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/p1@n1"], ["a/p2@n2"]])
    }

    @Test("a higher priority goes first, then who came first, then the name")
    func order() {
        var scheduler = state(
            nodes: [node("n1", cpu: 400)],
            pods: [
                pod("a", "z", arrival: 1), pod("a", "b", arrival: 2), pod("a", "a", arrival: 2),
                pod("a", "high", priority: 9, arrival: 5), pod("a", "late", arrival: 9),
            ])
        let decisions = scheduler.schedule(now: 0)
        #expect(bindings(decisions) == [["a/high@n1"], ["a/z@n1"], ["a/a@n1"], ["a/b@n1"]])
        #expect(messages(decisions).keys.sorted() == ["a/late"])
    }

    static let tainted = Taint(key: "kuscia.secretflow/agent", value: "v1", effect: .noSchedule)

    @Test(
        "a pod without a place is told why",
        arguments: [
            ([node("n1", ready: false)], pod("a", "p"), "0/1 nodes are available: 1 node(s) were not ready."),
            ([node("n1", unschedulable: true)], pod("a", "p"), "0/1 nodes are available: 1 node(s) were unschedulable."),
            (
                [node("n1", taints: [tainted])], pod("a", "p"),
                "0/1 nodes are available: 1 node(s) had untolerated taint {kuscia.secretflow/agent: v1}."
            ),
            (
                [node("n1")], pod("a", "p", selector: ["x": "y"]),
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
            ),
            ([node("n1", domain: "bob")], pod("alice", "p"), "0/1 nodes are available: 1 node(s) didn't belong to domain alice."),
            ([node("n1")], pod("alice", "p"), "0/1 nodes are available: 1 node(s) didn't belong to domain alice."),
            (
                [node("alice-1", memory: 2 << 30, domain: "alice"), node("n2", taints: [tainted])],
                pod("alice", "p", memory: 8 << 30),
                "0/2 nodes are available: 1 Insufficient memory (requested 8Gi, largest free 2Gi on alice-1), "
                    + "1 node(s) didn't belong to domain alice."
            ),
            (
                [node("n1", cpu: 1000)], pod("a", "p", cpu: 1500),
                "0/1 nodes are available: 1 Insufficient cpu (requested 1500m, largest free 1 on n1)."
            ),
            ([node("n1", pods: 0)], pod("a", "p"), "0/1 nodes are available: 1 Too many pods."),
            ([], pod("a", "p"), "no nodes available to schedule pods"),
        ])
    func explains(nodes: [NodeDescription], pod: PodDescription, message: String) {
        var scheduler = state(nodes: nodes, pods: [pod], domains: ["alice", "bob"])
        #expect(messages(scheduler.schedule(now: 0)) == [pod.key.description: message])
        #expect(scheduler.explain(pod.key) == message)
        #expect(scheduler.schedule(now: 1).isEmpty, "said once")
    }

    @Test("a pod that tolerates the taint lands on its domain's node only")
    func domain() {
        let tolerations = [Toleration(key: "kuscia.secretflow/agent", operator: "Exists", effect: .noSchedule)]
        var scheduler = state(
            nodes: [
                node("bob-1", domain: "bob", taints: [Self.tainted]),
                node("alice-1", cpu: 1000, domain: "alice", taints: [Self.tainted]),
            ],
            pods: [pod("alice", "p", tolerations: tolerations)], domains: ["alice", "bob"])
        #expect(bindings(scheduler.schedule(now: 0)) == [["alice/p@alice-1"]])
    }

    @Test("a gang waits until all its pods exist and all fit, and holds nothing meanwhile")
    func gang() {
        let group = PodGroup(name: "psi", size: 2)
        var scheduler = state(
            nodes: [node("alice-1", cpu: 1000, domain: "alice"), node("bob-1", cpu: 1000, domain: "bob")],
            pods: [pod("bob", "busy", cpu: 800, on: "bob-1"), pod("alice", "psi-0", cpu: 500, group: group)],
            domains: ["alice", "bob"])
        #expect(messages(scheduler.schedule(now: 0)) == ["alice/psi-0": "pod group \"psi\" waits for its pods: 1 of 2 exist"])
        scheduler.setPod(pod("bob", "psi-0", cpu: 500, group: group))
        let second = messages(scheduler.schedule(now: 1))
        #expect(
            second["bob/psi-0"] == "0/2 nodes are available: 1 Insufficient cpu (requested 500m, largest free 200m on bob-1), "
                + "1 node(s) didn't belong to domain bob.")
        #expect(second["alice/psi-0"] == "pod group \"psi\" is placed together or not at all, and bob/psi-0 has no place yet")
        scheduler.setPod(pod("alice", "other", cpu: 900))
        #expect(bindings(scheduler.schedule(now: 2)) == [["alice/other@alice-1"]])
        scheduler.removePod(PodKey(namespace: "bob", name: "busy"))
        #expect(bindings(scheduler.schedule(now: 3)).isEmpty)
        scheduler.removePod(PodKey(namespace: "alice", name: "other"))
        #expect(bindings(scheduler.schedule(now: 4)) == [["alice/psi-0@alice-1", "bob/psi-0@bob-1"]])
    }

    @Test("minMembers lets a group start without the rest, which follows when there is room")
    func minMembers() {
        let group = PodGroup(name: "g", size: 3, minMembers: 2)
        var scheduler = state(
            nodes: [node("n1", cpu: 250)], pods: (0..<3).map { pod("a", "g-\($0)", arrival: 0, group: group) })
        let decisions = scheduler.schedule(now: 0)
        #expect(bindings(decisions) == [["a/g-0@n1", "a/g-1@n1"]])
        #expect(messages(decisions).count == 1)
        scheduler.setNode(node("n2"))
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/g-2@n2"]])
    }

    @Test("a large gang is not starved by a stream of small pods")
    func starvation() throws {
        let group = PodGroup(name: "big", size: 2)
        var scheduler = state(nodes: [node("n1", cpu: 1000), node("n2", cpu: 1000)])
        for name in ["big-0", "big-1"] { scheduler.setPod(pod("a", name, cpu: 1000, arrival: 0, group: group)) }
        scheduler.setPod(pod("b", "s0", cpu: 600, on: "n1"))
        var running: [(pod: PodKey, until: Int64)] = [(PodKey(namespace: "b", name: "s0"), 1000)]
        var bigAt: Int64?
        for step in 1..<200 where bigAt == nil {
            let now = Int64(step) * 1000
            scheduler.setPod(pod("b", "s\(step)", cpu: 600, arrival: now))
            // Each small pod runs for two seconds, so that at any time at least one node is not empty.
            for case .bind(let placements) in scheduler.schedule(now: now) {
                if placements.contains(where: { $0.pod.namespace == "a" }) { bigAt = now }
                running += placements.map { ($0.pod, now + 2000) }
            }
            for ended in running where ended.until <= now + 500 { scheduler.removePod(ended.pod) }
            running.removeAll { $0.until <= now + 500 }
        }
        let placedAt = try #require(bigAt)
        #expect(placedAt > 3000, "the stream did keep it waiting")
        #expect(placedAt <= SchedulerState.patience + 10_000)
    }

    @Test("a gang that can never fit blocks nobody")
    func hopeless() {
        var scheduler = state(nodes: [node("n1", cpu: 1000)], pods: [pod("a", "huge", cpu: 9000, priority: 5)])
        for step in 1..<200 {
            let now = Int64(step) * 1000
            scheduler.setPod(pod("b", "s\(step)", cpu: 600, arrival: now))
            #expect(bindings(scheduler.schedule(now: now)) == [["b/s\(step)@n1"]])
            scheduler.removePod(PodKey(namespace: "b", name: "s\(step)"))
        }
    }

    @Test("a refused binding puts the pods back, and an old view of a pod does not undo a binding")
    func bindingFailed() {
        let one = pod("a", "p", cpu: 3000)
        var scheduler = state(nodes: [node("n1"), node("n2", cpu: 3500)], pods: [one])
        guard case .bind(let placements)? = scheduler.schedule(now: 0).first else { return #expect(Bool(false)) }
        scheduler.setPod(one)
        #expect(scheduler.pendingCount == 0)
        scheduler.bindingFailed(placements)
        #expect(scheduler.pendingCount == 1)
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/p@n1"]])
        var bound = one
        bound.nodeName = "n1"
        scheduler.setPod(bound)
        scheduler.bindingFailed(placements)
        #expect(scheduler.boundCount == 1, "a confirmed binding stands")
    }

    @Test("a finished group frees its room for a new incarnation of the same name")
    func incarnation() {
        var scheduler = state(nodes: [node("n1", cpu: 100)], pods: [pod("a", "p")])
        _ = scheduler.schedule(now: 0)
        var again = pod("a", "p")
        again.uid = "other"
        scheduler.setPod(again)
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/p@n1"]])
    }
}
