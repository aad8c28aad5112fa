// Figures of use in a real master: they go with what they are of.
import JSON
import KubernetesClient
import KubernetesModel
import Testing

@Suite("Figures of use", .timeLimit(.minutes(2)))
struct MetricsCollectionTests {
    @Test("a pod's figures are collected when the pod is gone, whoever wrote them and however")
    func collected() async throws {
        try await MasterLaboratory.run { laboratory in
            let figures = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods")
            let pod: JSONValue = [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"],
                "spec": ["nodeName": "nowhere", "containers": [["name": "c", "image": "x"]]],
            ]
            let of: JSONValue = [
                "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": ["name": "p"], "timestamp": "2026-01-01T00:00:00Z",
                "window": "30s", "containers": [["name": "c", "usage": ["cpu": "1", "memory": "1Gi"]]],
            ]
            let api = laboratory.api
            let stream = try await api.watch(figures, namespace: "default", options: ListOptions())
            defer { stream.cancel() }
            for (resource, body) in [(GroupVersionResource.pods, pod), (figures, of)] {
                _ = try await api.create(resource, namespace: "default", name: nil, subresource: nil, body: body.serialized())
            }
            _ = try await api.delete(.pods, namespace: "default", name: "p", options: DeleteOptions(gracePeriodSeconds: 0))
            var isGone = false
            while !isGone, let batch = try await stream.next() { isGone = batch.contains { $0.kind == .deleted } }
            #expect(isGone)
        }
    }
}
