// Events at a pace: ordinary ones wait for their turn, warnings do not.
import KubernetesClientTesting
import KubernetesModel
import Logging
import Testing

@testable import KubernetesClient

@Suite("Pace of events")
struct EventPaceTests {
    @Test("beyond the burst an ordinary event waits, a warning goes at once", .timeLimit(.minutes(2)))
    func warningsOvertake() async throws {
        let api = InMemoryKubernetesAPI()
        var logger = Logger(label: "events")
        logger.logLevel = .critical
        // The second ordinary event's turn is eleven days away.
        let recorder = EventRecorder(
            api: api, component: "test", pace: .init(perSecond: 0.000_001, burst: 1),
            now: { MicroTimestamp(unixMicroseconds: 0) },
            logger: logger)
        let subject = EventSubject(node: "alice-node")
        for reason in ["First", "Second"] { recorder.record(subject, .normal, reason: reason, message: reason) }
        recorder.record(subject, .warning, reason: "Third", message: "Third")
        let running = Task { await recorder.run() }
        var reasons: Set<String?> = []
        while !reasons.isSuperset(of: ["First", "Third"]) {
            reasons = Set(try api.objects(Event.self).map(\.reason))
            try await Task.sleep(for: .milliseconds(5))  // between looks at the server
        }
        #expect(reasons == ["First", "Third"])
        running.cancel()
        await running.value
        #expect(try api.objects(Event.self).count == 2)
    }
}
