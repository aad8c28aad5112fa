// Optimistic concurrency under random writers: a counter that loses nothing. A failure prints its seed.
import JSON
import Testing

@testable import APIServer

struct ConcurrencyTests {
    private static let map = "/api/v1/namespaces/alice/configmaps/counter"

    @Test(
        "I-CONFLICT-1: a counter under writers that update what they read, and patch with a test, counts every success once",
        arguments: 1...4)
    func counter(_ seed: UInt64) async throws {
        let lab = try await Laboratory(seed.isMultiple(of: 2) ? .sqlite : .memory)
        try await lab.must(.post, "/api/v1/namespaces/alice/configmaps", ["metadata": ["name": "counter"], "data": ["n": "0"]])
        let successes = try await withThrowingTaskGroup(of: Int.self) { group in
            for writer in 0..<6 {
                group.addTask {
                    var random = SeededGenerator(seed: seed &* 100 &+ UInt64(writer))
                    var count = 0
                    for _ in 0..<25 where try await Self.increment(lab, &random) { count += 1 }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        let final = try await lab.must(.get, Self.map)
        #expect(final["data"]?["n"] == .string(String(successes)), "I-CONFLICT-1: seed \(seed)")
        #expect(successes > 0)
    }

    /// False when the write was refused with a conflict (or a failed test).
    private static func increment(_ lab: Laboratory, _ random: inout SeededGenerator) async throws -> Bool {
        let read = try await lab.must(.get, map)
        let text = read["data"]?["n"]?.stringValue ?? ""
        let next = JSONValue.string(String((Int(text) ?? 0) + 1))
        let answer: Laboratory.Answer
        switch random.below(4) {
        case 0: answer = try await lab.send(.put, map, read.with(["data", "n"], next))
        case 1:
            let patch: JSONValue = [
                ["op": "test", "path": "/data/n", "value": .string(text)], ["op": "replace", "path": "/data/n", "value": next],
            ]
            answer = try await lab.send(.patch, map, patch, type: "application/json-patch+json")
        default:
            let patch: JSONValue = [
                "metadata": ["resourceVersion": read["metadata"]?["resourceVersion"] ?? ""], "data": ["n": next],
            ]
            let type = random.below(2) == 0 ? "application/merge-patch+json" : "application/strategic-merge-patch+json"
            answer = try await lab.send(.patch, map, patch, type: type)
        }
        #expect([200, 409, 422].contains(answer.status), "\(answer.status) \(answer.message)")
        return answer.status == 200
    }
}
