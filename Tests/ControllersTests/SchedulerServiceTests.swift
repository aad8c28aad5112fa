// The scheduler's shell over an API server in memory: what users see of pods that wait and pods that are placed.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Logging
import Scheduling
import Testing

@testable import Controllers

@Suite struct SchedulerServiceTests {
    static func quiet() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    /// A server with two domains' nodes, and a scheduler that runs while `body` does.
    private func withScheduler(_ api: InMemoryKubernetesAPI, _ body: () async throws -> Void) async throws {
        let informers = SharedInformers(api: api, logger: Self.quiet())
        let recorder = EventRecorder(api: api, component: "test", now: Fixture.clock(), logger: Self.quiet())
        let service = SchedulerService(
            api: api, binder: api, informers: informers, recorder: recorder, reportDelay: .zero,
            now: { Timestamp(unixSeconds: 0) }, logger: Self.quiet())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await informers.run() }
            group.addTask { await recorder.run() }
            group.addTask { try? await service.run() }
            do {
                try await body()
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
        }
    }

    private func cluster(cpu: String = "2") throws -> InMemoryKubernetesAPI {
        let api = InMemoryKubernetesAPI()
        for domain in ["alice", "bob"] {
            try api.put(Domain(metadata: ObjectMeta(name: domain)))
            try api.put(Fixture.node(domain, cpu: cpu))
        }
        return api
    }

    private func scheduled(_ api: InMemoryKubernetesAPI, _ namespace: String, _ name: String) throws -> String? {
        try api.object(Pod.self, namespace: namespace, name: name)?.spec.nodeName
    }

    @Test("the pods of a gang are bound together once all exist")
    func gang() async throws {
        let api = try cluster()
        try await withScheduler(api) {
            try api.put(Fixture.gangPod("alice", "psi", size: 2))
            try await eventually("alice's pod is told what it waits for") {
                try Fixture.unschedulable(api, "alice", "psi-0") == "pod group \"psi\" waits for its pods: 1 of 2 exist"
            }
            try api.put(Fixture.gangPod("bob", "psi", size: 2))
            try await eventually("both bound") {
                try scheduled(api, "alice", "psi-0") == "alice-1" && scheduled(api, "bob", "psi-0") == "bob-1"
            }
        }
        #expect(api.calls.filter { $0.verb == .bind }.count == 1)
    }

    @Test("of a gang that has no place, the pod that would fit has a reason of its own: it only waits for the other")
    func innocent() async throws {
        let api = try cluster(cpu: "1")
        try await withScheduler(api) {
            try api.put(Fixture.gangPod("alice", "psi", size: 2))
            try api.put(Fixture.gangPod("bob", "psi", size: 2, cpu: "2"))
            func reason(_ namespace: String) throws -> String? {
                try api.object(Pod.self, namespace: namespace, name: "psi-0")?.status.conditions
                    .first { $0.type == "PodScheduled" && $0.status == .false }?.reason
            }
            try await eventually("both told") {
                try reason("alice") == Kuscia.waitsForPodGroup && reason("bob") == "Unschedulable"
            }
        }
    }

    @Test("a pod without a place says why, in its condition and as an event, and goes when room comes")
    func explains() async throws {
        let api = try cluster(cpu: "1")
        try await withScheduler(api) {
            try api.put(Fixture.pod("alice", "big", cpu: "2"))
            try await eventually("explained") {
                try Fixture.unschedulable(api, "alice", "big")?.contains(
                    "1 Insufficient cpu (requested 2, largest free 1 on alice-1)")
                    ?? false
            }
            try await eventually("event recorded") { try api.objects(Event.self).contains { $0.reason == "FailedScheduling" } }
            try api.put(Fixture.node("alice", cpu: "4"))
            try await eventually("bound") { try scheduled(api, "alice", "big") == "alice-1" }
            try await eventually("event recorded") { try api.objects(Event.self).contains { $0.reason == "Scheduled" } }
        }
    }

    @Test("a refused binding is tried again, and a pod is never bound twice")
    func retries() async throws {
        let api = try cluster()
        api.failNext(3, verb: .bind, resource: Pod.resource)
        try await withScheduler(api) {
            try api.put(Fixture.pod("alice", "p", cpu: "1"))
            try await eventually("bound in the end") { try scheduled(api, "alice", "p") == "alice-1" }
        }
        #expect(api.calls.filter { $0.verb == .bind }.count == 4)
    }

    @Test("a scheduler that starts counts what runs already, and leaves other schedulers' pods alone")
    func restart() async throws {
        let api = try cluster()
        var running = Fixture.pod("alice", "running", cpu: "1500m")
        running.spec.nodeName = "alice-1"
        try api.put(running)
        var foreign = Fixture.pod("alice", "foreign", cpu: "1m")
        foreign.spec.schedulerName = "someone-else"
        try api.put(foreign)
        try api.put(Fixture.pod("alice", "second", cpu: "1"))
        try await withScheduler(api) {
            try await eventually("explained") { try Fixture.unschedulable(api, "alice", "second") != nil }
            running.status.phase = .succeeded
            try api.put(running)
            try await eventually("room of a finished pod is free") { try scheduled(api, "alice", "second") == "alice-1" }
        }
        #expect(try scheduled(api, "alice", "foreign") == nil)
    }

    @Test("a more important pod ends a lesser one, says where it will go, and is bound when the other is gone")
    func preemption() async throws {
        let api = try cluster(cpu: "1")
        var lesser = Fixture.pod("alice", "lesser", cpu: "800m")
        lesser.spec.nodeName = "alice-1"
        lesser.spec.priority = 1
        try api.put(lesser)
        try await withScheduler(api) {
            var greater = Fixture.pod("alice", "greater", cpu: "500m")
            greater.spec.priority = 9
            try api.put(greater)
            try await eventually("the victim is told why and ends") {
                let pod = try api.object(Pod.self, namespace: "alice", name: "lesser")
                return pod?.metadata.deletionTimestamp != nil
                    && pod?.status.conditions.contains { $0.type == "DisruptionTarget" && $0.reason == "PreemptionByScheduler" }
                        ?? false
            }
            #expect(try api.object(Pod.self, namespace: "alice", name: "greater")?.status.nominatedNodeName == "alice-1")
            #expect(try scheduled(api, "alice", "greater") == nil, "not before the other is gone")
            api.remove(Pod.resource, namespace: "alice", name: "lesser")
            try await eventually("bound") { try scheduled(api, "alice", "greater") == "alice-1" }
        }
    }

    @Test("pods that come together are bound in one commit; one that is refused does not hold up the others")
    func batches() async throws {
        let groups = (0..<600).map { [PodPlacement(pod: PodKey(namespace: "a", name: "p\($0)"), uid: "", node: "n")] }
        #expect(SchedulerService.batches(groups).map(\.count) == [256, 256, 88])
        let gang = Array(repeating: groups[0][0], count: 1000)
        #expect(SchedulerService.batches([groups[0], gang, groups[1]]).map { $0.map(\.count) } == [[1], [1000], [1]])
        let api = try cluster(cpu: "16")
        for index in 0..<5 { try api.put(Fixture.pod("alice", "p\(index)", cpu: "1")) }
        api.failNext(1, verb: .bind, resource: Pod.resource)
        try await withScheduler(api) {
            try await eventually("all are bound") { try (0..<5).allSatisfy { try scheduled(api, "alice", "p\($0)") != nil } }
        }
        // The commit of all of them, and each by itself.
        #expect(api.calls.filter { $0.verb == .bind }.count >= 5)
        let calm = try cluster(cpu: "16")
        for index in 0..<5 { try calm.put(Fixture.pod("alice", "p\(index)", cpu: "1")) }
        try await withScheduler(calm) {
            try await eventually("all are bound") { try (0..<5).allSatisfy { try scheduled(calm, "alice", "p\($0)") != nil } }
        }
        #expect(calm.calls.filter { $0.verb == .bind }.count == 1)
    }
}
