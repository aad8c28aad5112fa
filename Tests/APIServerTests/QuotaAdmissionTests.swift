// What a pod gets of its priority class, and what a namespace may use.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

@Suite struct QuotaAdmissionTests {
    private static let classes = "/apis/scheduling.k8s.io/v1/priorityclasses"

    private func makeClass(_ lab: Laboratory, _ name: String, _ value: Int64, isDefault: Bool = false, policy: String? = nil)
        async throws
    {
        var body: JSONValue = ["metadata": ["name": .string(name)], "value": .int(value), "globalDefault": .bool(isDefault)]
        if let policy { body["preemptionPolicy"] = .string(policy) }
        try await lab.must(.post, Self.classes, body)
    }

    private func pod(_ name: String, _ spec: JSONValue = [:]) -> JSONValue {
        var pod = Laboratory.pod(name)
        for (key, value) in spec.objectValue ?? [:] { pod.set(["spec", key], to: value) }
        return pod
    }

    @Test(
        "a pod gets the number and the policy of its class, of the default class, or 0; a class must exist and the number must fit"
    )
    func priority() async throws {
        let lab = try await Laboratory()
        let pods = "/api/v1/namespaces/alice/pods"
        let plain = try await lab.must(.post, pods, pod("plain"))
        #expect(plain["spec"]?["priority"] == .int(0) && plain["spec"]?["preemptionPolicy"] == "PreemptLowerPriority")
        try await makeClass(lab, "high", 1000, policy: "Never")
        try await makeClass(lab, "usual", 10, isDefault: true)
        let high = try await lab.must(.post, pods, pod("high", ["priorityClassName": "high"]))
        #expect(high["spec"]?["priority"] == .int(1000) && high["spec"]?["preemptionPolicy"] == "Never")
        let usual = try await lab.must(.post, pods, pod("usual"))
        #expect(usual["spec"]?["priority"] == .int(10) && usual["spec"]?["priorityClassName"] == "usual")
        let critical = try await lab.must(.post, pods, pod("critical", ["priorityClassName": "system-node-critical"]))
        #expect(critical["spec"]?["priority"] == .int(2_000_001_000))
        let unknown = try await lab.send(.post, pods, pod("unknown", ["priorityClassName": "none"]))
        #expect(
            unknown.status == 403 && unknown.message == "pods \"unknown\" is forbidden: no PriorityClass with name none was found"
        )
        let wrong = try await lab.send(.post, pods, pod("wrong", ["priorityClassName": "high", "priority": 7]))
        #expect(
            wrong.status == 403 && wrong.message.contains("the integer value of priority (7) must not be provided in pod spec"))
    }

    private func makeQuota(_ lab: Laboratory, _ hard: JSONValue) async throws {
        let path = "/api/v1/namespaces/alice/resourcequotas"
        try await lab.must(.post, path, ["metadata": ["name": "q"], "spec": ["hard": hard]])
        // What the quota controller does.
        var used = hard
        for (name, _) in hard.objectValue ?? [:] { used[name] = "0" }
        try await lab.must(
            .patch, path + "/q/status", ["status": ["hard": hard, "used": used]], type: "application/merge-patch+json")
    }

    private func used(_ lab: Laboratory, _ name: String) async throws -> String? {
        try await lab.must(.get, "/api/v1/namespaces/alice/resourcequotas/q")["status"]?["used"]?[name]?.stringValue
    }

    @Test("I-QUOTA-2: however many write at once, no more is admitted than the quota allows, and exactly that is counted")
    func atOnce() async throws {
        let lab = try await Laboratory()
        try await makeQuota(lab, ["pods": "5"])
        let admitted = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<20 {
                group.addTask {
                    ((try? await lab.send(.post, "/api/v1/namespaces/alice/pods", pod("p\(index)")))?.status ?? 500) == 201
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(admitted == 5)
        #expect(try await used(lab, "pods") == "5")
    }

    @Test(
        "amounts that no number holds are refused by a quota like any that are too large, and end nothing",
        arguments: ["9223372036854775807", "9999999999Ei"])
    func hugeAmounts(_ amount: String) async throws {
        let lab = try await Laboratory()
        try await makeQuota(lab, ["requests.memory": "1Gi", "limits.memory": "9223372036854775807"])
        func ask(_ name: String, request: String) async throws -> Laboratory.Answer {
            let resources: JSONValue = ["requests": ["memory": .string(request)], "limits": ["memory": .string(amount)]]
            var made = pod(name)
            made.set(
                ["spec", "containers"],
                to: [["name": "a", "image": "x", "resources": resources], ["name": "b", "image": "x", "resources": resources]])
            return try await lab.send(.post, "/api/v1/namespaces/alice/pods", made)
        }
        #expect(try await ask("huge", request: amount).status == 403)
        for number in 0..<3 {
            #expect(try await ask("p\(number)", request: "1Mi").status == 201, "the sum stays at the largest number")
        }
        #expect(try await used(lab, "requests.memory") == "6Mi")
        #expect(Quantity(Int64.max) == (try await used(lab, "limits.memory")).flatMap { try? Quantity($0) })
    }

    @Test("a refusal names the quota, what was asked, what is used and what is allowed; what must be named is said")
    func refusals() async throws {
        let lab = try await Laboratory()
        try await makeQuota(lab, ["requests.cpu": "1", "count/configmaps": "1"])
        func ask(_ name: String, cpu: String?) async throws -> Laboratory.Answer {
            var made = pod(name)
            if let cpu {
                made.set(
                    ["spec", "containers"], to: [["name": "c", "image": "x", "resources": ["requests": ["cpu": .string(cpu)]]]])
            }
            return try await lab.send(.post, "/api/v1/namespaces/alice/pods", made)
        }
        #expect(
            try await ask("none", cpu: nil).message == "pods \"none\" is forbidden: failed quota: q: must specify requests.cpu")
        #expect(try await ask("some", cpu: "700m").status == 201)
        #expect(
            try await ask("more", cpu: "400m").message
                == "pods \"more\" is forbidden: exceeded quota: q, requested: requests.cpu=400m, used: requests.cpu=700m, limited: requests.cpu=1"
        )
        let maps = "/api/v1/namespaces/alice/configmaps"
        #expect(try await lab.send(.post, maps + "?dryRun=All", ["metadata": ["name": "dry"]]).status == 201)
        #expect(try await lab.send(.post, maps, ["metadata": ["name": "one"]]).status == 201, "a dry run costs nothing")
        #expect(try await lab.send(.post, maps, ["metadata": ["name": "two"]]).status == 403)
        #expect(try await lab.send(.post, "/api/v1/namespaces/bob/configmaps", ["metadata": ["name": "two"]]).status == 201)
    }
}
