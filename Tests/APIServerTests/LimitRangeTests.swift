// What a LimitRange gives to the pods of its namespace, and what it refuses.
import JSON
import Testing

@testable import APIServer

struct LimitRangeTests {
    private let pods = "/api/v1/namespaces/alice/pods"
    private let ranges = "/api/v1/namespaces/alice/limitranges"

    private func range(_ name: String = "r", _ limits: JSONValue...) -> JSONValue {
        ["metadata": ["name": .string(name)], "spec": ["limits": .array(limits)]]
    }

    private func pod(_ name: String, _ resources: JSONValue...) -> JSONValue {
        let containers = resources.enumerated().map { index, resources -> JSONValue in
            ["name": .string("c\(index)"), "image": "busybox", "resources": resources]
        }
        return Laboratory.pod(name).with(["spec", "containers"], .array(containers))
    }

    private func refusal(_ lab: Laboratory, _ pod: JSONValue) async throws -> String? {
        let answer = try await lab.send(.post, "\(pods)?dryRun=All", pod)
        return answer.status == 201 ? nil : answer.status == 403 ? answer.message : "\(answer.status) \(answer.message)"
    }

    @Test("a range completes itself, and a container gets from it what it does not say")
    func defaults() async throws {
        let lab = try await Laboratory()
        let made = try await lab.must(
            .post, ranges,
            range(
                "r",
                [
                    "type": "Container", "default": ["memory": "512Mi"], "defaultRequest": ["cpu": "100m"],
                    "max": ["cpu": "2", "memory": "1Gi"], "min": ["ephemeral-storage": "1Mi"],
                ]))
        let item = made["spec"]?["limits"]?[0]
        #expect(item?["default"] == ["memory": "512Mi", "cpu": "2"])
        #expect(item?["defaultRequest"] == ["cpu": "100m", "memory": "512Mi", "ephemeral-storage": "1Mi"])
        let spec: JSONValue = ["name": "i", "image": "busybox"]
        let stored = try await lab.must(
            .post, pods,
            pod("p", [:], ["limits": ["memory": "256Mi"], "requests": ["memory": "128Mi"]]).with(
                ["spec", "initContainers"], [spec]))
        let containers = stored["spec"]?["containers"]
        let plain: JSONValue = [
            "limits": ["memory": "512Mi", "cpu": "2"],
            "requests": ["cpu": "100m", "memory": "512Mi", "ephemeral-storage": "1Mi"],
        ]
        #expect(containers?[0]?["resources"] == plain)
        #expect(stored["spec"]?["initContainers"]?[0]?["resources"] == plain)
        #expect(containers?[1]?["resources"]?["limits"] == ["memory": "256Mi", "cpu": "2"])
        #expect(containers?[1]?["resources"]?["requests"]?["memory"] == "128Mi")
        #expect(stored["status"]?["qosClass"] == "Burstable")
        #expect(
            stored["metadata"]?["annotations"]?["kubernetes.io/limit-ranger"]?.stringValue?
                .hasPrefix("LimitRanger plugin set: cpu, ephemeral-storage, memory request for container c0") == true)
        // Another namespace's pods are its own matter; a made pod stays as it is.
        let bobs = try await lab.must(
            .post, "/api/v1/namespaces/bob/pods", Laboratory.pod("p", namespace: "bob"))
        #expect(bobs["spec"]?["containers"]?[0]?["resources"]?["limits"] == nil)
    }

    @Test("a container beyond its bounds is refused with the bound, whatever the notation")
    func containers() async throws {
        let lab = try await Laboratory()
        try await lab.must(
            .post, ranges,
            range(
                "r", ["type": "Container", "max": ["memory": "1Gi"], "min": ["memory": "64Mi"], "default": ["memory": "256Mi"]]))
        #expect(try await refusal(lab, pod("p", ["limits": ["memory": "1024Mi"]])) == nil)
        let over = "maximum memory usage per Container is 1Gi, but limit is 2Gi"
        #expect(
            try await refusal(lab, pod("p", ["limits": ["memory": "2Gi"], "requests": ["memory": "1Gi"]]))
                == "pods \"p\" is forbidden: \(over)")
        let under = try await refusal(lab, pod("p", [:], ["limits": ["memory": "1Mi"]]))
        #expect(
            under == "pods \"p\" is forbidden: [minimum memory usage per Container is 64Mi, but request is 1Mi, "
                + "minimum memory usage per Container is 64Mi, but limit is 1Mi]" || under?.contains("but request is 1Mi") == true
        )
        #expect(try await lab.send(.post, pods, pod("p", ["limits": ["memory": "2Gi"]])).status == 403)
        #expect(try await lab.send(.get, "\(pods)/p").status == 404)
    }

    @Test("a pod's containers count together, and a limit may be only so many times the request")
    func wholePod() async throws {
        let lab = try await Laboratory()
        try await lab.must(
            .post, ranges,
            range(
                "r", ["type": "Pod", "max": ["cpu": "1"], "min": ["memory": "10Mi"]],
                ["type": "Container", "maxLimitRequestRatio": ["cpu": "2"]]))
        func resources(_ cpu: String, _ limit: String) -> JSONValue {
            ["requests": ["cpu": .string(cpu), "memory": "8Mi"], "limits": ["cpu": .string(limit)]]
        }
        #expect(try await refusal(lab, pod("p", resources("250m", "500m"), resources("500m", "500m"))) == nil)
        let over = try await refusal(lab, pod("p", resources("300m", "600m"), resources("500m", "500m")))
        #expect(over?.contains("maximum cpu usage per Pod is 1, but limit is 1100m") == true, "\(over ?? "")")
        let small = try await refusal(lab, pod("p", resources("250m", "500m")))
        #expect(small?.contains("minimum memory usage per Pod is 10Mi, but request is 8Mi") == true, "\(small ?? "")")
        let ratio = try await refusal(lab, pod("p", resources("100m", "300m"), resources("100m", "100m")))
        #expect(
            ratio?.contains("cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000") == true,
            "\(ratio ?? "")")
        let silent = try await refusal(lab, pod("p", [:]))
        #expect(silent?.contains("maximum cpu usage per Pod is 1.  No limit is specified") == true, "\(silent ?? "")")
    }

    @Test("a claim asks for no more storage than the range has")
    func claims() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, ranges, range("r", ["type": "PersistentVolumeClaim", "max": ["storage": "1Gi"]]))
        func claim(_ size: String) -> JSONValue {
            [
                "metadata": ["name": "c"],
                "spec": ["accessModes": ["ReadWriteOnce"], "resources": ["requests": ["storage": .string(size)]]],
            ]
        }
        let path = "/api/v1/namespaces/alice/persistentvolumeclaims"
        let answer = try await lab.send(.post, path, claim("2Gi"))
        #expect(answer.status == 403)
        #expect(answer.message.contains("maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"))
        try await lab.must(.post, path, claim("1Gi"))
    }

    @Test("the quota counts what the range gave")
    func quota() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, ranges, range("r", ["type": "Container", "default": ["memory": "256Mi"]]))
        let quotas = "/api/v1/namespaces/alice/resourcequotas"
        let hard: JSONValue = ["limits.memory": "400Mi"]
        try await lab.must(.post, quotas, ["metadata": ["name": "q"], "spec": ["hard": hard]])
        try await lab.must(
            .patch, quotas + "/q/status", ["status": ["hard": hard, "used": ["limits.memory": "0"]]],
            type: "application/merge-patch+json")
        try await lab.must(.post, pods, Laboratory.pod("a"))
        #expect(try await lab.send(.post, pods, Laboratory.pod("b")).status == 403)
    }

    @Test(
        "a range that makes no sense is refused with its field",
        arguments: [
            (["type": "Container", "max": ["cpu": "1"], "min": ["cpu": "2"]], "spec.limits[0].min[cpu]"),
            (["type": "Container", "max": ["cpu": "1"], "default": ["cpu": "2"]], "spec.limits[0].default[cpu]"),
            (
                ["type": "Container", "default": ["cpu": "1"], "defaultRequest": ["cpu": "2"]],
                "spec.limits[0].defaultRequest[cpu]"
            ),
            (["type": "Container", "min": ["cpu": "2"], "defaultRequest": ["cpu": "1"]], "spec.limits[0].defaultRequest[cpu]"),
            (["type": "Pod", "default": ["cpu": "1"]], "spec.limits[0].default"),
            (["type": "Pod", "min": ["cpu": "-1"]], "spec.limits[0].min[cpu]"),
        ] as [(JSONValue, String)])
    func senseless(_ item: JSONValue, _ field: String) async throws {
        let lab = try await Laboratory()
        let answer = try await lab.send(.post, ranges, range("r", item))
        #expect(answer.status == 422 && answer.fields.contains(field), "\(answer.status) \(answer.fields) \(answer.message)")
    }
}
