// Taints, evictions and pod garbage over random clusters and a server that refuses some writes.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Testing

@testable import Controllers

@Suite("nodes and their pods: invariants", .serialized, .timeLimit(.minutes(2)))
struct NodePropertyTests {
    private static let conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"]

    @Test(
        "I-TAINT-1: taints say exactly what conditions say, others' taints stay in their order, and what is right is left alone",
        arguments: UInt64(1)...60)
    func taints(seed: UInt64) {
        var dice = SeededDice(seed)
        var node = Node(metadata: ObjectMeta(name: "n"))
        for step in 0..<20 {
            node.status.conditions = Self.conditions.compactMap { type in
                dice.chance(3, of: 4) ? NodeCondition(type: type, status: dice.one(of: [.true, .false, .unknown])) : nil
            }
            node.spec.unschedulable = dice.chance(1, of: 3)
            if dice.chance(1, of: 4) {
                node.spec.taints.append(Taint(key: "own-\(step)", effect: dice.one(of: [.noSchedule, .noExecute])))
            }
            let evict = dice.chance(1, of: 3)
            let what = Comment("seed \(seed), step \(step)")
            let others = node.spec.taints.filter { $0.key.hasPrefix("own") }
            let now = testTime.adding(seconds: Int64(step))
            let corrected = NodeTaints.corrected(node, evict: evict, now: now)
            node.spec.taints = corrected ?? node.spec.taints
            #expect(node.spec.taints.filter { $0.key.hasPrefix("own") } == others, what)
            #expect(NodeTaints.corrected(node, evict: evict, now: now.adding(seconds: 1)) == nil, what)
            func has(_ key: String, _ effect: TaintEffect) -> Bool {
                node.spec.taints.contains { $0.key == key && $0.effect == effect }
            }
            let readiness = node.status.conditions.first { $0.type == "Ready" }?.status
            #expect(has(NodeTaints.notReady, .noSchedule) == (readiness == .false), what)
            #expect(has(NodeTaints.unreachable, .noSchedule) == (readiness == .unknown), what)
            #expect(has(NodeTaints.unschedulable, .noSchedule) == node.spec.unschedulable, what)
            let pressure = node.status.conditions.contains { $0.type == "DiskPressure" && $0.status == .true }
            #expect(has("node.kubernetes.io/disk-pressure", .noSchedule) == pressure, what)
            // Nobody is driven off a node that is ready, or has not said anything.
            if readiness == .true || readiness == nil {
                #expect(!has(NodeTaints.notReady, .noExecute) && !has(NodeTaints.unreachable, .noExecute), what)
            } else if evict {
                #expect(has(readiness == .false ? NodeTaints.notReady : NodeTaints.unreachable, .noExecute), what)
            }
        }
    }

    @Test(
        "I-NODE-3: never more than one node is given up in ten seconds, and none while all are silent", arguments: UInt64(1)...8)
    func pace(seed: UInt64) {
        var dice = SeededDice(seed)
        var nodes = NodeLifecycle()
        let count = 3 + dice.pick(30)
        var alive = Set(0..<count)
        var evictions: [Int] = []
        var heard = Array(repeating: 0, count: count)
        for second in stride(from: 0, to: 900, by: 5) {
            if dice.chance(1, of: 12) { alive = Set((0..<count).filter { _ in dice.chance(1, of: 2) }) }
            if dice.chance(1, of: 30) { alive = [] }
            for index in 0..<count where second == 0 || alive.contains(index) {
                let ready = NodeCondition(
                    type: "Ready", status: .true, lastHeartbeatTime: testTime.adding(seconds: Int64(second)))
                nodes.observe(node: "n\(index)", ready: ready, evicted: false, now: .seconds(second))
                heard[index] = second
            }
            for action in nodes.tick(now: .seconds(second)) {
                switch action {
                case .evict(let node):
                    #expect(evictions.last.map { second - $0 >= 10 } ?? true, "seed \(seed), \(node) at \(second)")
                    #expect(heard.contains { second - $0 <= 40 }, "seed \(seed), \(node) at \(second): all are silent")
                    evictions.append(second)
                    nodes.observe(
                        node: node, ready: NodeCondition(type: "Ready", status: .unknown), evicted: true, now: .seconds(second))
                case .markUnknown(let node, _):
                    nodes.observe(
                        node: node, ready: NodeCondition(type: "Ready", status: .unknown), evicted: false, now: .seconds(second))
                }
            }
        }
    }

    @Test(
        "I-EVICT-1: exactly the pods whose toleration is over leave; a task's pod on a silent node fails instead; nobody finished is touched",
        arguments: UInt64(1)...10)
    func evictions(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        for name in ["good", "silent", "unready"] {
            var node = Node(metadata: ObjectMeta(name: name))
            node.status.conditions = [
                NodeCondition(type: "Ready", status: name == "good" ? .true : name == "silent" ? .unknown : .false)
            ]
            node.spec.taints = NodeTaints.corrected(node, evict: name != "good", now: testTime) ?? []
            try lab.api.put(node)
        }
        var leaving: Set<String> = []
        var failing: Set<String> = []
        var staying: Set<String> = []
        for index in 0..<12 {
            var pod = dice.pod(index)
            pod.metadata.namespace = "a"
            pod.metadata.uid = nil
            pod.metadata.finalizers = []
            pod.metadata.deletionTimestamp = nil
            pod.status.phase = dice.one(of: [.running, .pending, .succeeded])
            pod.spec.nodeName = dice.one(of: ["good", "silent", "unready"])
            let seconds = dice.one(of: [nil, 10, 350, 1000] as [Int64?])
            let tolerates = dice.chance(1, of: 2)
            pod.spec.tolerations = tolerates ? [Toleration(operator: "Exists", tolerationSeconds: seconds)] : []
            let isTask = pod.metadata.ownerReferences.contains { $0.kind == KusciaTask.kind }
            // The clock stands 400 s after the taint; who says nothing has 300.
            let isDue =
                pod.spec.nodeName != "good" && pod.status.phase != .succeeded && (tolerates ? (seconds ?? 1000) <= 400 : true)
            if !isDue {
                staying.insert(pod.metadata.name)
            } else if isTask, pod.spec.nodeName == "silent" {
                failing.insert(pod.metadata.name)
            } else {
                leaving.insert(pod.metadata.name)
            }
            try lab.api.put(pod)
        }
        let complaints = lab.unreliable(seed: seed) { [leaving] call in
            guard call.verb == .delete, call.resource == Pod.resource, !leaving.contains(call.name ?? "") else { return nil }
            return "\(call.name ?? "") is deleted before its time"
        }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let controller = PodEvictionController(
            ControllerParts(
                api: lab.api, informers: informers, recorder: lab.recorder(), now: { testTime.adding(seconds: 400) },
                logger: lab.logger))
        try await lab.running(informers, { try await controller.run() }) {
            try await eventually("seed \(seed): everybody is where they belong") {
                let pods = try lab.api.objects(Pod.self)
                let left = Set(pods.filter { $0.metadata.deletionTimestamp == nil }.map(\.metadata.name))
                let failed = Set(
                    pods.filter { $0.status.reason == "NodeLost" && $0.status.phase == .failed }.map(\.metadata.name))
                return left == staying.union(failing) && failed == failing
            }
        }
        #expect(complaints.all == [])
    }

    @Test(
        "I-PODGC-1: only pods of nodes that are gone, pods that end without a node, and the oldest finished beyond the limit are removed",
        arguments: UInt64(1)...10)
    func garbage(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        let kept = 3
        var doomed: Set<String> = []
        var failing: Set<String> = []
        var finished: [String] = []
        for index in 0..<16 {
            var pod = dice.pod(index)
            pod.metadata.namespace = "a"
            pod.metadata.uid = nil
            pod.metadata.finalizers = []
            pod.metadata.creationTimestamp = testTime.adding(seconds: Int64(index))
            pod.spec.nodeName = dice.one(of: [nil, "alice-node", "vanished"])
            pod.status.phase = dice.one(of: [.running, .pending, .failed])
            // What is being deleted on a node is the node's business.
            let isEnding = pod.spec.nodeName == nil && pod.status.phase != .failed && dice.chance(1, of: 2)
            pod.metadata.deletionTimestamp = isEnding ? testTime : nil
            let name = pod.metadata.name
            let isTask = pod.metadata.ownerReferences.contains { $0.kind == KusciaTask.kind }
            if pod.status.phase == .failed {
                finished.append(name)
                if pod.spec.nodeName == "vanished", !isTask { doomed.insert(name) }
            } else if isEnding {
                doomed.insert(name)
            } else if pod.spec.nodeName == "vanished" {
                if isTask { failing.insert(name) } else { doomed.insert(name) }
            }
            try lab.api.put(pod)
        }
        let failed = try lab.api.objects(Pod.self).filter { $0.status.phase == .failed }.map { try PodView.of($0) }
        let surplus = PodGarbage.surplus(failed, kept: kept)
        #expect(surplus.map(\.name) == Array(finished.prefix(max(0, finished.count - kept))), "seed \(seed): the oldest")
        let complaints = lab.unreliable(seed: seed) { [doomed] call in
            guard call.verb == .delete, call.resource == Pod.resource, !doomed.contains(call.name ?? "") else { return nil }
            return "\(call.name ?? "") is removed"
        }
        let before = Set(try lab.api.objects(Pod.self).map(\.metadata.name))
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let collector = PodGarbageCollector(
            api: lab.api, informers: informers, quarantine: .zero, now: { testTime }, logger: lab.logger)
        try await lab.running(informers, { try await collector.run() }) {
            try await eventually("seed \(seed): what nobody ends is gone") {
                let pods = try lab.api.objects(Pod.self)
                let lost = Set(pods.filter { $0.status.reason == "NodeLost" }.map(\.metadata.name))
                return Set(pods.map(\.metadata.name)) == before.subtracting(doomed) && lost == failing
            }
        }
        #expect(complaints.all == [])
    }
}
