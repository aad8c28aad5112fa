// The scheduler's shell over an API server in memory: what users see of pods that wait and pods that are placed.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Logging
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
}
