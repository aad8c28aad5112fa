// All controllers together over an API server in memory; the test plays the agents.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Logging
import Testing

@testable import Controllers

@Suite struct ControllerManagerTests {
    private func withControllers(_ api: InMemoryKubernetesAPI, _ body: () async throws -> Void) async throws {
        let manager = ControllerManager(
            api: api, now: Fixture.clock(), firstPort: 20_000, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await manager.run() }
            defer { group.cancelAll() }
            try await body()
        }
    }

    private func phase(_ api: InMemoryKubernetesAPI, job: String) throws -> KusciaJobPhase? {
        try api.object(KusciaJob.self, namespace: Kuscia.crossDomainNamespace, name: job)?.status.phase
    }

    private func task(_ api: InMemoryKubernetesAPI, _ name: String) throws -> KusciaTask? {
        try api.object(KusciaTask.self, namespace: Kuscia.crossDomainNamespace, name: name)
    }

    private func bound(_ api: InMemoryKubernetesAPI, _ name: String) throws -> Bool {
        try ["alice", "bob"].allSatisfy { (domain: String) in
            try api.object(Pod.self, namespace: domain, name: name)?.spec.nodeName == "\(domain)-1"
        }
    }

    /// Waits until both parties' pods are placed, and starts them.
    private func startPods(_ api: InMemoryKubernetesAPI, of task: String) async throws {
        try await eventually("pods of \(task) are bound") { try bound(api, "\(task)-0") }
        for domain in ["alice", "bob"] { try Fixture.start(api, domain, "\(task)-0") }
        try await eventually("\(task) runs") { try self.task(api, task)?.status.phase == .running }
    }

    @Test("a job of two tasks runs to Succeeded, the second only after the first")
    func twoTasks() async throws {
        let api = try Fixture.cluster()
        try await withControllers(api) {
            try await api.create(try Fixture.job("j", tasks: ["one", "two"]))
            try await startPods(api, of: "j-one")
            #expect(try task(api, "j-two") == nil)
            try await eventually("hosts published") {
                try api.object(ConfigMap.self, namespace: "bob", name: "j-one-hosts")?.data["hosts"]?.contains("127.0.0.2")
                    ?? false
            }
            for domain in ["alice", "bob"] { try Fixture.finish(api, domain, "j-one-0") }
            try await startPods(api, of: "j-two")
            for domain in ["alice", "bob"] { try Fixture.finish(api, domain, "j-two-0") }
            try await eventually("job succeeded") { try phase(api, job: "j") == .succeeded }
        }
        let pods = try api.objects(Pod.self)
        #expect(pods.map(\.metadata.name).sorted() == ["j-one-0", "j-one-0", "j-two-0", "j-two-0"])
    }

    @Test("a party's failure stops the other, and the job names party, pod and cause")
    func failure() async throws {
        let api = try Fixture.cluster()
        try await withControllers(api) {
            try await api.create(try Fixture.job("j", tasks: ["one", "two"]))
            try await startPods(api, of: "j-one")
            try Fixture.finish(api, "alice", "j-one-0", exitCode: 137, reason: "OOMKilled")
            try await eventually("job failed") { try phase(api, job: "j") == .failed }
            try await eventually("the survivor is told to go") {
                let pod = try api.object(Pod.self, namespace: "bob", name: "j-one-0")
                return pod == nil || pod?.metadata.deletionTimestamp != nil
            }
        }
        let job = try #require(try api.object(KusciaJob.self, namespace: Kuscia.crossDomainNamespace, name: "j"))
        let message = try #require(job.status.message)
        for part in ["alice", "j-one-0", "OOMKilled", "64Mi"] { #expect(message.contains(part), "\(message)") }
        #expect(try task(api, "j-two") == nil)
    }

    @Test("controllers that start again in the middle of a job go on and make nothing twice")
    func restart() async throws {
        let api = try Fixture.cluster()
        var ports: [PartyAllocatedPorts] = []
        var uids: [String?] = []
        try await withControllers(api) {
            try await api.create(try Fixture.job("j", tasks: ["one", "two"]))
            try await startPods(api, of: "j-one")
            ports = try #require(try task(api, "j-one")).status.allocatedPorts
            uids = try api.objects(Pod.self).map(\.metadata.uid)
        }
        try await withControllers(api) {
            try await api.create(try Fixture.job("other", tasks: ["one"]))
            try await startPods(api, of: "other-one")
            #expect(try api.objects(Pod.self).map(\.metadata.uid).filter(uids.contains).count == 2)
            #expect(try task(api, "j-one")?.status.allocatedPorts == ports)
            let mine = Set(ports.flatMap(\.namedPort.values))
            let theirs = try #require(try task(api, "other-one")).status.allocatedPorts.flatMap(\.namedPort.values)
            #expect(mine.isDisjoint(with: theirs), "ports in use are not given out again")
            for domain in ["alice", "bob"] { try Fixture.finish(api, domain, "j-one-0") }
            try await startPods(api, of: "j-two")
            for domain in ["alice", "bob"] { try Fixture.finish(api, domain, "j-two-0") }
            try await eventually("job succeeded") { try phase(api, job: "j") == .succeeded }
        }
        let created = api.calls.filter { $0.verb == .create && $0.resource == Pod.resource }
        #expect(created.count == 6, "two pods for each of three tasks")
    }

    @Test("a deleted job takes its tasks, pods, config maps and services with it")
    func deletion() async throws {
        let api = try Fixture.cluster()
        try await withControllers(api) {
            try await api.create(try Fixture.job("j", tasks: ["one"]))
            try await startPods(api, of: "j-one")
            try await api.delete(KusciaJob.self, namespace: Kuscia.crossDomainNamespace, name: "j")
            try await eventually("running pods are told to go") {
                try api.objects(Pod.self).allSatisfy { $0.metadata.deletionTimestamp != nil }
            }
            // The agents stop them and remove them.
            for domain in ["alice", "bob"] { api.remove(Pod.resource, namespace: domain, name: "j-one-0") }
            try await eventually("all gone") {
                try api.objects(KusciaTask.self).isEmpty && api.objects(Pod.self).isEmpty && api.objects(ConfigMap.self).isEmpty
                    && api.objects(Service.self).isEmpty
            }
        }
    }

    @Test("a job that asks for more than any node has says so while it waits")
    func tooLarge() async throws {
        let api = try Fixture.cluster()
        try await withControllers(api) {
            try await api.create(try Fixture.job("j", tasks: ["one"], memory: "64Gi"))
            try await eventually("explained in the task") {
                try task(api, "j-one")?.status.message?.contains("Insufficient memory (requested 64Gi, largest free 8Gi on")
                    ?? false
            }
        }
    }

    @Test("each domain has a namespace and one unused deploy token")
    func domains() async throws {
        let api = try Fixture.cluster()
        try await withControllers(api) {
            try await eventually("tokens") {
                try api.objects(Domain.self).allSatisfy { domain in
                    domain.status.deployTokenStatuses.count {
                        $0.state == "unused" && $0.token.count == DomainController.tokenLength
                    } == 1
                }
            }
            try await eventually("namespaces") {
                try Set(api.objects(Namespace.self).map(\.metadata.name)).isSuperset(of: ["alice", "bob"])
            }
        }
    }

    @Test("failing calls are tried again until the job is done")
    func flakyServer() async throws {
        let api = try Fixture.cluster()
        for verb in [RecordedCall.Verb.create, .patch, .bind, .list, .watch] { api.failNext(3, verb: verb) }
        try await withControllers(api) {
            try api.put(try Fixture.job("j", tasks: ["one"]))
            try await startPods(api, of: "j-one")
            for domain in ["alice", "bob"] { try Fixture.finish(api, domain, "j-one-0") }
            try await eventually("job succeeded") { try phase(api, job: "j") == .succeeded }
        }
    }
}
