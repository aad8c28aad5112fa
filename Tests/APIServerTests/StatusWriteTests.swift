// A write of the status alone reads and writes less than the whole object: nobody must see a difference.
import JSON
import KubernetesModel
import ResourceStore
import Testing

@testable import APIServer

@Suite("Writes of the status alone")
struct StatusWriteTests {
    private static let pods = "/api/v1/namespaces/alice/pods"
    private static let merge = "application/merge-patch+json"
    private static let strategic = "application/strategic-merge-patch+json"
    private static let json = "application/json-patch+json"

    // MARK: The same as with the whole object in hand

    /// Members that differ between two pods made alike.
    private static func comparable(_ pod: JSONValue) -> JSONValue {
        var pod = pod
        for member in ["name", "uid", "resourceVersion"] { pod.set(["metadata", member], to: nil) }
        return pod
    }

    private static func patch(_ random: inout SeededGenerator) -> JSONValue {
        var status: JSONValue = [:]
        let phases: [JSONValue] = ["Running", "Pending", "Failed", .null]
        if random.below(2) == 0 { status["phase"] = phases[random.below(phases.count)] }
        if random.below(3) == 0 { status["qosClass"] = .null }
        if random.below(3) == 0 { status["message"] = .string(random.one(of: ["", "a \"quoted\" word", "läuft"])) }
        if random.below(3) == 0 { status["podIPs"] = [["ip": .string("10.0.0.\(random.below(200))")]] }
        var patch: JSONValue = ["status": random.below(12) == 0 ? .null : status]
        if random.below(3) == 0 { patch["metadata"] = ["labels": ["app": .string(random.one(of: ["a", "b"]))]] }
        if random.below(3) == 0 { patch.set(["metadata", "annotations"], to: ["note": random.below(2) == 0 ? .null : "x"]) }
        if random.below(8) == 0 { patch.set(["metadata", "finalizers"], to: ["example.org/kept"]) }
        return patch
    }

    /// JSON Patch may test anything, so it has the whole object in hand.
    private static func wholeWrite(_ patch: JSONValue, type: String, of pod: JSONValue) throws -> JSONValue {
        let patched =
            type == merge
            ? MergePatch.apply(patch, to: pod) : try StrategicMergePatch.apply(patch, to: pod, schema: ResourceKind.pod.schema)
        var operations: [JSONValue] = []
        for member in ["metadata", "status"] {
            if let value = patched[member] {
                operations.append(["op": "add", "path": .string("/\(member)"), "value": value])
            } else if pod[member] != nil {
                operations.append(["op": "remove", "path": .string("/\(member)")])
            }
        }
        return .array(operations)
    }

    @Test("I-STATUS-1: it stores and tells what a write with the whole object would", arguments: 1...12 as ClosedRange<UInt64>)
    func equivalence(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let lab = try await Laboratory()
        for name in ["part", "whole"] { try await lab.must(.post, Self.pods, Laboratory.pod(name, node: "n0")) }
        for step in 0..<20 {
            let patch = Self.patch(&random)
            let present = try await lab.must(.get, "\(Self.pods)/whole")
            let type = random.below(2) == 0 ? Self.merge : Self.strategic
            let part = try await lab.send(.patch, "\(Self.pods)/part/status", patch, type: type)
            let same = try Self.wholeWrite(patch, type: type, of: present)
            let whole = try await lab.send(.patch, "\(Self.pods)/whole/status", same, type: Self.json)
            let note = Comment(rawValue: "seed \(seed), step \(step): \(patch)")
            #expect(part.status == whole.status, note)
            #expect(Self.comparable(part.body) == Self.comparable(whole.body), note)
            let (one, other) = (try #require(try await stored(lab, "part")), try #require(try await stored(lab, "whole")))
            #expect(try JSONValue(parsing: one.bytes) == part.body, note)
            #expect(one.index.labels == other.index.labels, note)
            #expect(Self.named(one.index.fields) == Self.named(other.index.fields), note)
        }
    }

    private func stored(_ lab: Laboratory, _ name: String) async throws -> StoredObject? {
        try await lab.store.get(ResourceKey(group: "", resource: "pods", namespace: "alice", name: name))
    }

    private static func named(_ fields: [String: String]) -> [String: String] { fields.filter { $0.key != "metadata.name" } }

    // MARK: What it leaves alone

    @Test("the bytes of the spec stay as they were")
    func specStays() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.pods, Laboratory.pod("p"))
        let before = try #require(try await stored(lab, "p"))
        try await lab.must(.patch, "\(Self.pods)/p/status", ["status": ["phase": "Running"]], type: Self.merge)
        let after = try #require(try await stored(lab, "p"))
        func spec(_ object: StoredObject) throws -> [UInt8] {
            let tape = try JSONTape(parsing: object.bytes)
            return Array(tape.rawBytes(try #require(tape.node(at: "spec"))))
        }
        #expect(try spec(before) == spec(after))
        #expect(after.index.fields["status.phase"] == "Running")
    }

    @Test("a write that changes nothing makes no revision")
    func nothing() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.pods, Laboratory.pod("p"))
        let body: JSONValue = ["status": ["phase": "Running"]]
        let first = try await lab.must(.patch, "\(Self.pods)/p/status", body, type: Self.merge)
        let again = try await lab.must(.patch, "\(Self.pods)/p/status", body, type: Self.merge)
        #expect(first["metadata"]?["resourceVersion"] == again["metadata"]?["resourceVersion"])
    }

    @Test("the quality of service and the first phase come back when a patch takes them away")
    func defaults() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.pods, Laboratory.pod("p"))
        let answer = try await lab.must(.patch, "\(Self.pods)/p/status", ["status": .null], type: Self.merge)
        #expect(answer["status"] == ["phase": "Pending", "qosClass": "BestEffort"])
    }

    @Test("a node writes the status of its own pods only, and a node's taints are looked at")
    func nodes() async throws {
        let lab = try await Laboratory()
        let user = UserInfo(name: "system:node:n0", groups: ["system:nodes", "kuscia:domain:alice"])
        try await lab.must(.post, Self.pods, Laboratory.pod("own", node: "n0"))
        try await lab.must(.post, Self.pods, Laboratory.pod("other", node: "n1"))
        try await lab.must(
            .post, "/api/v1/nodes",
            Laboratory.node("n0", domain: "alice").with(["spec", "taints"], [["key": "a", "effect": "NoSchedule"]]))
        let body: JSONValue = ["status": ["phase": "Running"]]
        #expect(try await lab.send(.patch, "\(Self.pods)/own/status", body, type: Self.strategic, as: user).status == 200)
        #expect(try await lab.send(.patch, "\(Self.pods)/other/status", body, type: Self.strategic, as: user).status == 403)
        let capacity: JSONValue = ["status": ["capacity": ["cpu": "8"]]]
        let node = try await lab.send(.patch, "/api/v1/nodes/n0/status", capacity, type: Self.strategic, as: user)
        #expect(node.status == 200)
        #expect(node.body["spec"]?["taints"]?[0]?["key"] == "a")
    }
}
