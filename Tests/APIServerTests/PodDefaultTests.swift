// What the server adds to pods and services, as users of Kubernetes know it.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

struct PodDefaultTests {
    static let pods = "/api/v1/namespaces/alice/pods"

    @Test("a pod that says the least gets all that Kubernetes sets")
    func minimalPod() async throws {
        let laboratory = try await Laboratory()
        let pod = try await laboratory.must(.post, Self.pods, Laboratory.pod("p"))
        let spec = pod["spec"] ?? [:]
        #expect(spec["restartPolicy"] == "Always")
        #expect(spec["dnsPolicy"] == "ClusterFirst")
        #expect(spec["schedulerName"] == "default-scheduler")
        #expect(spec["terminationGracePeriodSeconds"] == 30)
        #expect(spec["securityContext"] == [:])
        #expect(spec["enableServiceLinks"] == true)
        let tolerated = (spec["tolerations"]?.arrayValue ?? []).compactMap { $0["key"]?.stringValue }
        #expect(tolerated == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])
        let container = spec["containers"]?[0] ?? [:]
        #expect(container["imagePullPolicy"] == "Always")
        #expect(container["terminationMessagePath"] == "/dev/termination-log")
        #expect(container["terminationMessagePolicy"] == "File")
        #expect(container["resources"] == [:])
        #expect(pod["status"]?["phase"] == "Pending")
        #expect(pod["status"]?["qosClass"] == "BestEffort")
    }

    @Test(
        "an image that may change under its name is pulled each time",
        arguments: [
            ("busybox", "Always"), ("busybox:latest", "Always"), ("busybox:1.36", "IfNotPresent"),
            ("registry:5000/busybox", "Always"), ("registry:5000/busybox:1", "IfNotPresent"),
            ("busybox@sha256:0123", "IfNotPresent"),
        ])
    func pullPolicy(_ image: String, _ policy: String) {
        #expect(PodDefaults.pullPolicy(image: image) == policy)
    }

    @Test("requests follow limits, volumes and probes are completed, ports get a protocol")
    func nested() async throws {
        let laboratory = try await Laboratory()
        var pod = Laboratory.pod("p")
        pod.set(
            ["spec", "containers"],
            to: [
                [
                    "name": "c", "image": "x:1", "resources": ["limits": ["cpu": "500m", "memory": "1Gi"]],
                    "ports": [["containerPort": 80]], "livenessProbe": ["httpGet": ["port": 80]],
                    "env": [["name": "N", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]]],
                ]
            ])
        pod.set(["spec", "volumes"], to: [["name": "a"], ["name": "b", "configMap": ["name": "m"]]])
        let made = try await laboratory.must(.post, Self.pods, pod)
        let container = made["spec"]?["containers"]?[0] ?? [:]
        #expect(container["resources"]?["requests"] == ["cpu": "500m", "memory": "1Gi"])
        #expect(container["ports"]?[0]?["protocol"] == "TCP")
        #expect(container["livenessProbe"]?["periodSeconds"] == 10)
        #expect(container["livenessProbe"]?["httpGet"] == ["port": 80, "path": "/", "scheme": "HTTP"])
        #expect(container["env"]?[0]?["valueFrom"]?["fieldRef"]?["apiVersion"] == "v1")
        #expect(
            made["spec"]?["volumes"] == [
                ["name": "a", "emptyDir": [:]], ["name": "b", "configMap": ["name": "m", "defaultMode": 420]],
            ])
        #expect(made["status"]?["qosClass"] == "Guaranteed")
    }

    @Test("a service gets its type, ports and affinity")
    func service() async throws {
        let laboratory = try await Laboratory()
        let service = try await laboratory.must(
            .post, "/api/v1/namespaces/alice/services", ["metadata": ["name": "s"], "spec": ["ports": [["port": 80]]]])
        #expect(service["spec"]?["type"] == "ClusterIP")
        #expect(service["spec"]?["sessionAffinity"] == "None")
        #expect(service["spec"]?["ports"] == [["port": 80, "protocol": "TCP", "targetPort": 80]])
    }

    @Test("of a made pod only what Kubernetes lets change can change")
    func updates() async throws {
        let laboratory = try await Laboratory()
        try await laboratory.must(.post, Self.pods, Laboratory.pod("p"))
        func patch(_ body: JSONValue) async throws -> Laboratory.Answer {
            try await laboratory.send(.patch, "\(Self.pods)/p", body, type: "application/strategic-merge-patch+json")
        }
        #expect(try await patch(["spec": ["containers": [["name": "c", "image": "other:1"]]]]).status == 200)
        #expect(try await patch(["spec": ["activeDeadlineSeconds": 60]]).status == 200)
        let refused = try await patch(["spec": ["hostNetwork": true]])
        #expect(refused.status == 422)
        #expect(refused.message.contains("pod updates may not change fields other than"))
        let longer = try await patch(["spec": ["activeDeadlineSeconds": 61]])
        #expect(longer.fields == ["spec.activeDeadlineSeconds"])
    }
}
