// What follows a pod that runs in the cluster: its labels to the copy, the copy's use to the node, the cluster's state to the node.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import RuntimeInterface
import Testing

@testable import RunK

@Suite("RunK: what follows", .timeLimit(.minutes(5)))
struct FollowTests {
    private func perform(configure: (inout RunKConfiguration) -> Void = { _ in }, _ body: (TwoClusters) async throws -> Void)
        async throws
    {
        let lab = TwoClusters(configure: configure)
        do { try await body(lab) } catch {
            await lab.stop()
            throw error
        }
        await lab.stop()
    }

    private func running(_ lab: TwoClusters) async throws {
        try lab.submit("a") { pod in
            pod.metadata.labels = ["app": "psi", "stage": "one", "kuscia.secretflow/task-id": "t"]
            pod.metadata.annotations = ["note": "first"]
        }
        _ = try await lab.waitForPhase("a", .running)
    }

    private func change(_ lab: TwoClusters, _ metadata: JSONValue) async throws {
        try await lab.home.patch(Pod.self, namespace: "alice", name: "a", merge: ["metadata": metadata])
    }

    @Test(
        "labels and annotations that change on a running pod reach its copy; the cluster's own and ours stay",
        arguments: [false, true])
    func metadata(whileAway: Bool) async throws {
        try await perform(configure: { $0.labelsToAdd = ["team": "alice"] }) { lab in
            try await lab.start()
            try await running(lab)
            let copy = try #require(try lab.copies().first)
            try await lab.cluster.patch(
                Pod.self, namespace: TwoClusters.namespace, name: copy.metadata.name,
                merge: ["metadata": ["labels": ["theirs": "x"]]])
            if whileAway { await lab.kill() }
            try await change(
                lab, ["labels": ["stage": "two", "app": .null, "new": "y"], "annotations": ["note": .null, "more": "z"]])
            if whileAway { try await lab.start() }
            try await lab.eventually("they follow") { try lab.copies().first?.metadata.labels["stage"] == "two" }
            let metadata = try #require(try lab.copies().first).metadata
            #expect(
                metadata.labels["app"] == nil && metadata.labels["new"] == "y" && metadata.labels["theirs"] == "x"
                    && metadata.labels["team"] == "alice")
            #expect(metadata.labels[ClusterMark.podUID] == "uid-a" && metadata.labels[ClusterMark.node] == TwoClusters.node)
            #expect(metadata.labels["kuscia.secretflow/task-id"] == nil)
            #expect(
                metadata.annotations["note"] == nil && metadata.annotations["more"] == "z"
                    && metadata.annotations[ClusterMark.podName] == "a")
            #expect(lab.kubelet.starts("uid-a") == 1)
        }
    }

    @Test("a label that the cluster changes back is not fought over; one that it refuses is said, and the pod runs on")
    func refused() async throws {
        try await perform { lab in
            try await lab.start()
            try await running(lab)
            let words = "admission webhook \"policy\" denied the request: no such stage"
            lab.cluster.failNext(
                verb: .patch, resource: Pod.resource,
                with: .status(APIStatus(status: "Failure", message: words, reason: "Forbidden", code: 403)))
            try await change(lab, ["labels": ["stage": "two"]])
            try await lab.eventually("it is told") {
                try lab.home.objects(Event.self).contains { $0.reason == "FailedUpdate" && $0.message?.contains(words) == true }
            }
            try await change(lab, ["labels": ["stage": "three"]])
            try await lab.eventually("the next change goes through") {
                try lab.copies().first?.metadata.labels["stage"] == "three"
            }
            let name = try #require(try lab.copies().first).metadata.name
            try await lab.cluster.patch(
                Pod.self, namespace: TwoClusters.namespace, name: name, merge: ["metadata": ["labels": ["stage": "theirs"]]])
            // A change that RunK shows on its own pod: with it, it has seen the label too.
            try await lab.cluster.patch(
                Pod.self, namespace: TwoClusters.namespace, name: name, subresource: "status", merge: ["status": ["message": "seen"]])
            try await lab.eventually("it has seen the label") { try lab.pod("a")?.status.message == "seen" }
            #expect(try lab.copies().first?.metadata.labels["stage"] == "theirs")
            try await change(lab, ["annotations": ["unrelated": "x"]])
            try await lab.eventually("something else follows") {
                try lab.copies().first?.metadata.annotations["unrelated"] == "x"
            }
            #expect(try lab.pod("a")?.status.phase == .running)
        }
    }

    @Test("what the cluster measures of copies is what their pods use; hostile figures do no harm")
    func use() async throws {
        try await perform { lab in
            try await lab.start()
            try await running(lab)
            let name = try #require(try lab.copies().first).metadata.name
            let usage: JSONValue = [
                "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "timestamp": "2026-01-01T00:01:00Z",
                "window": "15s",
                "metadata": [
                    "name": .string(name), "namespace": .string(TwoClusters.namespace),
                    "labels": [ClusterMark.node: .string(TwoClusters.node)],
                ],
                "containers": [
                    ["name": "main", "usage": ["cpu": "1234567n", "memory": "20Mi"]],
                    ["name": "side", "usage": ["cpu": "9223372036854775807", "memory": "9223372036854775807"]],
                ],
            ]
            let metrics = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods")
            _ = try await lab.cluster.create(
                metrics, namespace: TwoClusters.namespace, name: nil, subresource: nil, body: usage.serialized())
            let stats = await (try lab.pods).podStats()
            let pod = try #require(stats.first)
            #expect(pod.uid == "uid-a" && pod.namespace == "alice" && pod.name == "a" && pod.measuredAt == 1_767_225_660)
            #expect(pod.containers.first == .init(name: "main", cpuNanoCores: 1_234_567, workingSetBytes: 20 << 20))
            #expect(pod.containers.reduce(0) { $0 + $1.workingSetBytes } > 0, "their sum is a number")
            let calls = lab.cluster.calls.count { $0.resource == metrics && $0.verb == .list }
            _ = await (try lab.pods).podStats()
            #expect(
                lab.cluster.calls.count { $0.resource == metrics && $0.verb == .list } == calls,
                "asked again at once, the cluster is not")
        }
    }

    @Test("a cluster that measures nothing costs nothing but the figures")
    func noUse() async throws {
        try await perform { lab in
            try await lab.start()
            try await running(lab)
            lab.cluster.failNext(
                verb: .list, resource: GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods"),
                with: .status(
                    APIStatus(
                        status: "Failure", message: "the server could not find the requested resource", reason: "NotFound",
                        code: 404)))
            #expect(await (try lab.pods).podStats().isEmpty)
            #expect(try lab.pod("a")?.status.phase == .running)
        }
    }
}

@Suite("RunK: the cluster's state")
struct ClusterHealthTests {
    private static func status(_ code: Int) -> KubernetesAPIError {
        .status(APIStatus(status: "Failure", message: "words of \(code)", reason: "Reason", code: code))
    }

    @Test("one failure is none; two in a row are a cluster that is away, with the reason; an answer ends it")
    func away() {
        var health = ClusterHealth()
        #expect(health.condition.status == .unknown)
        health.answered("team")
        health.failed(KubernetesAPIError.transport("connection refused"))
        #expect(health.condition.status == .true)
        health.failed(KubernetesAPIError.transport("connection refused"))
        #expect(health.condition.status == .false && health.condition.reason == "ClusterAway")
        #expect(health.condition.message?.contains("connection refused") == true)
        health.answered("team")
        #expect(health.condition.status == .true && health.condition.type == "ClusterReachable")
    }

    @Test("a refusal is an answer: said at once", arguments: [(401, "Unauthorized"), (403, "Forbidden")])
    func refused(code: Int, reason: String) {
        var health = ClusterHealth()
        health.failed(Self.status(code))
        #expect(
            health.condition.status == .false && health.condition.reason == reason
                && health.condition.message == "words of \(code)")
    }

    @Test("a busy or ill server, and a namespace that goes, have reasons of their own")
    func reasons() {
        var health = ClusterHealth()
        for _ in 0..<2 { health.failed(Self.status(429)) }
        #expect(health.condition.reason == "TooManyRequests")
        for _ in 0..<2 { health.failed(Self.status(500)) }
        #expect(health.condition.reason == "ClusterFailing")
        health.namespaceIsGone("team", isTerminating: true)
        #expect(health.condition.reason == "NamespaceTerminating" && health.condition.status == .false)
        health.namespaceIsGone("team", isTerminating: false)
        #expect(health.condition.reason == "NamespaceNotFound")
    }
}
