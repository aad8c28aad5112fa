// Deletions with conditions: disruption budgets as arithmetic, propagation, grace that gets shorter, namespaces' finalizers.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

struct EvictionTests {
    private static let pods = "/api/v1/namespaces/alice/pods"

    private static func budget(_ spec: JSONValue, status: JSONValue = [:]) -> DisruptionBudget {
        DisruptionBudget(["spec": spec, "status": status])
    }

    private static func pods(ready: Int, unready: Int = 0) -> [BudgetPod] {
        (0..<ready).map { BudgetPod(name: "r\($0)", counts: true, isReady: true) }
            + (0..<unready).map { BudgetPod(name: "u\($0)", counts: true, isReady: false) }
    }

    @Test("a budget lets as many go as it can spare")
    func arithmetic() {
        let three = Self.pods(ready: 3)
        func isAllowed(_ spec: JSONValue, _ pods: [BudgetPod]) -> Bool {
            if case .allowed = Self.budget(spec).decide(evicting: pods[0], among: pods, now: 0) { return true }
            return false
        }
        #expect(isAllowed(["minAvailable": 2], three))
        #expect(!isAllowed(["minAvailable": 3], three))
        #expect(isAllowed(["minAvailable": "50%"], three))
        #expect(!isAllowed(["minAvailable": "70%"], three))
        #expect(isAllowed(["maxUnavailable": 1], three))
        #expect(!isAllowed(["maxUnavailable": 0], three))
        #expect(!isAllowed(["maxUnavailable": 1], Self.pods(ready: 2, unready: 1)))
    }

    @Test("I-BUDGET-1: evictions one after the other never leave fewer healthy pods than the budget needs", arguments: 1...20)
    func sequence(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let spec: JSONValue =
            random.below(2) == 0
            ? ["minAvailable": .int(Int64(random.below(5)))] : ["maxUnavailable": .int(Int64(random.below(3)))]
        var status: JSONValue = [:]
        let pods = Self.pods(ready: 1 + random.below(6), unready: random.below(3))
        let needed =
            spec["minAvailable"]?.intValue.map { Int($0) } ?? max(0, pods.count - Int(spec["maxUnavailable"]?.intValue ?? 0))
        var gone: Set<String> = []
        for pod in pods.shuffled(using: &random) {
            // The pods stay for a while: only the budget's memory tells that they are going.
            guard case .allowed(let next) = Self.budget(spec, status: status).decide(evicting: pod, among: pods, now: 0) else {
                continue
            }
            status = next
            gone.insert(pod.name)
        }
        let healthy = pods.count { $0.isReady && !gone.contains($0.name) }
        #expect(gone.isEmpty || healthy >= min(needed, pods.count { $0.isReady }), "I-BUDGET-1: seed \(seed)")
    }

    @Test("an unbound pod is evicted at once; the answer is a Status; a name that differs is refused")
    func evict() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.pods, Laboratory.pod("p"))
        let wrong = try await lab.send(.post, "\(Self.pods)/p/eviction", ["kind": "Eviction", "metadata": ["name": "q"]])
        #expect(wrong.status == 400)
        let dry = try await lab.send(
            .post, "\(Self.pods)/p/eviction?dryRun=All", ["kind": "Eviction", "metadata": ["name": "p"]])
        #expect(dry.status == 201)
        let answer = try await lab.send(.post, "\(Self.pods)/p/eviction", ["kind": "Eviction", "metadata": ["name": "p"]])
        #expect(answer.status == 201)
        #expect(answer.body["status"] == "Success")
        #expect(try await lab.send(.get, "\(Self.pods)/p").status == 404)
        #expect(try await lab.send(.post, "\(Self.pods)/p/eviction", ["metadata": ["name": "p"]]).status == 404)
    }

    @Test("a propagation policy is a finalizer; the wrong words are refused")
    func propagation() async throws {
        let lab = try await Laboratory()
        let maps = "/api/v1/namespaces/alice/configmaps"
        for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
            try await lab.must(.post, maps, ["metadata": ["name": "m"]])
            let answer = try await lab.must(.delete, "\(maps)/m", ["propagationPolicy": .string(policy)])
            #expect(answer["metadata"]?["finalizers"] == [.string(finalizer)])
            #expect(answer["metadata"]?["deletionTimestamp"] != nil)
            let freed = try await lab.send(
                .patch, "\(maps)/m", ["metadata": ["finalizers": .null]], type: "application/merge-patch+json")
            #expect(freed.status == 200)
            #expect(try await lab.send(.get, "\(maps)/m").status == 404)
        }
        try await lab.must(.post, maps, ["metadata": ["name": "m"]])
        let wrong = try await lab.send(.delete, "\(maps)/m?propagationPolicy=Sideways")
        #expect(wrong.status == 422)
        #expect(wrong.message.hasPrefix("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value"))
        let both = try await lab.send(.delete, "\(maps)/m", ["propagationPolicy": "Orphan", "orphanDependents": true])
        #expect(both.status == 422)
        let gone = try await lab.must(.delete, "\(maps)/m", ["propagationPolicy": "Background"])
        #expect(gone["status"] == "Success")
        #expect(gone["details"]?["name"] == "m")
    }

    @Test("a grace under way gets shorter, never longer")
    func grace() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.pods, Laboratory.pod("p", node: "n"))
        let first = try await lab.must(.delete, "\(Self.pods)/p", ["gracePeriodSeconds": 30])
        #expect(first["metadata"]?["deletionGracePeriodSeconds"] == 30)
        let longer = try await lab.must(.delete, "\(Self.pods)/p", ["gracePeriodSeconds": 60])
        #expect(longer["metadata"]?["deletionTimestamp"] == first["metadata"]?["deletionTimestamp"])
        let shorter = try await lab.must(.delete, "\(Self.pods)/p", ["gracePeriodSeconds": 10])
        #expect(shorter["metadata"]?["deletionTimestamp"] == .string(RFC3339.text(seconds: Laboratory.now + 10)))
        try await lab.must(.delete, "\(Self.pods)/p", ["gracePeriodSeconds": 0])
        #expect(try await lab.send(.get, "\(Self.pods)/p").status == 404)
    }

    @Test(
        "a grace beyond all time is 68 years, whoever asks for it: the pod, or whoever deletes it",
        arguments: [Int64.max, Int64.max / 2, Int64(Int32.max) + 1])
    func longestGrace(seconds: Int64) async throws {
        let lab = try await Laboratory()
        let end = JSONValue.string(RFC3339.text(seconds: Laboratory.now + Int64(Int32.max)))
        try await lab.must(.post, Self.pods, Laboratory.pod("p", node: "n"))
        let asked = try await lab.must(.delete, "\(Self.pods)/p", ["gracePeriodSeconds": .int(seconds)])
        #expect(asked["metadata"]?["deletionTimestamp"] == end)
        var own = Laboratory.pod("q", node: "n")
        own.set(["spec", "terminationGracePeriodSeconds"], to: .int(seconds))
        try await lab.must(.post, Self.pods, own)
        #expect(try await lab.must(.delete, "\(Self.pods)/q", nil)["metadata"]?["deletionTimestamp"] == end)
    }

    @Test("repeated fields are told, refused under Strict, and the last one counts")
    func duplicates() async throws {
        let lab = try await Laboratory()
        func send(_ query: String) async -> APIDocument? {
            let body = Array(#"{"metadata":{"name":"d"},"data":{"a":"1","a":"2"},"data":{"a":"3","a":"4"}}"#.utf8)
            let request = APIRequest(
                method: .post, path: "/api/v1/namespaces/alice/configmaps", query: [("fieldValidation", query)],
                contentType: "application/json", body: body, user: .master)
            guard case .document(let document) = await lab.handler.handle(request) else { return nil }
            return document
        }
        let strict = try #require(await send("Strict"))
        #expect(strict.status == 400)
        #expect(String(decoding: strict.body, as: UTF8.self).contains(#"duplicate field \"data\""#))
        let warned = try #require(await send("Warn"))
        #expect(warned.status == 201)
        #expect(warned.headers.contains { $0.value.contains("duplicate field") })
        #expect(try JSONValue(parsing: warned.body)["data"] == ["a": "4"])
    }

    @Test("server-side apply is refused in clear words")
    func apply() async throws {
        let answer = try await Laboratory().send(
            .patch, "\(Self.pods)/p?fieldManager=kubectl&force=false", ["metadata": ["name": "p"]],
            type: "application/apply-patch+yaml")
        #expect(answer.status == 415)
        #expect(answer.message.contains("server-side apply is not supported"))
        #expect(
            answer.message.contains("accepted media types include: application/json-patch+json, application/merge-patch+json"))
    }
}
