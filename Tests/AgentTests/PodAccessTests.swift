// What a node makes of exec, attach and port-forward requests, over a runtime whose commands the test plays.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

/// A tunnel with one caller, whose bytes the test writes and reads.
private final class CallerTunnel: NodeTunnel {
    let fromCaller = BytePipe()
    let toCaller = BytePipe()
    let status = Mutex(0)

    func nextRequest() async throws -> TunnelRequest? { nil }

    func respond(
        to id: String, status: Int, contentType: String, body: @escaping @Sendable (any TunnelBodyWriter) async throws -> Void
    ) async throws {
        self.status.withLock { $0 = status }
        do {
            try await body(toCaller)
            toCaller.finish()
        } catch {
            toCaller.finish(throwing: error)
            throw error
        }
    }

    func input(of id: String) async throws -> any TunnelBodyReader { fromCaller }
    func close() async {}

    /// The whole answer.
    func frames() async throws -> [ChannelFrame] {
        var (reader, frames) = (ChannelFrameReader(), [ChannelFrame]())
        while let bytes = try await toCaller.next() { frames += try reader.append(bytes) }
        return frames
    }

    func text() async throws -> String {
        var text: [UInt8] = []
        while let bytes = try await toCaller.next() { text += bytes }
        return String(decoding: text, as: UTF8.self)
    }
}

@Suite("Access to pods on the node", .timeLimit(.minutes(1)))
struct PodAccessTests {
    private let id = ContainerID(podUID: "u1", name: "main", attempt: 0)

    private func runtime() async throws -> FakeRuntime {
        let runtime = FakeRuntime(now: { 0 })
        try await runtime.runPodSandbox(
            PodSandboxConfig(
                podUID: "u1", namespace: "alice", name: "web", hostname: "web", stateDirectory: "/x", logDirectory: "/x"))
        _ = try await runtime.createContainer(podUID: "u1", config: ContainerConfig(name: "main", image: "i", logPath: "/x/log"))
        try await runtime.startContainer(id)
        return runtime
    }

    private func ask(_ path: String, _ runtime: FakeRuntime, _ tunnel: CallerTunnel) -> Task<Void, any Error> {
        let access = PodAccess(
            runtime: runtime, logger: Logger(label: "test"),
            locateContainer: { [id] namespace, pod, name in
                namespace == "alice" && pod == "web" && (name.isEmpty || name == "main") ? id : nil
            },
            locatePod: { $1 == "web" ? "u1" : nil })
        let exchange = NodeTunnelExchange(request: TunnelRequest(id: "1", method: "POST", path: path), tunnel: tunnel)
        let route = access.routes.first { $0.fits(exchange.path) }
        return Task { try await route?.answer(exchange) }
    }

    @Test("output, errors and the exit code come in frames; a success is one")
    func results() async throws {
        let runtime = try await runtime()
        runtime.answerExec(["ls", "a b"], ExecResult(exitCode: 2, stdout: Array("out".utf8), stderr: Array("err".utf8)))
        for (command, code) in [("command=ls&command=a%20b", 2), ("command=true", 0)] {
            let tunnel = CallerTunnel()
            let task = ask("/exec/alice/web/main?\(command)&output=1&error=1", runtime, tunnel)
            let frames = try await tunnel.frames()
            try await task.value
            let status = try JSON.decode(APIStatus.self, from: try #require(frames.last).bytes)
            #expect(status.status == (code == 0 ? "Success" : "Failure"))
            #expect(status.details?.causes.first?.message == (code == 0 ? nil : "\(code)"))
            guard code != 0 else { continue }
            #expect(frames.dropLast() == [ChannelFrame(1, Array("out".utf8)), ChannelFrame(2, Array("err".utf8))])
            #expect(status.reason == "NonZeroExitCode")
        }
    }

    @Test("input, its end and the terminal's sizes reach the command")
    func input() async throws {
        let runtime = try await runtime()
        let session = FakeExecSession()
        runtime.onSession { _, request in
            #expect(request.tty && request.stdin && request.command == ["sh"])
            return session
        }
        let tunnel = CallerTunnel()
        let task = ask("/exec/alice/web/main?command=sh&input=1&output=1&tty=1", runtime, tunnel)
        try await tunnel.fromCaller.write(ChannelFrame(4, Array(#"{"Width":90,"Height":30}"#.utf8)).encoded)
        try await tunnel.fromCaller.write(ChannelFrame(0, Array("typed".utf8)).encoded)
        #expect(await session.nextInput() == Array("typed".utf8))
        #expect(session.sizes == [TerminalSize(width: 90, height: 30)])
        try await tunnel.fromCaller.write(ChannelFrame(255, [0]).encoded)
        #expect(await session.nextInput() == nil)
        session.exit(0)
        _ = try await tunnel.frames()
        try await task.value
        #expect(session.isClosed)
    }

    @Test("a caller that leaves ends the command") func leaving() async throws {
        let runtime = try await runtime()
        let session = FakeExecSession()
        runtime.onSession { _, _ in session }
        let tunnel = CallerTunnel()
        let task = ask("/exec/alice/web/main?command=sh&output=1", runtime, tunnel)
        session.send(.stdout([1]))
        _ = try await tunnel.toCaller.next()
        tunnel.toCaller.abandon()
        session.send(.stdout([2]))
        await #expect(throws: (any Error).self) { try await task.value }
        #expect(session.isClosed)
    }

    @Test("what is not there is refused in words; a program that is not there is the command's own failure")
    func refusals() async throws {
        let runtime = try await runtime()
        for (path, status, words) in [
            ("/exec/alice/web/other?command=x&output=1", 404, "container not found"), ("/exec/alice", 404, "no such path"),
            ("/portForward/alice/web?port=0", 400, "expected"), ("/portForward/alice/none?port=1", 404, "pod not found"),
            ("/portForward/alice/web?port=9", 500, "failed to connect to port 9"),
        ] {
            let tunnel = CallerTunnel()
            let task = ask(path, runtime, tunnel)
            #expect(try await tunnel.text().contains(words))
            try await task.value
            #expect(tunnel.status.withLock { $0 } == status)
        }
        runtime.failNext(.exec, .invalid(field: "command", reason: "exec: \"x\": executable file not found in $PATH"))
        let tunnel = CallerTunnel()
        let task = ask("/exec/alice/web/main?command=x&output=1", runtime, tunnel)
        let status = try JSON.decode(APIStatus.self, from: try #require(try await tunnel.frames().last).bytes)
        try await task.value
        #expect(status.reason == "InternalError" && status.message?.contains("not found in $PATH") == true)
    }

    @Test("a forwarded port passes bytes both ways, and each side's end") func forward() async throws {
        let runtime = try await runtime()
        let (ours, theirs) = FakeByteStream.pair()
        runtime.onPortForward { _, _ in ours }
        let tunnel = CallerTunnel()
        let task = ask("/portForward/alice/web?port=80", runtime, tunnel)
        try await tunnel.fromCaller.write(Array("question".utf8))
        #expect(try await theirs.read() == Array("question".utf8))
        tunnel.fromCaller.finish()
        #expect(try await theirs.read() == nil)
        try await theirs.write(Array("answer".utf8))
        await theirs.finishWriting()
        #expect(try await tunnel.text() == "answer")
        try await task.value
    }
}
