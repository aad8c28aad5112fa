// A node whom its server refuses: the operator reads it at once, and then now and then.
import AgentCore
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

/// No time passes, however long one sleeps.
private struct StoppedClock: AgentClock {
    func now() -> UnixNanoseconds { 1_800_000_000 * .nanosecondsPerSecond }

    func sleep(until time: UnixNanoseconds) async throws {
        await Task.yield()
        try Task.checkCancellation()
    }
}

/// Counts messages by level.
private final class CountingLog: LogHandler, Sendable {
    private let counts = Mutex<[Logger.Level: Int]>([:])

    func count(_ level: Logger.Level) -> Int { counts.withLock { $0[level, default: 0] } }

    func log(event: LogEvent) { counts.withLock { $0[event.level, default: 0] += 1 } }

    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }

    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
}

@Suite("a node that is refused", .timeLimit(.minutes(1)))
struct NodeRefusalTests {
    @Test(
        "a refusal is a warning, once a minute; a server that is away is none",
        arguments: [(401, 2, 0), (403, 2, 0), (422, 2, 0), (503, 0, 90)])
    func levels(code: Int, warnings: Int, infos: Int) async throws {
        let api = InMemoryKubernetesAPI()
        // A try a second: a minute and a half of them.
        api.failNext(
            90, verb: .get, resource: Node.resource,
            with: .status(APIStatus(status: "Failure", message: "no", reason: "Refused", code: code)))
        let facts = MachineFacts(
            hostname: "machine", cpuMillis: 4000, memoryBytes: 8 << 30, machineID: "m-1", bootID: "b-1", kernelVersion: "6.1",
            osImage: "Debian", architecture: "amd64")
        let measure: @Sendable () -> NodeMeasurement = { MeasuredMachine().load }
        let builder = NodeStatusBuilder(
            AgentConfig(nodeName: "n", domain: "alice", stateDirectory: "/s", dataDirectory: "/d", nodeIP: "10.0.0.7"),
            AgentDependencies(
                api: api, runtime: FakeRuntime(now: AgentLab.now), images: LocalImages(names: { [] }, isPresent: { _ in true }),
                facts: facts, measure: measure))
        let log = CountingLog()
        let node = NodeController(
            api: api, builder: builder, intervals: .init(leaseRenewSeconds: 3600), clock: StoppedClock(),
            logger: Logger(label: "node") { _ in log }, measure: measure, images: { [] })
        let (registered, tell) = AsyncStream<Void>.makeStream()
        let running = Task { try await node.run { tell.yield() } }
        for await _ in registered { break }
        running.cancel()
        try await running.value
        #expect(log.count(.warning) == warnings)
        #expect(log.count(.info) == infos)
    }
}
