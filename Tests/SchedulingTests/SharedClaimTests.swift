// Promises about pods that share a claim without a volume: they go to one node, and a gang to the one that can hold it.
import KubernetesModel
import Testing

@testable import Scheduling

@Suite struct SharedClaimTests {
    private func pod(
        _ name: String, cpu: Int64 = 100, priority: Int = 0, claims: [String] = ["data"], group: PodGroup? = nil, port: Int? = nil
    ) -> PodDescription {
        var pod = SchedulingTests.pod("a", name, cpu: cpu, priority: priority, group: group)
        pod.unboundClaims = claims
        pod.hostPorts = port.map { [HostPort($0)] } ?? []
        return pod
    }

    private func key(_ name: String) -> PodKey { PodKey(namespace: "a", name: name) }

    @Test("pods of one claim go to one node, though each by itself would take the emptier one; others spread")
    func together() {
        var scheduler = state(nodes: [node("n1"), node("n2")], pods: (0..<4).map { pod("p\($0)") } + [pod("q", claims: [])])
        #expect(bindings(scheduler.schedule(now: 0)).flatMap(\.self) == ["a/p0@n1", "a/p1@n1", "a/p2@n1", "a/p3@n1", "a/q@n2"])
    }

    @Test("one that finds no room where the others are waits and says why; when they have gone, it goes where there is room")
    func full() {
        var scheduler = state(
            nodes: [node("n1", cpu: 1000), node("n2", cpu: 900)], pods: [pod("p0", cpu: 600), pod("p1", cpu: 600)])
        let first = scheduler.schedule(now: 0)
        #expect(bindings(first) == [["a/p0@n1"]])
        #expect(
            messages(first)["a/p1"]
                == "0/2 nodes are available: 1 Insufficient cpu (requested 600m, largest free 400m on n1), "
                + "1 node(s) didn't have the pods that share its claims.")
        scheduler.removePod(key("p0"))
        scheduler.setPod(pod("other", cpu: 900, priority: 1, claims: []))
        #expect(bindings(scheduler.schedule(now: 1)).sorted { $0[0] < $1[0] } == [["a/other@n1"], ["a/p1@n2"]])
    }

    @Test("a binding that failed leaves the claim without a home again")
    func failed() {
        var scheduler = state(nodes: [node("n1"), node("n2")], pods: [pod("p0")])
        let first = scheduler.schedule(now: 0)
        guard case .bind(let placements) = first.first else {
            Issue.record("not placed: \(first)")
            return
        }
        scheduler.bindingFailed(placements)
        scheduler.removePod(key("p0"))
        scheduler.setPod(SchedulingTests.pod("a", "load", cpu: 3000, on: "n1"))
        scheduler.setPod(pod("p1"))
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/p1@n2"]])
    }

    @Test("a pod is where its claims' homes are, also behind its binding was seen, and nowhere when these are two")
    func seen() {
        var scheduler = state(nodes: [node("n1"), node("n2")], pods: [pod("p0", claims: ["x"]), pod("p1", claims: ["y"])])
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/p0@n1"], ["a/p1@n2"]])
        // The store's own word of a bound pod says nothing of claims.
        scheduler.setPod(SchedulingTests.pod("a", "p0", on: "n1"))
        scheduler.setPod(SchedulingTests.pod("a", "load", cpu: 3000, on: "n1"))
        scheduler.setPod(pod("p2", claims: ["x"]))
        scheduler.setPod(pod("p3", claims: ["x", "y"]))
        let second = scheduler.schedule(now: 1)
        #expect(bindings(second) == [["a/p2@n1"]])
        #expect(messages(second)["a/p3"] == "0/2 nodes are available: 2 node(s) didn't have the pods that share its claims.")
    }

    @Test(
        "a gang takes the node that can hold it together, also where each of its pods would rather go elsewhere",
        arguments: [false, true])
    func gang(_ namedFirst: Bool) {
        let group = PodGroup(name: "g", size: 3)
        let names = namedFirst ? ["n0", "n1", "n2"] : ["n2", "n1", "n0"]
        var scheduler = state(
            nodes: [node(names[0], cpu: 4000), node(names[1], cpu: 1000), node(names[2], cpu: 1000)],
            pods: [
                SchedulingTests.pod("a", "resident", cpu: 2800, on: names[0]), pod("g0", cpu: 500, group: group),
                pod("g1", cpu: 600, group: group), pod("free", cpu: 900, claims: [], group: group),
            ])
        let placed = bindings(scheduler.schedule(now: 0)).flatMap(\.self)
        #expect(placed.count == 3 && placed.contains("a/g0@\(names[0])") && placed.contains("a/g1@\(names[0])"))
    }

    @Test("claims join pods of a gang by way of a third; pods of the same port never share a node, nor their claim")
    func chain() {
        let group = PodGroup(name: "g", size: 3)
        let members = [
            pod("g0", cpu: 300, claims: ["x"], group: group), pod("g1", cpu: 300, claims: ["y"], group: group),
            pod("g2", cpu: 300, claims: ["x", "y"], group: group),
        ]
        var scheduler = state(nodes: [node("n1", cpu: 800), node("n2", cpu: 800)], pods: members)
        #expect(bindings(scheduler.schedule(now: 0)) == [])
        scheduler.setNode(node("n3", cpu: 900))
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/g0@n3", "a/g1@n3", "a/g2@n3"]])

        let pair = PodGroup(name: "p", size: 2)
        scheduler = state(
            nodes: [node("n1"), node("n2")], pods: [pod("p0", group: pair, port: 80), pod("p1", group: pair, port: 80)])
        let decisions = scheduler.schedule(now: 0)
        #expect(bindings(decisions) == [])
        #expect(messages(decisions)["a/p0"]?.contains("1 node(s) didn't have free ports for the requested pod ports") ?? false)
    }

    @Test("of a gang that needs not all, as many as one node can hold are placed, on the node that can hold the most")
    func some() {
        let group = PodGroup(name: "g", size: 3, minMembers: 2)
        var scheduler = state(
            nodes: [node("n1", cpu: 900), node("n2", cpu: 4000)],
            pods: [SchedulingTests.pod("a", "resident", cpu: 2800, on: "n2")]
                + (0..<3).map { pod("g\($0)", cpu: 500, group: group) })
        let first = scheduler.schedule(now: 0)
        #expect(bindings(first) == [["a/g1@n2", "a/g2@n2"]])
        #expect(messages(first)["a/g0"]?.contains("1 Insufficient cpu (requested 500m, largest free 200m on n2)") ?? false)
        scheduler.removePod(key("resident"))
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/g0@n2"]])
    }

    @Test("victims are ended where the pods of the claim are, and for a gang on one node")
    func preemption() {
        let low = { (name: String, node: String, cpu: Int64) in SchedulingTests.pod("a", name, cpu: cpu, on: node) }
        var scheduler = state(nodes: [node("n1", cpu: 1000), node("n2", cpu: 1000)], pods: [pod("p0", cpu: 300)])
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/p0@n1"]])
        for (name, node) in [("l1", "n1"), ("l2", "n2")] { scheduler.setPod(low(name, node, 600)) }
        scheduler.setPod(low("cheap", "n2", 100))
        scheduler.setPod(pod("high", cpu: 600, priority: 5))
        #expect(victims(scheduler.schedule(now: 1)) == ["a/l1"])

        let group = PodGroup(name: "g", size: 2)
        scheduler = state(
            nodes: [node("n1", cpu: 1000), node("n2", cpu: 1000)],
            pods: [low("l1", "n1", 500), low("l2", "n2", 400), low("l3", "n2", 300)]
                + (0..<2).map { pod("g\($0)", cpu: 500, priority: 5, group: group) })
        let decisions = scheduler.schedule(now: 0)
        #expect(victims(decisions) == ["a/l1"])
        #expect(preemptions(decisions).first?.nominated.map(\.node) == ["n1", "n1"])
    }

    @Test("units for which nobody can be ended are searched for once, not for ever, and do not keep others from theirs")
    func vain() {
        let hopeless = (0..<40).map { index in
            var one = pod("p\(index)", cpu: 100, priority: 5, claims: ["own\(index)"], port: 80)
            one.nodeSelector = ["no": "node"]
            return one
        }
        var scheduler = state(
            nodes: [node("n1", cpu: 1000)], pods: [SchedulingTests.pod("a", "low", cpu: 900, on: "n1")] + hopeless)
        _ = scheduler.schedule(now: 0)
        _ = scheduler.schedule(now: 1)
        #expect(scheduler.nextPass(now: 2).map { $0 > 2 } ?? true, "it would be busy for ever")
        scheduler.setPod(pod("late", cpu: 900, priority: 4, claims: []))
        #expect(victims(scheduler.schedule(now: 2)) == ["a/low"])
    }

    @Test("a member with a claim of its own takes no place from a larger one")
    func ownClaim() {
        let group = PodGroup(name: "g", size: 2)
        var scheduler = state(
            nodes: [node("n1", cpu: 1000), node("n2", cpu: 500)],
            pods: [pod("big", cpu: 1000, claims: [], group: group), pod("small", claims: ["own"], group: group)])
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/big@n1", "a/small@n2"]])
    }

    @Test("one that can go nowhere keeps no other of its claim from a place, where not all are needed")
    func impossible() {
        let group = PodGroup(name: "g", size: 3, minMembers: 2)
        var middle = pod("b", cpu: 200, group: group)
        middle.nodeSelector = ["no": "node"]
        var scheduler = state(
            nodes: [node("n1"), node("n2")], pods: [pod("a", cpu: 300, group: group), middle, pod("c", cpu: 100, group: group)])
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/a@n1", "a/c@n1"]])
        let all = PodGroup(name: "h", size: 2)
        middle = pod("e", cpu: 200, group: all)
        middle.nodeSelector = ["no": "node"]
        scheduler = state(nodes: [node("n1")], pods: [pod("d", cpu: 300, group: all), middle])
        let said = messages(scheduler.schedule(now: 0))
        #expect(said["a/e"]?.contains("didn't match Pod's node affinity/selector") ?? false, "\(said)")
    }

    @Test("where room is kept for a pod, its claim's others go too: nobody is ended for them elsewhere")
    func nominated() {
        let low = { (name: String, node: String) in SchedulingTests.pod("a", name, cpu: 1000, on: node) }
        var scheduler = state(
            nodes: [node("n1", cpu: 1000), node("n2", cpu: 1000)],
            pods: [low("l1", "n1"), low("l2", "n2")] + (0..<2).map { pod("h\($0)", cpu: 600, priority: 5) })
        #expect(victims(scheduler.schedule(now: 0)) == ["a/l1"])
        scheduler.removePod(key("l1"))
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/h0@n1"]])
        #expect(scheduler.claimHomes["data"]?.pods == 1, "what was kept is not counted twice")
    }

    @Test("a claim that is told of a pod when it is on its way has its home where that goes")
    func toldLate() {
        var scheduler = state(nodes: [node("n1"), node("n2")], pods: [pod("p0", claims: [])])
        #expect(bindings(scheduler.schedule(now: 0)) == [["a/p0@n1"]])
        scheduler.setPod(pod("p0"))
        scheduler.setPod(SchedulingTests.pod("a", "load", cpu: 3000, on: "n1"))
        scheduler.setPod(pod("p1"))
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/p1@n1"]])
        for name in ["p0", "p1"] { scheduler.removePod(key(name)) }
        #expect(scheduler.claimHomes.isEmpty)
    }

    @Test("a gang that no node could hold even empty keeps no nodes free for itself")
    func hopeless() {
        let group = PodGroup(name: "g", size: 2)
        var scheduler = state(
            nodes: [node("n1", cpu: 1000), node("n2", cpu: 1000)], pods: (0..<2).map { pod("g\($0)", cpu: 600, group: group) })
        #expect(bindings(scheduler.schedule(now: 0)) == [])
        _ = scheduler.schedule(now: SchedulerState.patience)
        #expect(scheduler.nextPass(now: SchedulerState.patience) == nil)
        scheduler.setPod(pod("late", cpu: 1000, claims: []))
        #expect(bindings(scheduler.schedule(now: SchedulerState.patience + 1)) == [["a/late@n1"]])
    }

    @Test("I-SCHED-7: whatever comes and goes, the placed pods of a claim are on one node", arguments: UInt64(1)...30)
    func random(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var scheduler = state(nodes: (0..<5).map { node("n\($0)", cpu: .random(in: 500...4000, using: &generator)) })
        var known: [PodKey: PodDescription] = [:]
        var gangs: [String: Int] = [:]
        for step in 0..<200 {
            if Int.random(in: 0..<3, using: &generator) == 0, let gone = known.keys.sorted().randomElement(using: &generator) {
                known[gone] = nil
                scheduler.removePod(gone)
            } else {
                let size = Int.random(in: 1...4, using: &generator)
                let group = size == 1 ? nil : PodGroup(name: "g\(step)", size: size)
                for member in 0..<size {
                    let claims = (0..<6).map { "c\($0)" }.filter { _ in Int.random(in: 0..<6, using: &generator) == 0 }
                    let made = pod(
                        "p\(step)-\(member)", cpu: .random(in: 10...900, using: &generator), claims: claims, group: group)
                    known[made.key] = made
                    scheduler.setPod(made)
                }
            }
            for case .bind(let placements) in scheduler.schedule(now: Int64(step) * 500) {
                if Int.random(in: 0..<5, using: &generator) == 0 {
                    scheduler.bindingFailed(placements)
                    continue
                }
                for one in placements { known[one.pod]?.nodeName = one.node }
                if let gang = known[placements[0].pod]?.group { gangs[gang.name, default: 0] += placements.count }
            }
            for claim in 0..<6 {
                let homes = Set(known.values.filter { $0.unboundClaims.contains("c\(claim)") }.compactMap(\.nodeName))
                #expect(homes.count <= 1)
            }
        }
        #expect(!gangs.isEmpty)
        for key in known.keys { scheduler.removePod(key) }
        #expect(scheduler.claimHomes.isEmpty, "nothing is remembered of pods that are gone")
    }
}
