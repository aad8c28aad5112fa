// What belongs to nobody goes; what belongs to somebody stays.
import KubernetesClient
import KubernetesModel
import KusciaModel
import Testing

@Suite("GarbageCollector", .timeLimit(.minutes(1)))
struct GarbageCollectorTests {
    @Test("deleting a job removes its tasks, pods, config maps and services, and nobody else's")
    func cascade() async throws {
        let lab = try ControllerLab()
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "users-own", namespace: "alice")))
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.submit("other", ["a": []])
            try await lab.start("job-a")
            try await lab.end("bob", "job-a-0", code: 0)
            let other = try await lab.pods(of: "other-a")
            try await lab.api.delete(KusciaJob.self, namespace: "cross-domain", name: "job")
            // The pod that runs gets its grace; its agent says when it is over.
            try await lab.confirmStop("alice", "job-a-0")
            try await lab.wait("pods gone", Pod.self) { Set($0.map(\.metadata.uid)) == Set(other.map(\.metadata.uid)) }
            try await lab.wait("tasks gone", KusciaTask.self) { $0.map(\.metadata.name) == ["other-a"] }
            try await lab.wait("services gone", Service.self) {
                $0.allSatisfy { $0.metadata.labels[KusciaLabel.taskID] == "other-a" }
            }
            try await lab.wait("config maps gone", ConfigMap.self) {
                $0.allSatisfy { $0.metadata.name == "users-own" || $0.metadata.labels[KusciaLabel.taskID] == "other-a" }
            }
            #expect(try lab.api.object(ConfigMap.self, namespace: "alice", name: "users-own") != nil)
        }
    }

    @Test("what was deleted while no master ran is collected when the next one starts")
    func orphansAtStart() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.pods(of: "job-a")
        }
        try await lab.api.delete(KusciaJob.self, namespace: "cross-domain", name: "job")
        try await lab.master {
            try await lab.wait("tasks gone", KusciaTask.self) { $0.isEmpty }
            try await lab.wait("pods gone", Pod.self) { $0.isEmpty }
            try await lab.wait("config maps gone", ConfigMap.self) { $0.isEmpty }
            try await lab.wait("services gone", Service.self) { $0.isEmpty }
        }
    }

    @Test("an object with an owner of a kind that is not followed stays")
    func foreignOwner() async throws {
        let lab = try ControllerLab()
        let owner = OwnerReference(apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "u")
        let gone = OwnerReference(apiVersion: "kuscia.secretflow/v1alpha1", kind: "KusciaTask", name: "gone", uid: "v")
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "stays", namespace: "alice", ownerReferences: [owner])))
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "goes", namespace: "alice", ownerReferences: [gone])))
        try await lab.master {
            try await lab.wait("one gone", ConfigMap.self) { $0.map(\.metadata.name) == ["stays"] }
        }
    }
}
