// Promises about preemption: who may end whom, for what, and that no more is lost than needed.
import KubernetesModel
import Testing

@testable import Scheduling

func preemptions(_ decisions: [SchedulingDecision]) -> [Preemption] {
    decisions.compactMap { decision in
        guard case .preempt(let preemption) = decision else { return nil }
        return preemption
    }
}

func victims(_ decisions: [SchedulingDecision]) -> [String] {
    preemptions(decisions).flatMap { $0.victims.map(\.pod.description) }.sorted()
}

@Suite struct PreemptionTests {
    private func bound(_ name: String, cpu: Int64, priority: Int, on node: String = "n1", arrival: Int64 = 0) -> PodDescription {
        pod("a", name, cpu: cpu, priority: priority, arrival: arrival, on: node)
    }

    @Test("a more important pod ends the fewest and least important that make room, and gets their place when they are gone")
    func simple() {
        var scheduler = state(
            nodes: [node("n1", cpu: 1000)],
            pods: [
                bound("low", cpu: 400, priority: 1), bound("mid", cpu: 400, priority: 5), pod("a", "high", cpu: 500, priority: 9),
            ])
        let first = scheduler.schedule(now: 0)
        #expect(victims(first) == ["a/low"])
        #expect(preemptions(first).first?.nominated.map(\.node) == ["n1"])
        #expect(victims(scheduler.schedule(now: 1)) == [], "one answer is enough")
        scheduler.setPod(pod("a", "thief", cpu: 200, priority: 5, arrival: 2))
        #expect(bindings(scheduler.schedule(now: 2)) == [], "what is free is kept for the one that made it free")
        scheduler.removePod(PodKey(namespace: "a", name: "low"))
        #expect(bindings(scheduler.schedule(now: 3)) == [["a/high@n1"]])
        scheduler.removePod(PodKey(namespace: "a", name: "mid"))
        #expect(bindings(scheduler.schedule(now: 4)) == [["a/thief@n1"]])
    }

    @Test("equal priority, preemptionPolicy Never and hopeless wishes end nobody")
    func refusals() {
        for wish in [
            pod("a", "p", cpu: 500, priority: 5), pod("a", "p", cpu: 5000, priority: 9),
            PodDescription(
                key: PodKey(namespace: "a", name: "p"), priority: 9, mayPreempt: false,
                request: ResourceAmounts(milliCPU: 500, memory: 1, pods: 1)),
            pod("a", "p", cpu: 500, priority: 9, selector: ["x": "y"]),
        ] {
            var scheduler = state(nodes: [node("n1", cpu: 1000)], pods: [bound("old", cpu: 900, priority: 5), wish])
            #expect(victims(scheduler.schedule(now: 0)) == [])
        }
    }

    @Test("a gang ends others only when all its pods find a place that way")
    func gang() {
        let group = PodGroup(name: "g", size: 3)
        let running = (1...3).map { bound("r\($0)", cpu: 900, priority: $0 == 3 ? 20 : 1, on: "n\($0)") }
        var scheduler = state(
            nodes: (1...3).map { node("n\($0)", cpu: 1000) },
            pods: running + (0..<3).map { pod("a", "g-\($0)", cpu: 600, priority: 9, group: group) })
        #expect(victims(scheduler.schedule(now: 0)) == [], "the third node's pod is more important")
        scheduler.removePod(running[2].key)
        let second = scheduler.schedule(now: 1)
        #expect(victims(second) == ["a/r1", "a/r2"])
        #expect(preemptions(second).first?.nominated.count == 3)
        scheduler.removePod(running[0].key)
        #expect(bindings(scheduler.schedule(now: 2)) == [])
        scheduler.removePod(running[1].key)
        #expect(bindings(scheduler.schedule(now: 3)).map(\.count) == [3])
    }

    @Test("pods that end anyway are waited for before anybody else is ended, also after a restart of the scheduler")
    func terminating() {
        var leaving = bound("leaving", cpu: 600, priority: 1)
        leaving.terminating = true
        var scheduler = state(
            nodes: [node("n1", cpu: 1000)],
            pods: [leaving, bound("other", cpu: 400, priority: 1), pod("a", "high", cpu: 600, priority: 9)])
        #expect(victims(scheduler.schedule(now: 0)) == [])
        scheduler.removePod(leaving.key)
        #expect(bindings(scheduler.schedule(now: 1)) == [["a/high@n1"]])
    }

    @Test("victims that do not end are not waited for for ever")
    func limit() {
        var scheduler = state(
            nodes: [node("n1", cpu: 1000)],
            pods: [bound("stuck", cpu: 900, priority: 1), pod("a", "high", cpu: 500, priority: 9)])
        #expect(victims(scheduler.schedule(now: 0)) == ["a/stuck"])
        #expect(scheduler.nextPass(now: 1) ?? 0 <= SchedulerState.nominationLimit)
        _ = scheduler.schedule(now: SchedulerState.nominationLimit)
        #expect(scheduler.pendingCount == 1)
    }

    /// A crowded cluster of three priorities; victims end some steps later.
    static func world(_ seed: UInt64, _ check: (SchedulerState, [SchedulingDecision], [PodKey: PodDescription]) -> Void) {
        var generator = SeededGenerator(state: seed)
        var scheduler = state(nodes: (0..<5).map { node("n\($0)", cpu: 2000, pods: 6) })
        var pods: [PodKey: PodDescription] = [:]
        var dying: [PodKey] = []
        for step in 0..<150 {
            let size = step % 7 == 0 ? 3 : 1
            let priority = Int.random(in: 0...2, using: &generator)
            for member in 0..<size {
                let made = pod(
                    "a", "p\(step)-\(member)", cpu: .random(in: 200...1500, using: &generator), priority: priority,
                    arrival: Int64(step),
                    group: size > 1 ? PodGroup(name: "g\(step)", size: size) : nil)
                pods[made.key] = made
                scheduler.setPod(made)
            }
            let decisions = scheduler.schedule(now: Int64(step) * 1000)
            check(scheduler, decisions, pods)
            for decision in decisions {
                if case .bind(let placements) = decision {
                    for one in placements {
                        pods[one.pod]?.nodeName = one.node
                        if let told = pods[one.pod] { scheduler.setPod(told) }
                    }
                }
                if case .preempt(let preemption) = decision { dying += preemption.victims.map(\.pod) }
            }
            if step % 3 == 0, !dying.isEmpty {
                let gone = dying.removeFirst()
                pods[gone] = nil
                scheduler.removePod(gone)
            }
            if step % 5 == 0,
                let done = pods.values.filter({ $0.nodeName != nil }).map(\.key).sorted().randomElement(using: &generator)
            {
                pods[done] = nil
                dying.removeAll { $0 == done }
                scheduler.removePod(done)
            }
        }
    }

    @Test(
        "I-SCHED-4: every victim is less important than who takes its place, runs where that one goes, and cannot be spared",
        arguments: UInt64(1)...20)
    func victimsAreNeeded(seed: UInt64) {
        Self.world(seed) { _, decisions, pods in
            for preemption in preemptions(decisions) {
                let priority = preemption.nominated.compactMap { pods[$0.pod]?.priority }.max() ?? 0
                let nodes = Set(preemption.nominated.map(\.node))
                for victim in preemption.victims {
                    #expect(pods[victim.pod].map { $0.priority < priority } ?? false, "seed \(seed)")
                    #expect(nodes.contains(victim.node) && pods[victim.pod]?.nodeName == victim.node, "seed \(seed)")
                }
                let groups = preemption.nominated.compactMap { pods[$0.pod]?.group }
                if let group = groups.first { #expect(preemption.nominated.count == group.size, "seed \(seed): a whole gang") }
            }
        }
    }

    @Test("I-SCHED-5: nobody is chosen as a victim twice, and preemption never overcommits a node", arguments: UInt64(1)...20)
    func onceOnly(seed: UInt64) {
        var seen: Set<PodKey> = []
        Self.world(seed) { _, decisions, pods in
            for one in preemptions(decisions).flatMap(\.victims) { #expect(seen.insert(one.pod).inserted, "seed \(seed)") }
            var used: [String: Int64] = [:]
            for pod in pods.values { if let node = pod.nodeName { used[node, default: 0] += pod.request.milliCPU } }
            for case .bind(let placements) in decisions {
                for one in placements { used[one.node, default: 0] += pods[one.pod]?.request.milliCPU ?? 0 }
            }
            #expect(used.values.allSatisfy { $0 <= 2000 }, "seed \(seed)")
        }
    }
}
