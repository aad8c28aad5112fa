// When a node tells its status again, on a clock that does not wait.
import AgentCore
import KubernetesClientTesting
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

/// Every sleep that ends before `end` is over at once, and the time with it; the others last until they are cancelled.
private final class HurriedClock: AgentClock {
    private static let start: Int64 = 1_800_000_000 * .nanosecondsPerSecond
    private let time = Atomic<Int64>(start)
    private let end: Int64

    init(seconds: Int64) { end = Self.start + seconds * .nanosecondsPerSecond }

    func now() -> UnixNanoseconds { time.load(ordering: .relaxed) }

    func sleep(until time: UnixNanoseconds) async throws {
        if time > end { try await Task.sleep(for: .seconds(86_400)) }  // ended by its cancellation
        self.time.max(time, ordering: .relaxed)
        await Task.yield()
        try Task.checkCancellation()
    }
}

@Suite("a node's reports", .timeLimit(.minutes(2)))
struct NodeReportTests {
    @Test("the status that a node was created with is not told again before it changes or is due")
    func once() async throws {
        let api = InMemoryKubernetesAPI()
        let facts = MachineFacts(
            hostname: "machine", cpuMillis: 4000, memoryBytes: 8 << 30, machineID: "m-1", bootID: "b-1", kernelVersion: "6.1",
            osImage: "Debian", architecture: "amd64")
        let (looks, looked) = AsyncStream<Void>.makeStream()
        let measure: @Sendable () -> NodeMeasurement = {
            looked.yield()
            return MeasuredMachine().load
        }
        let builder = NodeStatusBuilder(
            AgentConfig(nodeName: "n", domain: "alice", stateDirectory: "/s", dataDirectory: "/d", nodeIP: "10.0.0.7"),
            AgentDependencies(
                api: api, runtime: FakeRuntime(now: AgentLab.now), images: LocalImages(names: { [] }, isPresent: { _ in true }),
                facts: facts, measure: measure))
        let node = NodeController(
            api: api, builder: builder, intervals: .init(leaseRenewSeconds: 3600), clock: HurriedClock(seconds: 250),
            logger: Logger(label: "node") { _ in SwiftLogNoOpLogHandler() }, measure: measure, images: { [] })
        let running = Task { try await node.run {} }
        // The first is of the registration, the others ten seconds apart; what a look leads to has been done before the next.
        var count = 0
        for await _ in looks {
            count += 1
            if count == 20 { break }
        }
        #expect(try api.object(Node.self, name: "n")?.status.isReady == true)
        #expect(api.calls.filter { $0.resource == Node.resource && $0.verb == .patch } == [])
        running.cancel()
        try await running.value
    }
}
