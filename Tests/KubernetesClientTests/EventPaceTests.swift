// Events at a pace: ordinary ones wait for their turn, warnings do not.
import KubernetesClientTesting
import KubernetesModel
import Logging
import Testing

@testable import KubernetesClient

@Suite("Pace of events")
struct EventPaceTests {
    private let api = InMemoryKubernetesAPI()
    private let subject = EventSubject(node: "alice-node")

    private func recorder(_ pace: EventRecorder.Pace) -> EventRecorder {
        var logger = Logger(label: "events")
        logger.logLevel = .critical
        return EventRecorder(
            api: api, component: "test", pace: pace, now: { MicroTimestamp(unixMicroseconds: 0) }, logger: logger)
    }

    /// Which reasons have been written when all of `awaited` have, and that nothing more comes with the recorder's end.
    private func reasons(_ recorder: EventRecorder, awaited: Set<String>) async throws -> Set<String?> {
        let running = Task { await recorder.run() }
        while !Set(try api.objects(Event.self).compactMap(\.reason)).isSuperset(of: awaited) {
            try await Task.sleep(for: .milliseconds(5))  // between looks at the server
        }
        running.cancel()
        await running.value
        return Set(try api.objects(Event.self).map(\.reason))
    }

    @Test("beyond the burst an ordinary event waits, a warning goes at once", .timeLimit(.minutes(2)))
    func warningsOvertake() async throws {
        // The second ordinary event's turn is eleven days away.
        let recorder = recorder(.init(perSecond: 0.000_001, burst: 1))
        for reason in ["First", "Second"] { recorder.record(subject, .normal, reason: reason, message: reason) }
        recorder.record(subject, .warning, reason: "Third", message: "Third")
        #expect(try await reasons(recorder, awaited: ["First", "Third"]) == ["First", "Third"])
    }

    @Test("events that were forgotten take no turns of those that are remembered", .timeLimit(.minutes(2)))
    func forgotten() async throws {
        let recorder = recorder(.init(perSecond: 0.000_001, burst: 2))
        let count = EventRecorder.maximumRemembered + 500
        for number in 0..<count { recorder.record(subject, .normal, reason: "R\(number)", message: "m") }
        #expect(try await reasons(recorder, awaited: ["R500", "R501"]) == ["R500", "R501"])
    }

    @Test("while there is much else to do ordinary events wait longer, warnings do not", .timeLimit(.minutes(2)))
    func busy() async throws {
        let recorder = recorder(.init(perSecond: 1000, burst: 1000, busyPerSecond: 0.000_001) { true })
        recorder.record(subject, .normal, reason: "First", message: "First")
        recorder.record(subject, .warning, reason: "Second", message: "Second")
        #expect(try await reasons(recorder, awaited: ["Second"]) == ["Second"])
    }
}
