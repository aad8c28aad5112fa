// events.k8s.io/v1 and core/v1 show the same events, each in its own words.
import JSON
import Testing

@testable import APIServer

struct EventViewTests {
    private static let core = "/api/v1/namespaces/alice/events"
    private static let group = "/apis/events.k8s.io/v1/namespaces/alice/events"
    private static let regarding: JSONValue = ["kind": "Pod", "namespace": "alice", "name": "p"]
    private static let modern: JSONValue = [
        "metadata": ["name": "modern"], "eventTime": "2026-11-21T10:00:00.000001Z", "regarding": regarding,
        "reportingController": "default-scheduler", "reportingInstance": "i", "action": "Binding", "reason": "Scheduled",
        "type": "Normal", "note": "words",
    ]

    @Test("what a scheduler writes, kubectl reads in the old words")
    func modernToCore() async throws {
        let laboratory = try await Laboratory()
        let made = try await laboratory.must(.post, "\(Self.group)?fieldValidation=Strict", Self.modern)
        #expect(made["apiVersion"] == "events.k8s.io/v1")
        #expect(made["note"] == "words" && made["regarding"] == Self.regarding)
        let seen = try await laboratory.must(.get, "\(Self.core)/modern")
        #expect(seen["apiVersion"] == "v1")
        #expect(seen["message"] == "words" && seen["involvedObject"] == Self.regarding)
        #expect(seen["reportingComponent"] == "default-scheduler")
        let chosen = try await laboratory.must(.get, "\(Self.core)?fieldSelector=involvedObject.name=p,reason=Scheduled")
        #expect(chosen["items"]?.arrayValue?.count == 1)
    }

    @Test("what a kubelet writes and patches is seen in the new words")
    func coreToModern() async throws {
        let laboratory = try await Laboratory()
        try await laboratory.must(
            .post, Self.core,
            ["metadata": ["name": "old"], "involvedObject": Self.regarding, "reason": "Pulled", "message": "m", "count": 1])
        try await laboratory.must(
            .patch, "\(Self.core)/old", ["count": 2], type: "application/strategic-merge-patch+json")
        let list = try await laboratory.must(.get, Self.group)
        #expect(list["apiVersion"] == "events.k8s.io/v1")
        let event = list["items"]?[0] ?? [:]
        #expect(event["apiVersion"] == "events.k8s.io/v1")
        #expect(event["deprecatedCount"] == 2 && event["note"] == "m")
    }

    @Test("a patch in the new words changes the stored event")
    func patch() async throws {
        let laboratory = try await Laboratory()
        try await laboratory.must(.post, Self.group, Self.modern)
        let series: JSONValue = ["series": ["count": 3, "lastObservedTime": "2026-11-21T10:01:00.000000Z"], "note": "again"]
        let patched = try await laboratory.must(
            .patch, "\(Self.group)/modern", series, type: "application/strategic-merge-patch+json")
        #expect(patched["note"] == "again")
        #expect(try await laboratory.must(.get, "\(Self.core)/modern")["message"] == "again")
    }

    @Test("a watch of the group tells events in its own words")
    func watch() async throws {
        let laboratory = try await Laboratory()
        let watch = try await laboratory.watch("\(Self.group)?watch=true")
        try await laboratory.must(.post, Self.group, Self.modern)
        let line = try #require(await watch.next())
        let event = try JSONValue(parsing: Array(line.dropLast()))
        #expect(event["type"] == "ADDED")
        #expect(event["object"]?["apiVersion"] == "events.k8s.io/v1")
        #expect(event["object"]?["note"] == "words")
        watch.cancel()
    }

    @Test("what the new words demand is refused in the new words")
    func refusal() async throws {
        let laboratory = try await Laboratory()
        let answer = try await laboratory.send(.post, Self.group, Self.modern.with(["reportingController"], nil))
        #expect(answer.status == 422)
        #expect(answer.fields == ["reportingController"])
    }
}
