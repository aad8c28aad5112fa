// When a node counts as silent and its pods as lost.
import KubernetesClient
import KubernetesModel
import KusciaModel
import Testing

@testable import Controllers

@Suite("nodes that fall silent", .timeLimit(.minutes(1)))
struct NodeHealthTests {
    private func lease(_ seconds: Int64) -> MicroTimestamp { MicroTimestamp(testTime.adding(seconds: seconds)) }

    @Test("a node is silent when its lease has not changed for the grace period, and lost after the pods' tolerance")
    func silence() {
        var health = NodeHealth()
        func judge(_ renewed: Int64?, _ now: Int) -> [NodeHealth.Verdict] {
            health.judge(nodes: ["n"], leases: renewed.map { ["n": lease($0)] } ?? [:], now: .seconds(now))
        }
        #expect(judge(0, 0) == [])
        #expect(judge(0, 40) == [])
        #expect(judge(0, 41) == [.silent(node: "n")])
        #expect(judge(10, 42) == [], "it is back")
        #expect(judge(10, 83) == [.silent(node: "n")])
        #expect(judge(10, 382) == [.silent(node: "n")])
        #expect(judge(10, 383) == [.lost(node: "n"), .silent(node: "n")])
    }

    @Test("a node's clock and a master's absence do not matter: what counts is when this master saw a change")
    func clocks() {
        var health = NodeHealth()
        #expect(health.judge(nodes: ["n"], leases: ["n": lease(-86400)], now: .seconds(1000)) == [])
        #expect(health.judge(nodes: ["n"], leases: ["n": lease(-86390)], now: .seconds(1040)) == [])
        #expect(health.judge(nodes: ["n"], leases: ["n": lease(-86390)], now: .seconds(1080)) == [])
    }

    @Test("a node without lease falls silent too; one that was deleted is forgotten")
    func others() {
        var health = NodeHealth()
        #expect(health.judge(nodes: ["a", "b"], leases: [:], now: .zero) == [])
        #expect(health.judge(nodes: ["b"], leases: [:], now: .seconds(41)) == [.silent(node: "b")])
        #expect(health.judge(nodes: ["a", "b"], leases: ["b": lease(0)], now: .seconds(42)) == [], "a node of that name is new")
    }

    @Test("a silent node's Ready turns Unknown; its pods are failed as lost, but for those that had finished")
    func controller() async throws {
        let lab = try ControllerLab()
        try lab.api.put(
            Lease(metadata: ObjectMeta(name: "bob-node", namespace: "kube-node-lease"), spec: LeaseSpec(renewTime: lease(0))))
        for (name, phase) in [("runs", PodPhase.running), ("done", .succeeded)] {
            try lab.api.put(
                Pod(
                    metadata: ObjectMeta(name: name, namespace: "alice"), spec: PodSpec(nodeName: "alice-node"),
                    status: PodStatus(phase: phase)))
        }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let running = Task { await informers.run() }
        await informers.waitUntilSynced()
        let controller = NodeLifecycleController(api: lab.api, informers: informers, now: { testTime }, logger: lab.logger)
        var health = NodeHealth()
        await controller.check(&health, now: .zero)
        try await lab.api.patch(
            Lease.self, namespace: "kube-node-lease", name: "bob-node", merge: ["spec": ["renewTime": .string(lease(30).description)]])
        let (seen, tell) = AsyncStream.makeStream(of: Void.self)
        informers.leases.onEvent { event in
            if event.object.spec.renewTime == lease(30) { tell.yield() }
        }
        var iterator = seen.makeAsyncIterator()
        await iterator.next()
        await controller.check(&health, now: .seconds(41))
        func ready(_ name: String) throws -> ConditionStatus? {
            try lab.api.object(Node.self, name: name)?.status.conditions.first { $0.type == "Ready" }?.status
        }
        #expect(try ready("alice-node") == .unknown)
        #expect(try ready("bob-node") == .true)
        await controller.check(&health, now: .seconds(400))
        let pods = try lab.api.objects(Pod.self)
        #expect(pods.first { $0.metadata.name == "runs" }?.status.reason == "NodeLost")
        #expect(pods.first { $0.metadata.name == "runs" }?.status.phase == .failed)
        #expect(pods.first { $0.metadata.name == "done" }?.status.phase == .succeeded)
        running.cancel()
        await running.value
    }
}
