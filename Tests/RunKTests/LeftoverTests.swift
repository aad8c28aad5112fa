// What is made for a copy goes with it, whichever life of the agent made it and whenever its calls were done.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Testing

@testable import RunK

@Suite("RunK: leftovers", .timeLimit(.minutes(3)))
struct LeftoverTests {
    private func perform(refreshInterval: Duration = .seconds(3600), _ body: (TwoClusters) async throws -> Void) async throws {
        let lab = TwoClusters(refreshInterval: refreshInterval)
        do { try await body(lab) } catch {
            await lab.stop()
            throw error
        }
        await lab.stop()
    }

    /// What owns a copy's objects, of a pod that nobody knows.
    private func putAnchor(_ lab: TwoClusters) throws {
        try lab.cluster.put(
            ConfigMap(
                metadata: ObjectMeta(
                    name: "left-fields", namespace: TwoClusters.namespace,
                    labels: [ClusterMark.node: TwoClusters.node, ClusterMark.anchor: "true", ClusterMark.podUID: "uid-x"])))
    }

    private func anchors(_ lab: TwoClusters) throws -> [String] {
        try lab.cluster.objects(ConfigMap.self, namespace: TwoClusters.namespace)
            .filter { $0.metadata.labels[ClusterMark.anchor] == "true" }.map(\.metadata.name)
    }

    private func submit(_ lab: TwoClusters, _ name: String) throws {
        try lab.submit(name) { $0.spec.volumes = [Volume(name: "c", configMap: ConfigMapVolumeSource(name: "settings"))] }
    }

    @Test("a look for leftovers that fails is made again, in the same life")
    func failedLook() async throws {
        try await perform { lab in
            try putAnchor(lab)
            lab.cluster.failNext(3, verb: .list, resource: ConfigMap.resource, with: .transport("cut"))
            try await lab.start()
            try await lab.eventually("it is swept") { try anchors(lab).isEmpty }
        }
    }

    @Test("a former life's call that is done after its end is found by a later look")
    func lateCall() async throws {
        try await perform(refreshInterval: .milliseconds(50)) { lab in
            try await lab.start()
            try submit(lab, "a")
            try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["a": "b"]))
            _ = try await lab.waitForPhase("a", .running)
            try putAnchor(lab)
            try await lab.eventually("it is swept") { try !anchors(lab).contains("left-fields") }
            #expect(try anchors(lab).count == 1, "what belongs to a pod stays")
        }
    }

    @Test("what a life made for a copy that never came to be goes with the pod in the next one")
    func unfinished() async throws {
        try await perform { lab in
            try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["a": "b"]))
            lab.cluster.failNext(1_000_000, verb: .create, resource: Pod.resource, with: .transport("cut"))
            try await lab.start()
            try submit(lab, "a")
            try await lab.eventually("its objects are there") { try anchors(lab).count == 1 }
            await lab.kill()
            try await lab.delete("a")
            // The look at a life's begin finds nothing amiss: the pod is still known.
            try await lab.start()
            try await lab.eventually("pod and objects are gone") { try lab.pod("a") == nil && anchors(lab).isEmpty }
        }
    }

    @Test("a cluster that is away holds up no deletion of a pod that never came there")
    func away() async throws {
        try await perform { lab in
            try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["a": "b"]))
            for verb in [RecordedCall.Verb.create, .delete] {
                for resource in [Pod.resource, ConfigMap.resource] {
                    lab.cluster.failNext(1_000_000, verb: verb, resource: resource, with: .transport("away"))
                }
            }
            try await lab.start()
            try submit(lab, "a")
            try await lab.eventually("its making was tried") {
                lab.cluster.calls.contains { $0.verb == .create && $0.resource == ConfigMap.resource }
            }
            try await lab.delete("a")
            try await lab.eventually("the pod is gone") { try lab.pod("a") == nil }
        }
    }

    @Test("objects that are compared with their originals while their pods go leave nothing, in the cluster or in memory")
    func refreshedWhileGoing() async throws {
        try await perform(refreshInterval: .milliseconds(5)) { lab in
            try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["a": "b"]))
            try await lab.start()
            let names = (0..<10).map { "p\($0)" }
            for name in names { try submit(lab, name) }
            for name in names { _ = try await lab.waitForPhase(name, .running) }
            for name in names { try await lab.delete(name, grace: 0) }
            try await lab.eventually("all is gone") {
                try lab.home.objects(Pod.self).isEmpty && lab.copies().isEmpty && anchors(lab).isEmpty
            }
            let deadline = ContinuousClock.now + .seconds(60)
            while try await !lab.pods.mirrors.isEmpty, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))  // between two looks, within the deadline
            }
            #expect(try await lab.pods.mirrors.isEmpty)
        }
    }

    // MARK: Copies that the watch does not show

    /// While it is set, RunK sees nothing of the cluster's pods; what it asks for by name it gets.
    private func blind(_ lab: TwoClusters, _ isBlind: Bool) {
        lab.cluster.setHook { call in
            let isOurs = call.namespace == TwoClusters.namespace && call.resource == Pod.resource
            if isBlind, isOurs, call.verb == .list || call.verb == .watch { throw KubernetesAPIError.transport("blind") }
        }
        if isBlind { lab.cluster.dropWatches(.transport("blind")) }
    }

    @Test("a copy that came, ended and was released while the watch was away lets its pod go")
    func releasedUnseen() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("before", "run")
            _ = try await lab.waitForPhase("before", .running)
            blind(lab, true)
            try lab.submit("a", "exit 3")
            try await lab.eventually("its copy has ended") { try lab.copies(of: "a").first?.status.phase == .failed }
            try await lab.delete("a")
            try await lab.eventually("its copy was released") { try lab.copies(of: "a").isEmpty }
            blind(lab, false)
            try await lab.eventually("the pod is gone") { try lab.pod("a") == nil }
            #expect(lab.kubelet.starts("uid-a") == 1)
        }
    }

    @Test("a copy that was taken away before the watch showed it is a pod lost, and not made again")
    func lostUnseen() async throws {
        try await perform(refreshInterval: .milliseconds(50)) { lab in
            try await lab.start()
            try lab.submit("before", "run")
            _ = try await lab.waitForPhase("before", .running)
            blind(lab, true)
            try lab.submit("a", "run")
            try await lab.eventually("its copy runs") { try lab.copies(of: "a").first?.status.phase == .running }
            let copy = try #require(try lab.copies(of: "a").first)
            lab.cluster.remove(Pod.resource, namespace: TwoClusters.namespace, name: copy.metadata.name)
            blind(lab, false)
            let pod = try await lab.waitForPhase("a", .failed)
            #expect(pod.status.reason == "ClusterPodLost" && lab.kubelet.starts("uid-a") == 1)
        }
    }
}
