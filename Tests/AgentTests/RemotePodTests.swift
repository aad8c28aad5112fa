// Pods that run elsewhere: their logs through this node's tunnel, and what they use in this node's figures.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

/// Knows one pod, whose log does what the test says.
private struct FarPods: PodProviderAccess {
    typealias Log = @Sendable (@escaping @Sendable ([UInt8]) async throws -> Void) async throws -> Void
    var log: Log = { _ in }

    func knows(namespace: String, pod: String) async -> Bool { pod == "far" }
    func readLog(
        namespace: String, pod: String, query: RemoteLogQuery, write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws { try await log(write) }
    func exec(namespace: String, pod: String, container: String, _ request: ExecRequest) async throws -> any ExecSession {
        throw RuntimeError.unavailable(stage: "exec", reason: "too many requests")
    }
    func attach(namespace: String, pod: String, container: String, _ request: ExecRequest) async throws -> any ExecSession {
        throw RuntimeError.notFound("pod")
    }
    func portForward(namespace: String, pod: String, port: UInt16) async throws -> any ByteStream {
        throw RuntimeError.notFound("pod")
    }
    func podStats() async -> [RemotePodStats] { [] }
}

/// Keeps what is answered; `leave` is the caller going away.
private final class Caller: NodeTunnel {
    private struct State {
        var status: Int?
        var bytes: [UInt8] = []
    }

    private final class Sink: TunnelBodyWriter {
        let caller: Caller
        init(_ caller: Caller) { self.caller = caller }
        func write(_ more: [UInt8]) async throws { caller.state.withLock { $0.bytes += more } }
    }

    private let state = Mutex(State())
    var status: Int? { state.withLock(\.status) }
    var text: String { String(decoding: state.withLock(\.bytes), as: UTF8.self) }

    func nextRequest() async throws -> TunnelRequest? { nil }
    func respond(
        to id: String, status: Int, contentType: String, body: @escaping @Sendable (any TunnelBodyWriter) async throws -> Void
    ) async throws {
        state.withLock { $0.status = status }
        try await body(Sink(self))
    }
    func close() async {}

    /// The answer of the route that fits; cancelled is a caller that left.
    func ask(_ access: any PodProviderAccess, _ path: String) -> Task<Void, any Error> {
        Task {
            let exchange = NodeTunnelExchange(request: TunnelRequest(id: "1", method: "GET", path: path), tunnel: self)
            for route in RemotePodRoutes(access: access).routes where route.fits(exchange.path) {
                if await route.claims(exchange) { return try await route.answer(exchange) }
            }
            throw LabError("no route takes \(path)")
        }
    }
}

@Suite("Pods elsewhere", .timeLimit(.minutes(2)))
struct RemotePodTests {
    private static let log = "/containerLogs/alice/far/main?follow=true"

    private func eventually(_ what: String, _ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(5))  // between two looks, within the deadline
        }
        Issue.record("not within 60 s: \(what)")
    }

    @Test("a refusal of a log is one, with its reason and code; what comes after a first line is a broken answer")
    func refusals() async throws {
        let caller = Caller()
        try await caller.ask(FarPods { _ in throw RuntimeError.notFound("container main") }, Self.log).value
        #expect(caller.status == 404 && caller.text.contains("container main"))
        let other = Caller()
        try await other.ask(FarPods { _ in throw RuntimeError.unavailable(stage: "log", reason: "busy") }, Self.log).value
        #expect(other.status == 500 && other.text.contains("busy"))
        let broken = Caller()
        let asking = broken.ask(
            FarPods { write in
                try await write(Array("line\n".utf8))
                // The first line is taken before the rest breaks off.
                while broken.text.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
                throw RuntimeError.unavailable(stage: "log", reason: "broke off")
            }, Self.log)
        await #expect(throws: RuntimeError.self) { try await asking.value }
        #expect(broken.status == 200 && broken.text == "line\n")
    }

    @Test("a log that is silent begins its answer all the same, so that a caller who leaves is noticed, and ends with him")
    func silence() async throws {
        let ended = Mutex(false)
        let access = FarPods { _ in
            defer { ended.withLock { $0 = true } }
            try await Task.sleep(for: .seconds(3600))  // ended by cancellation
        }
        let caller = Caller()
        let asking = caller.ask(access, Self.log)
        try await eventually("the answer begins") { caller.status == 200 }
        asking.cancel()
        _ = await asking.result
        try await eventually("the reading ends") { ended.withLock { $0 } }
    }

    @Test("a command that the other side refuses is told in its words")
    func command() async throws {
        let caller = Caller()
        try await caller.ask(FarPods(), "/exec/alice/far/main?command=true&output=1").value
        #expect(caller.status == 500 && caller.text.contains("too many requests"))
    }

    @Test("what they use is in the node's summary beside the node's own pods")
    func stats() async throws {
        let lab = try AgentLab()
        let far = RemotePodStats(
            uid: "uid-far", namespace: "alice", name: "far", startedAt: 1_767_225_600, measuredAt: 1_767_225_660,
            containers: [.init(name: "main", cpuNanoCores: 5_000_000, workingSetBytes: 7 << 20)])
        let provider = StatsProvider(
            node: AgentLab.node, pods: lab.service.pods, runtime: lab.runtime, clock: SystemClock(),
            measure: { [machine = lab.machine] in machine.load },
            evictions: { [:] }, remote: { [far] })
        let pod = try #require(try await provider.stats().summary["pods"]?.arrayValue?.first)
        #expect(
            pod[path: "podRef", "uid"]?.stringValue == "uid-far" && pod[path: "memory", "workingSetBytes"]?.intValue == 7 << 20)
    }
}
