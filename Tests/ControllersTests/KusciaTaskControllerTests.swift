// Two tasks whose names lead to the same objects, and what stands in a task's way.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Testing

@Suite("tasks and the names of their objects", .timeLimit(.minutes(1)))
struct KusciaTaskControllerTests {
    private func task(_ name: String, role: String? = nil, input: String) -> KusciaTask {
        KusciaTask(
            metadata: ObjectMeta(name: name, namespace: "cross-domain"),
            spec: KusciaTaskSpec(
                initiator: "alice", taskInputConfig: input,
                parties: [KusciaTaskParty(domainID: "alice", appImageRef: "psi-image", role: role)]))
    }

    /// `colt` in role `x` and `colt-x` without one: both would make colt-x-0 and colt-x-configtemplate.
    @Test("a task never takes the objects of another one that is there: it fails and names the owner and the object")
    func overlap() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.api.create(task("colt", role: "x", input: "first"))
            let first = try await lab.pods(of: "colt", count: 1)
            #expect(first.map(\.namespacedName) == ["alice/colt-x-0"])
            try await lab.api.create(task("colt-x", input: "second"))
            let tasks = try await lab.wait("the second fails", KusciaTask.self) {
                $0.contains { $0.metadata.name == "colt-x" && $0.status.phase == .failed }
            }
            let second = try #require(tasks.first { $0.metadata.name == "colt-x" })
            #expect(second.status.reason == "NameTaken")
            let words = #"ConfigMap alice/colt-x-configtemplate belongs to KusciaTask "colt""#
            #expect(second.status.message?.contains(words) == true)
            let values = try #require(try lab.api.object(ConfigMap.self, namespace: "alice", name: "colt-x-0-kuscia-gen-conf"))
            #expect(values.data["TASK_INPUT_CONFIG"] == "first")
            #expect(try lab.api.objects(Pod.self).map(\.metadata.uid) == first.map(\.metadata.uid))
        }
    }

    @Test("a pod of another task is not taken either, where the config maps were free")
    func overlapOfPods() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            let other = try await lab.api.create(task("colt", role: "x", input: "first"))
            try await lab.pods(of: "colt", count: 1)
            for map in try lab.api.objects(ConfigMap.self) {
                try await lab.api.delete(ConfigMap.self, namespace: map.metadata.namespace, name: map.metadata.name)
            }
            for service in try lab.api.objects(Service.self) {
                try await lab.api.delete(Service.self, namespace: service.metadata.namespace, name: service.metadata.name)
            }
            try await lab.api.create(task("colt-x", input: "second"))
            let tasks = try await lab.wait("the second fails", KusciaTask.self) {
                $0.contains { $0.metadata.name == "colt-x" && $0.status.phase == .failed }
            }
            let second = try #require(tasks.first { $0.metadata.name == "colt-x" })
            #expect(second.status.message?.contains(#"Pod alice/colt-x-0 belongs to KusciaTask "colt""#) == true)
            #expect(try lab.api.objects(Pod.self).map { $0.metadata.ownerReferences.map(\.uid) } == [[other.metadata.uid]])
        }
    }

    @Test("what stands in a task's way is told in its status while it waits, and no more when it has gone")
    func inTheWay() async throws {
        let lab = try ControllerLab()
        try lab.api.put(Service(metadata: ObjectMeta(name: "free-0-spu", namespace: "alice")))
        try await lab.master {
            try await lab.api.create(task("free", input: ""))
            try await lab.wait("the obstacle", KusciaTask.self) {
                $0.first?.status.message == "Service alice/free-0-spu is in the way: it belongs to no task"
            }
            try await lab.api.delete(Service.self, namespace: "alice", name: "free-0-spu")
            try await lab.pods(of: "free", count: 1)
            try await lab.wait("no obstacle", KusciaTask.self) { $0.first?.status.message == nil }
        }
    }
}
