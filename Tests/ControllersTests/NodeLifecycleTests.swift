// When a node counts as silent, which taints it gets, and when its pods have to go.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Logging
import Testing

@testable import Controllers

@Suite("nodes that fall silent", .timeLimit(.minutes(1)))
struct NodeLifecycleTests {
    private func lease(_ seconds: Int64) -> MicroTimestamp { MicroTimestamp(testTime.adding(seconds: seconds)) }

    private func ready(_ status: ConditionStatus = .true, heartbeat: Int64 = 0) -> NodeCondition {
        NodeCondition(type: "Ready", status: status, lastHeartbeatTime: testTime.adding(seconds: heartbeat))
    }

    @Test("a node is silent when neither lease nor heartbeat has changed for the grace period; either is enough to live")
    func silence() {
        var nodes = NodeLifecycle()
        nodes.observe(node: "n", ready: ready(), evicted: false, now: .zero)
        nodes.observe(lease: lease(0), of: "n", now: .zero)
        #expect(nodes.tick(now: .seconds(40)) == [])
        nodes.observe(lease: lease(40), of: "n", now: .seconds(41))
        #expect(nodes.tick(now: .seconds(80)) == [])
        nodes.observe(node: "n", ready: ready(heartbeat: 80), evicted: false, now: .seconds(81))
        #expect(nodes.tick(now: .seconds(121)) == [])
        #expect(nodes.tick(now: .seconds(122)) == [.markUnknown(node: "n", neverReported: false), .evict(node: "n")])
    }

    @Test("a node's clock and a master's absence do not matter: what counts is when this master saw a change")
    func clocks() {
        var nodes = NodeLifecycle()
        nodes.observe(node: "n", ready: ready(heartbeat: -86400), evicted: false, now: .seconds(1000))
        #expect(nodes.tick(now: .seconds(1001)) == [])
        nodes.observe(lease: lease(-86000), of: "n", now: .seconds(1040))
        #expect(nodes.tick(now: .seconds(1080)) == [])
    }

    @Test("a node that never reported gets longer; one that was deleted is forgotten")
    func others() {
        var nodes = NodeLifecycle()
        nodes.observe(node: "a", ready: nil, evicted: false, now: .zero)
        nodes.observe(node: "b", ready: ready(), evicted: false, now: .zero)
        nodes.forget(node: "b")
        #expect(nodes.tick(now: .seconds(60)) == [])
        #expect(nodes.tick(now: .seconds(61)).first == .markUnknown(node: "a", neverReported: true))
    }

    @Test("what we wrote ourselves is no sign of life")
    func ownWrites() {
        var nodes = NodeLifecycle()
        nodes.observe(node: "n", ready: ready(), evicted: false, now: .zero)
        _ = nodes.tick(now: .seconds(41))
        nodes.observe(node: "n", ready: ready(.unknown), evicted: true, now: .seconds(42))
        #expect(nodes.tick(now: .seconds(45)) == [], "it stays given up, and nothing more is due")
        nodes.observe(node: "n", ready: ready(.true, heartbeat: 50), evicted: true, now: .seconds(50))
        #expect(nodes.tick(now: .seconds(60)) == [])
    }

    @Test("I-NODE-3: one node after the other is evicted from; of a crowd that falls silent at once nobody")
    func pace() {
        func silent(_ count: Int, of total: Int) -> NodeLifecycle {
            var nodes = NodeLifecycle()
            for index in 0..<total {
                nodes.observe(node: "n\(index)", ready: ready(), evicted: false, now: index < count ? .zero : .seconds(41))
            }
            return nodes
        }
        func evictions(_ nodes: inout NodeLifecycle, at second: Int) -> Int {
            nodes.tick(now: .seconds(second)).count { if case .evict = $0 { true } else { false } }
        }
        var few = silent(3, of: 20)
        #expect([41, 46, 51, 56, 61].map { evictions(&few, at: $0) }.reduce(0, +) >= 2)
        var all = silent(10, of: 10)
        #expect((41..<80).map { evictions(&all, at: $0) }.reduce(0, +) == 0)
        var most = silent(60, of: 100)
        #expect((41..<80).map { evictions(&most, at: $0) }.reduce(0, +) == 1)
    }

    @Test(
        "I-NODE-1, I-NODE-2: never silent within a grace period of a sign of life, never evicted while it reports",
        arguments: UInt64(1)...40)
    func hysteresis(seed: UInt64) {
        var dice = SeededDice(seed)
        var nodes = NodeLifecycle()
        var lastSign: [String: Int] = [:]
        var status: [String: ConditionStatus] = [:]
        var evicted: Set<String> = []
        for second in stride(from: 0, to: 1200, by: 5) {
            for index in 0..<6 {
                let name = "n\(index)"
                if second == 0 || dice.chance(index + 1, of: 12) {
                    // The agent posts its status.
                    status[name] = dice.chance(1, of: 8) ? .false : .true
                    lastSign[name] = second
                    if status[name] == .true { evicted.remove(name) }
                    nodes.observe(
                        node: name, ready: ready(status[name] ?? .true, heartbeat: Int64(second)),
                        evicted: evicted.contains(name),
                        now: .seconds(second))
                } else if dice.chance(1, of: 10) {
                    lastSign[name] = second
                    nodes.observe(lease: lease(Int64(second)), of: name, now: .seconds(second))
                }
            }
            for action in nodes.tick(now: .seconds(second)) {
                switch action {
                case .markUnknown(let name, _):
                    #expect(second - (lastSign[name] ?? 0) > 40, "seed \(seed), \(name) at \(second)")
                    status[name] = .unknown
                    nodes.observe(node: name, ready: ready(.unknown), evicted: evicted.contains(name), now: .seconds(second))
                case .evict(let name):
                    let isSilent = second - (lastSign[name] ?? 0) > 40
                    #expect(isSilent || status[name] == .false, "seed \(seed), \(name) at \(second)")
                    #expect(evicted.insert(name).inserted, "seed \(seed): once")
                    nodes.observe(node: name, ready: ready(status[name] ?? .true), evicted: true, now: .seconds(second))
                }
            }
        }
    }

    @Test("taints say what the conditions say, keep others' taints, and go when their reason goes")
    func taints() throws {
        var node = Node(metadata: ObjectMeta(name: "n"), spec: NodeSpec(taints: [Taint(key: "own", effect: .noSchedule)]))
        node.status.conditions = [NodeCondition(type: "Ready", status: .unknown)]
        node.spec.taints = try #require(NodeTaints.corrected(node, evict: false, now: testTime))
        #expect(
            node.spec.taints.map { "\($0.key):\($0.effect.rawValue)" } == [
                "own:NoSchedule", "node.kubernetes.io/unreachable:NoSchedule",
            ])
        node.spec.taints = try #require(NodeTaints.corrected(node, evict: true, now: testTime))
        #expect(NodeTaints.isEvicting(node))
        #expect(NodeTaints.corrected(node, evict: false, now: testTime.adding(seconds: 9)) == nil, "stays, with its time")
        node.status.conditions = [
            NodeCondition(type: "Ready", status: .false), NodeCondition(type: "DiskPressure", status: .true),
        ]
        node.spec.unschedulable = true
        node.spec.taints = try #require(NodeTaints.corrected(node, evict: false, now: testTime))
        #expect(
            Set(node.spec.taints.map { "\($0.key):\($0.effect.rawValue)" }) == [
                "own:NoSchedule", "node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute",
                "node.kubernetes.io/disk-pressure:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule",
            ])
        node.status.conditions = [NodeCondition(type: "Ready", status: .true)]
        node.spec.unschedulable = false
        #expect(NodeTaints.corrected(node, evict: false, now: testTime)?.map(\.key) == ["own"])
    }

    @Test("a taint of which nobody says since when it is there counts from when it was first seen, until it goes")
    func taintAges() {
        var ages = TaintAges()
        var node = Node(metadata: ObjectMeta(name: "n"))
        func since(_ seconds: Int64) -> [String: Int64] {
            let dated = ages.dated(node, now: testTime.adding(seconds: seconds))
            return Dictionary(dated.map { ($0.key, $0.timeAdded?.seconds(since: testTime) ?? -1) }) { $1 }
        }
        node.spec.taints = [Taint(key: "k", value: "v", effect: .noExecute), Taint(key: "other", effect: .noSchedule)]
        #expect(since(10) == ["k": 10])
        node.spec.taints.append(Taint(key: "told", effect: .noExecute, timeAdded: testTime.adding(seconds: 3)))
        #expect(since(20) == ["k": 10, "told": 3])
        node.spec.taints.removeFirst()
        #expect(since(30) == ["told": 3])
        node.spec.taints = [Taint(key: "k", value: "v", effect: .noExecute)]
        #expect(since(40) == ["k": 40])
        ages.forget(node)
        #expect(since(50) == ["k": 50])
    }

    @Test("a pod leaves when its shortest toleration is over; who tolerates for ever stays")
    func evictionTimes() {
        func due(_ tolerations: [Toleration], key: String = NodeTaints.unreachable) -> Int64? {
            PodEviction.due(
                tolerations: tolerations, taints: [Taint(key: key, effect: .noExecute, timeAdded: testTime)],
                now: testTime.adding(seconds: 50)
            ).map { $0.seconds(since: testTime) }
        }
        #expect(due([]) == 300, "Kubernetes' default")
        #expect(due([], key: "mine") == 0)
        #expect(due([Toleration(key: NodeTaints.unreachable, operator: "Exists", tolerationSeconds: 20)]) == 20)
        #expect(due([Toleration(operator: "Exists")]) == nil)
        // A number beyond all time must not end the master, again with each of its starts.
        for seconds: Int64 in [.max, .max / 2] {
            #expect(due([Toleration(operator: "Exists", tolerationSeconds: seconds)]) == Int64(Int32.max))
        }
        #expect(
            due([
                Toleration(operator: "Exists"), Toleration(key: NodeTaints.unreachable, operator: "Exists", tolerationSeconds: 7),
            ]) == 7)
        #expect(PodEviction.due(tolerations: [], taints: [Taint(key: "x", effect: .noSchedule)], now: testTime) == nil)
    }

    @Test("a lease that was renewed counts although the local copy has not shown it: a busy master gives up no node")
    func lateCopy() async throws {
        let lab = try ControllerLab()
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let lifecycle = NodeLifecycleController(
            ControllerParts(
                api: lab.api, informers: informers,
                recorder: EventRecorder(api: lab.api, component: "test", now: { MicroTimestamp(testTime) }, logger: lab.logger),
                now: { testTime }, logger: lab.logger))
        func isUnknown() throws -> Bool {
            let node = try #require(try lab.api.object(Node.self, name: "alice-node"))
            return node.status.conditions.first { $0.type == "Ready" }?.status == .unknown
        }
        // Nobody follows the leases.
        let running = Task { await informers.nodes.run() }
        await informers.nodes.waitUntilSynced()
        lifecycle.follow { .zero }
        try lab.api.put(
            Lease(
                metadata: ObjectMeta(name: "alice-node", namespace: SharedInformers.leaseNamespace),
                spec: LeaseSpec(holderIdentity: "alice-node", renewTime: lease(39))))
        await lifecycle.check(now: .seconds(41))
        #expect(try !isUnknown())
        await lifecycle.check(now: .seconds(82))
        #expect(try isUnknown(), "the same renewal is no second sign of life")
        running.cancel()
        await running.value
    }

    @Test("a silent node turns Unknown and is tainted; after their toleration its task pods fail as lost, other pods are deleted")
    func controllers() async throws {
        let lab = try ControllerLab()
        let owner = OwnerReference(apiVersion: "kuscia.secretflow/v1alpha1", kind: KusciaTask.kind, name: "t", uid: "t-uid")
        for (name, phase) in [("task", PodPhase.running), ("done", .succeeded), ("plain", .running)] {
            var pod = Pod(
                metadata: ObjectMeta(name: name, namespace: "alice"), spec: PodSpec(nodeName: "alice-node"),
                status: PodStatus(phase: phase))
            if name != "plain" { pod.metadata.ownerReferences = [owner] }
            try lab.api.put(pod)
        }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let recorder = EventRecorder(api: lab.api, component: "test", now: { MicroTimestamp(testTime) }, logger: lab.logger)
        func parts(at time: Timestamp) -> ControllerParts {
            ControllerParts(api: lab.api, informers: informers, recorder: recorder, now: { time }, logger: lab.logger)
        }
        let lifecycle = NodeLifecycleController(parts(at: testTime))
        let evictions = PodEvictionController(parts(at: testTime.adding(seconds: 400)))
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                group.addTask { try? await evictions.run() }
            }
        }
        await informers.waitUntilSynced()
        lifecycle.follow { .zero }
        await lifecycle.check(now: .seconds(41))
        try await lab.wait("unknown", Node.self) {
            $0.allSatisfy { $0.status.conditions.first { $0.type == "Ready" }?.status == .unknown }
        }
        try await eventually("tainted") {
            try await lifecycle.bringUpToDate("alice-node")
            return try lab.api.object(Node.self, name: "alice-node").map(NodeTaints.isEvicting) ?? false
        }
        let pods = try await lab.wait("evicted", Pod.self) { pods in
            pods.contains { $0.metadata.name == "task" && $0.status.reason == "NodeLost" && $0.status.phase == .failed }
                && !pods.contains { $0.metadata.name == "plain" && $0.metadata.deletionTimestamp == nil }
        }
        #expect(pods.first { $0.metadata.name == "done" }?.status.phase == .succeeded)
        running.cancel()
        await running.value
    }
}
