// Properties over seeded random clusters, and the cost of a placement.
import KubernetesModel
import Testing

@testable import Scheduling

/// SplitMix64: small, seeded, the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct SchedulerPropertyTests {
    /// A cluster under random events, with an independent book of what was promised.
    struct World {
        var scheduler = SchedulerState()
        var nodes: [String: NodeDescription] = [:]
        var pods: [PodKey: PodDescription] = [:]
        var log: [SchedulingDecision] = []
        var generator: SeededGenerator
        var serial = 0

        mutating func step(_ now: Int64) {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: addNode()
            case 1: if let key = pods.keys.sorted().randomElement(using: &generator) { remove(key) }
            case 2, 3: addGroup(now)
            default: add(namespace: ["alice", "bob", "free"].randomElement(using: &generator)!, now, group: nil)
            }
            let decisions = scheduler.schedule(now: now)
            log += decisions
            for case .bind(let placements) in decisions { for one in placements { pods[one.pod]?.nodeName = one.node } }
        }

        mutating func addNode() {
            serial += 1
            let domain = ["alice", "bob", nil].randomElement(using: &generator)!
            let made = node(
                "n\(serial)", cpu: .random(in: 500...4000, using: &generator),
                memory: .random(in: 64...4096, using: &generator) << 20,
                pods: .random(in: 1...8, using: &generator), domain: domain)
            nodes[made.name] = made
            scheduler.setNode(made)
        }

        mutating func add(namespace: String, _ now: Int64, group: PodGroup?) {
            serial += 1
            let made = pod(
                namespace, "p\(serial)", cpu: .random(in: 10...1500, using: &generator),
                memory: .random(in: 1...1024, using: &generator) << 20, priority: .random(in: 0...2, using: &generator),
                arrival: now,
                group: group)
            pods[made.key] = made
            scheduler.setPod(made)
        }

        mutating func addGroup(_ now: Int64) {
            let size = Int.random(in: 2...5, using: &generator)
            serial += 1
            let group = PodGroup(name: "g\(serial)", size: size)
            for _ in 0..<size { add(namespace: ["alice", "bob"].randomElement(using: &generator)!, now, group: group) }
        }

        mutating func remove(_ key: PodKey) {
            pods[key] = nil
            scheduler.removePod(key)
        }

        var overcommitted: [String] {
            nodes.values.filter { node in
                let there = pods.values.filter { $0.nodeName == node.name }
                return there.reduce(0) { $0 + $1.request.milliCPU } > node.allocatable.milliCPU
                    || there.reduce(0) { $0 + $1.request.memory } > node.allocatable.memory || there.count > node.allocatable.pods
            }.map(\.name)
        }
    }

    static func run(seed: UInt64) -> World {
        var world = World(generator: SeededGenerator(state: seed))
        world.scheduler.setDomains(["alice", "bob"])
        for step in 0..<120 { world.step(Int64(step) * 500) }
        return world
    }

    @Test("I-SCHED-1: no node is ever promised more than it has; domains are kept apart", arguments: UInt64(1)...30)
    func noOvercommit(seed: UInt64) {
        let world = Self.run(seed: seed)
        #expect(world.overcommitted == [])
        for pod in world.pods.values {
            guard let name = pod.nodeName, let node = world.nodes[name] else { continue }
            let domain = pod.key.namespace == "free" ? nil : pod.key.namespace
            #expect(node.domain == domain)
        }
    }

    @Test("I-SCHED-2: the pods of a group are bound by one decision, all of them", arguments: UInt64(1)...30)
    func allOrNone(seed: UInt64) {
        var sizes: [String: Int] = [:]
        var groups: [PodKey: PodGroup] = [:]
        var world = World(generator: SeededGenerator(state: seed))
        world.scheduler.setDomains(["alice", "bob"])
        for step in 0..<120 {
            let before = world.log.count
            world.step(Int64(step) * 500)
            for pod in world.pods.values { groups[pod.key] = pod.group }
            for case .bind(let placements) in world.log[before...] {
                let names = Set(placements.map { groups[$0.pod]?.name })
                #expect(names.count == 1)
                if let group = groups[placements[0].pod] {
                    sizes[group.name, default: 0] += placements.count
                    #expect(placements.count == group.size)
                }
            }
        }
    }

    @Test("the same events give the same decisions", arguments: UInt64(1)...10)
    func deterministic(seed: UInt64) {
        #expect(Self.run(seed: seed).log == Self.run(seed: seed).log)
    }

    @Test("I-SCHED-3: everything that fits an emptying cluster is placed in the end", arguments: UInt64(1)...8)
    func noStarvation(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var scheduler = state(nodes: (0..<4).map { node("n\($0)", cpu: 2000) })
        var waiting: Set<PodKey> = []
        for index in 0..<40 {
            let group = index % 4 == 0 ? PodGroup(name: "g\(index)", size: 3) : nil
            for member in 0..<(group?.size ?? 1) {
                let made = pod(
                    "a", "p\(index)-\(member)", cpu: .random(in: 100...1900, using: &generator), arrival: Int64(index),
                    group: group)
                scheduler.setPod(made)
                waiting.insert(made.key)
            }
        }
        var running: [PodKey] = []
        for step in 0..<2000 where !waiting.isEmpty {
            for case .bind(let placements) in scheduler.schedule(now: Int64(step) * 1000) {
                for one in placements {
                    waiting.remove(one.pod)
                    running.append(one.pod)
                }
            }
            if !running.isEmpty { scheduler.removePod(running.removeFirst()) }
        }
        #expect(waiting.isEmpty)
    }

    @Test("cost of a placement on 5,000 nodes (printed; the promise of 80,000 a second is for release builds)")
    func cost() {
        #if DEBUG
            let pods = 200
        #else
            let pods = 50_000
        #endif
        var scheduler = state(nodes: (0..<5000).map { node("n\($0)", cpu: 64_000, memory: 256 << 30) })
        for index in 0..<pods { scheduler.setPod(pod("a", "p\(index)", arrival: Int64(index))) }
        var decisions: [SchedulingDecision] = []
        let clock = ContinuousClock()
        let time = clock.measure { decisions = scheduler.schedule(now: 0) }
        #expect(decisions.count == pods)
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        print("placements per second at 5,000 nodes: \(Int(Double(pods) / seconds))")
    }
}
