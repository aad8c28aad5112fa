// Whose figures of use are.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

@Suite struct MetricsOwnershipTests {
    private static let figures = "/apis/metrics.k8s.io/v1beta1"

    private func figures(_ name: String, owners: JSONValue? = nil) -> JSONValue {
        var body: JSONValue = [
            "metadata": ["name": .string(name)], "timestamp": "2026-01-01T00:00:00Z", "window": "30s",
            "containers": [["name": "c", "usage": ["cpu": "1", "memory": "1Gi"]]],
        ]
        if let owners { body.set(["metadata", "ownerReferences"], to: owners) }
        return body
    }

    private func owner(_ kind: String, _ name: String, _ object: JSONValue) -> JSONValue {
        [["apiVersion": "v1", "kind": .string(kind), "name": .string(name), "uid": object["metadata"]?["uid"] ?? .null]]
    }

    @Test("a pod's figures belong to the pod of their name, whatever they say, and to its successor once it is written of")
    func pods() async throws {
        let lab = try await Laboratory()
        let (pods, place) = ("/api/v1/namespaces/alice/pods", "\(Self.figures)/namespaces/alice/pods")
        let pod = try await lab.must(.post, pods, Laboratory.pod("p"))
        let other: JSONValue = [["apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "1"]]
        let made = try await lab.must(.post, place, figures("p", owners: other))
        #expect(made["metadata"]?["ownerReferences"] == owner("Pod", "p", pod))
        try await lab.must(.delete, "\(pods)/p?gracePeriodSeconds=0")
        let next = try await lab.must(.post, pods, Laboratory.pod("p"))
        let written = try await lab.must(.patch, "\(place)/p", ["window": "31s"], type: "application/merge-patch+json")
        #expect(written["metadata"]?["ownerReferences"] == owner("Pod", "p", next) && pod["metadata"]?["uid"] != next["metadata"]?["uid"])
    }

    @Test("a node's figures belong to the node; those of what is not there to nobody")
    func nodes() async throws {
        let lab = try await Laboratory()
        let other: JSONValue = [["apiVersion": "v1", "kind": "Node", "name": "m", "uid": "1", "blockOwnerDeletion": true]]
        let before = try await lab.must(.post, "\(Self.figures)/nodes", figures("n", owners: other))
        #expect(before["metadata"]?["ownerReferences"]?.arrayValue ?? [] == [])
        let node = try await lab.must(.post, "/api/v1/nodes", ["metadata": ["name": "n"]])
        let written = try await lab.must(.patch, "\(Self.figures)/nodes/n", ["window": "31s"], type: "application/merge-patch+json")
        #expect(written["metadata"]?["ownerReferences"] == owner("Node", "n", node))
    }
}
