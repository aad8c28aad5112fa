// A pod's life in the cluster, and what happens to it when agents die, servers fail and people delete things.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Testing

@testable import RunK

@Suite("RunK: pods", .timeLimit(.minutes(3)))
struct ClusterPodsTests {
    private func perform(
        seed: UInt64 = 1, rate: Double = 0, configure: (inout RunKConfiguration) -> Void = { _ in },
        _ body: (TwoClusters) async throws -> Void
    ) async throws {
        let lab = TwoClusters(seed: seed, rate: rate, configure: configure)
        do { try await body(lab) } catch {
            await lab.stop()
            throw error
        }
        await lab.stop()
    }

    @Test("a pod runs in the cluster, its end comes back with its code, and its copy stays for the log until the pod goes")
    func life() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("a", "exit 3")
            let pod = try await lab.waitForPhase("a", .failed)
            #expect(pod.status.containerStatuses.first?.state.terminated?.exitCode == 3 && lab.kubelet.starts("uid-a") == 1)
            #expect(pod.status.podIP == "10.2.0.9" && !pod.status.conditions.contains { $0.type == "PodScheduled" })
            let copy = try #require(try lab.copies().first)
            #expect(pod.metadata.annotations[ClusterMark.copyUID] == copy.metadata.uid)
            #expect(copy.metadata.finalizers == [ClusterMark.finalizer])
            try await lab.delete("a")
            try await lab.eventually("pod and copy are gone") { try lab.pod("a") == nil && lab.copies().isEmpty }
        }
    }

    @Test("a deletion gives its grace to the cluster, a shorter one overtakes, and the pod goes after its copy has ended")
    func deletion() async throws {
        try await perform { lab in
            try await lab.start()
            let submitted = try lab.submit("a", "stubborn") { $0.metadata.finalizers = ["test/keep"] }
            _ = try await lab.waitForPhase("a", .running)
            try await lab.delete("a", grace: 20)
            try await lab.eventually("the cluster was asked") { lab.kubelet.graces("uid-a").contains(20) }
            #expect(try lab.pod("a")?.status.phase == .running && lab.copies().count == 1)
            try await lab.delete("a", grace: 0)
            try await lab.eventually("the copy is gone") { try lab.copies().isEmpty }
            #expect(lab.kubelet.graces("uid-a").contains(0) && lab.kubelet.running == 0)
            #expect(
                try lab.pod("a")?.status.phase == .failed,
                "its end is known as long as somebody keeps the object: \(submitted.metadata.name)")
        }
    }

    @Test("a pod that was deleted before it came to the cluster is never made there")
    func deletedBefore() async throws {
        try await perform { lab in
            try lab.submit("a")
            try await lab.delete("a", grace: 5)
            try await lab.start()
            try await lab.eventually("the pod is gone") { try lab.pod("a") == nil }
            #expect(lab.kubelet.starts("uid-a") == 0)
        }
    }

    @Test("an agent that died at any point finds its pods again: none is begun twice")
    func restart() async throws {
        try await perform { lab in
            for number in 0..<6 {
                try lab.submit("p\(number)")
                try await lab.start()
                try await Task.sleep(for: .milliseconds(number * 7))  // a different moment of the pod's life each time
                await lab.kill()
            }
            try await lab.start()
            for number in 0..<6 { _ = try await lab.waitForPhase("p\(number)", .running) }
            for number in 0..<6 { #expect(lab.kubelet.starts("uid-p\(number)") == 1) }
            #expect(try lab.copies().count == 6)
        }
    }

    @Test("an end that nobody saw is told by the next life; what nobody wants any more ends")
    func absence() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("ends")
            try lab.submit("goes")
            _ = try await lab.waitForPhase("ends", .running)
            _ = try await lab.waitForPhase("goes", .running)
            await lab.kill()
            let copy = try #require(try lab.copies(of: "ends").first)
            try await lab.kubelet.finish(copy, code: 0)
            lab.home.remove(Pod.resource, namespace: "alice", name: "goes")
            try await lab.start()
            _ = try await lab.waitForPhase("ends", .succeeded)
            try await lab.eventually("the orphan is gone") { try lab.copies(of: "goes").isEmpty }
            #expect(lab.kubelet.starts("uid-ends") == 1 && lab.kubelet.graces("uid-goes").contains(5))
        }
    }

    @Test("a copy that somebody deletes in the cluster ends with its pod told, and is not made again")
    func deletedThere() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("a")
            _ = try await lab.waitForPhase("a", .running)
            let copy = try #require(try lab.copies().first)
            try await lab.cluster.delete(Pod.self, namespace: TwoClusters.namespace, name: copy.metadata.name)
            let pod = try await lab.waitForPhase("a", .failed)
            #expect(pod.status.containerStatuses.first?.state.terminated?.exitCode == 143)
            try await lab.eventually("the cluster has let it go") { try lab.copies().isEmpty }
            #expect(lab.kubelet.starts("uid-a") == 1)
        }
    }

    @Test("a copy that is taken away whole is a pod lost, said so, and not made again", arguments: [false, true])
    func lost(whileAway: Bool) async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("a")
            _ = try await lab.waitForPhase("a", .running)
            if whileAway { await lab.kill() }
            let copy = try #require(try lab.copies().first)
            lab.cluster.remove(Pod.resource, namespace: TwoClusters.namespace, name: copy.metadata.name)
            if whileAway { try await lab.start() }
            let pod = try await lab.waitForPhase("a", .failed)
            #expect(pod.status.reason == "ClusterPodLost")
            #expect(pod.status.containerStatuses.first?.state.terminated?.reason == "ContainerStatusUnknown")
            #expect(lab.kubelet.starts("uid-a") == 1)
        }
    }

    @Test("what the cluster will never take fails with exit code 125 and the cluster's words")
    func denied() async throws {
        try await perform { lab in
            try await lab.start()
            let words = "admission webhook \"policy\" denied the request: no team label"
            lab.cluster.failNext(
                verb: .create, resource: Pod.resource,
                with: .status(APIStatus(status: "Failure", message: words, reason: "Forbidden", code: 403)))
            try lab.submit("a")
            let pod = try await lab.waitForPhase("a", .failed)
            #expect(pod.status.reason == "AdmissionDenied" && pod.status.message == words)
            #expect(pod.status.containerStatuses.first?.state.terminated?.exitCode == 125)
            try await lab.delete("a")
            try await lab.eventually("it goes") { try lab.pod("a") == nil }
        }
    }

    @Test("a used-up quota is said, and waited for")
    func quota() async throws {
        try await perform { lab in
            try await lab.start()
            lab.cluster.failNext(
                .max, verb: .create, resource: Pod.resource,
                with: .status(APIStatus(status: "Failure", message: "exceeded quota: team", reason: "Forbidden", code: 403)))
            try lab.submit("a", "exit 0")
            try await lab.eventually("it says why it waits") { try lab.pod("a")?.status.reason == "QuotaExceeded" }
            lab.cluster.failNoMore()
            let pod = try await lab.waitForPhase("a", .succeeded)
            #expect(pod.status.reason == nil)
        }
    }

    @Test("a pod that no node of the cluster takes says so where its own scheduling is long done")
    func unschedulable() async throws {
        try await perform { lab in
            lab.kubelet.hold()
            try await lab.start()
            try lab.submit("a")
            try await lab.eventually("its copy is there") { try lab.copies().count == 1 }
            let copy = try #require(try lab.copies().first)
            try await lab.cluster.patchStatus(
                Pod.self, namespace: TwoClusters.namespace, name: copy.metadata.name,
                merge: [
                    "status": [
                        "phase": "Pending",
                        "conditions": [
                            ["type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"]
                        ],
                    ]
                ])
            try await lab.eventually("the reason is shown") { try lab.pod("a")?.status.message == "in the cluster: 0/3 nodes" }
            #expect(try lab.pod("a")?.status.containerStatuses.first?.state.waiting?.reason == "Unschedulable")
        }
    }

    @Test("ConfigMaps and Secrets are there before the pod, belong to it, and are waited for when they are missing")
    func objects() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("a") { pod in
                pod.spec.volumes = [Volume(name: "c", configMap: ConfigMapVolumeSource(name: "settings"))]
                pod.spec.containers[0].envFrom = [EnvFromSource(secretRef: EnvSourceReference(name: "key"))]
            }
            try await lab.eventually("it says what it waits for") { try lab.pod("a")?.status.reason == "FailedMount" }
            #expect(try lab.copies().isEmpty)
            try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["a": "b"]))
            try lab.home.put(Secret(metadata: ObjectMeta(name: "key", namespace: "alice"), data: ["k": "djE="]))
            _ = try await lab.waitForPhase("a", .running)
            let copy = try #require(try lab.copies().first).metadata.name
            let settings = try #require(
                try lab.cluster.object(ConfigMap.self, namespace: TwoClusters.namespace, name: "\(copy).settings"))
            #expect(settings.data == ["a": "b"] && settings.metadata.ownerReferences.first?.name == "\(copy)-fields")
            #expect(
                try lab.cluster.object(Secret.self, namespace: TwoClusters.namespace, name: "\(copy).key")?.data == ["k": "djE="])
            try await lab.delete("a")
            try await lab.eventually("the owner of all is gone") {
                try lab.copies().isEmpty
                    && lab.cluster.object(ConfigMap.self, namespace: TwoClusters.namespace, name: "\(copy)-fields") == nil
            }
        }
    }

    @Test("templates are filled in before they go, with the pod's own values over its environment")
    func templates() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.home.put(
                ConfigMap(
                    metadata: ObjectMeta(name: "t", namespace: "alice"),
                    data: ["c.json": #"{"id":"{{.TASK_ID}}","w":"{{.WORD}}"}"#]))
            try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "v", namespace: "alice"), data: ["TASK_ID": "t-1"]))
            try lab.submit("a") { pod in
                pod.metadata.annotations = [
                    "kuscia.secretflow/config-template-volumes": "c", "kuscia.secretflow/config-template-value-cm-name": "v",
                ]
                pod.spec.volumes = [Volume(name: "c", configMap: ConfigMapVolumeSource(name: "t"))]
                pod.spec.containers[0].env = [EnvVar(name: "WORD", value: "x"), EnvVar(name: "TASK_ID", value: "no")]
            }
            let copy = try #require(
                (try await lab.waitForPhase("a", .running)).metadata.annotations[ClusterMark.copyName]?.split(separator: "/").last
            )
            let rendered = try lab.cluster.object(ConfigMap.self, namespace: TwoClusters.namespace, name: "\(copy).t.rendered")
            #expect(rendered?.data == ["c.json": #"{"id":"t-1","w":"x"}"#])
            #expect(try lab.copies().first?.spec.volumes.first?.configMap?.name == "\(copy).t.rendered")
        }
    }

    @Test("pods of one name in two domains, and one pod after another under the same name, have copies of their own")
    func collisions() async throws {
        try await perform { lab in
            try await lab.start()
            try lab.submit("a")
            try lab.submit("a") { pod in
                pod.metadata.namespace = "bob"
                pod.metadata.uid = "uid-b"
            }
            try await lab.eventually("both run") { lab.kubelet.starts("uid-a") == 1 && lab.kubelet.starts("uid-b") == 1 }
            lab.home.remove(Pod.resource, namespace: "alice", name: "a")
            try lab.submit("a") { $0.metadata.uid = "uid-c" }
            try await lab.eventually("the new one runs, the old one is gone") {
                try lab.kubelet.starts("uid-c") == 1 && lab.copies().count == 2
            }
        }
    }

    @Test("objects that a life left behind before it made their pod are swept when the pod is gone")
    func sweep() async throws {
        try await perform { lab in
            try lab.cluster.put(
                ConfigMap(
                    metadata: ObjectMeta(
                        name: "left-fields", namespace: TwoClusters.namespace,
                        labels: [ClusterMark.node: TwoClusters.node, ClusterMark.anchor: "true", ClusterMark.podUID: "uid-x"])))
            try await lab.start()
            try await lab.eventually("it is swept") {
                try lab.cluster.object(ConfigMap.self, namespace: TwoClusters.namespace, name: "left-fields") == nil
            }
        }
    }
}
