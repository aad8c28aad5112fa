// What a node answers through its tunnel, without a master: logs, and clear refusals.
import Glibc
import KubernetesClient
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

/// A tunnel that asks once and keeps what is answered.
private final class OneRequestTunnel: NodeTunnel, NodeTunnelDialing {
    struct Answer: Sendable {
        var status: Int
        var body: String
    }

    private final class Sink: TunnelBodyWriter {
        let bytes = Mutex<[UInt8]>([])
        func write(_ more: [UInt8]) async throws { bytes.withLock { $0 += more } }
    }

    private let path: String
    private let state = Mutex<(asked: Bool, answer: Answer?, waiter: CheckedContinuation<Answer, Never>?)>((false, nil, nil))

    init(path: String) { self.path = path }

    func openTunnel(node: String) async throws -> any NodeTunnel { self }

    func nextRequest() async throws -> TunnelRequest? {
        let first = state.withLock { state in
            defer { state.asked = true }
            return !state.asked
        }
        if first { return TunnelRequest(id: "1", method: "GET", path: path) }
        // As a real tunnel with nothing to ask: until the server is cancelled.
        try await Task.sleep(for: .seconds(3600))  // ended by cancellation
        return nil
    }

    func respond(
        to id: String, status: Int, contentType: String, body: @escaping @Sendable (any TunnelBodyWriter) async throws -> Void
    ) async throws {
        let sink = Sink()
        try await body(sink)
        let answer = Answer(status: status, body: String(decoding: sink.bytes.withLock { $0 }, as: UTF8.self))
        let waiter = state.withLock { state in
            state.answer = answer
            return state.waiter
        }
        waiter?.resume(returning: answer)
    }

    func close() async {}

    func answer() async -> Answer {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if state.answer == nil { state.waiter = continuation }
                return state.answer
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }
}

@Suite("Node tunnel", .timeLimit(.minutes(1)))
struct NodeTunnelServerTests {
    private func ask(_ path: String, log: String?) async -> OneRequestTunnel.Answer {
        let tunnel = OneRequestTunnel(path: path)
        let server = NodeTunnelServer(
            node: "alice-1", dialer: tunnel, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            secondsAgo: { _ in "" }
        ) { namespace, pod, container, _ in
            guard namespace == "alice", pod == "p", container == "c", let log else { return nil }
            return log.isEmpty ? .absent("it waits") : .file(ContainerLogFile(path: log) { true })
        }
        let running = Task { await server.run() }
        let answer = await tunnel.answer()
        running.cancel()
        await running.value
        return answer
    }

    @Test("a container's log is answered with its lines")
    func log() async throws {
        let path = try ContainerLogReaderTests.temporaryLog([ContainerLogReaderTests.sample[0]])
        defer { unlink(path) }
        let answer = await ask("/containerLogs/alice/p/c", log: path)
        #expect(answer.status == 200 && answer.body == "one\n")
    }

    @Test("a container that waits is not found fault with as if it were not there: 400 and why, as a kubelet answers")
    func waiting() async {
        let answer = await ask("/containerLogs/alice/p/c?follow=true", log: "")
        #expect(answer.status == 400 && answer.body == "it waits\n")
    }

    @Test("a container that ended without a word has an empty log, for who follows too")
    func silent() async {
        let answer = await ask("/containerLogs/alice/p/c?follow=true", log: "/nonexistent/0.log")
        #expect(answer.status == 200 && answer.body == "", "\(answer)")
    }

    @Test(
        "what the node does not have or serve is refused, naming it", arguments: ["/containerLogs/alice/q/c", "/exec/alice/p/c"])
    func unknown(path: String) async {
        let answer = await ask(path, log: nil)
        #expect(answer.status == 404 && answer.body.contains(path.contains("exec") ? "/exec/alice/p/c" : "alice/q"), "\(answer)")
    }
}
