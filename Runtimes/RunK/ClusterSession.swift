// A command or a port of a copy: channel messages of the cluster's API server as the streams that the agent knows.
import JSON
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Synchronization

final class ClusterSession: ExecSession {
    private let channels: any PodChannels
    /// The command's verdict, once its status came; the session's end without one is the cluster's.
    private let exit = Mutex<Exit>(Exit())

    private struct Exit {
        var result: Result<Int, RuntimeError>?
        var waiters: [CheckedContinuation<Result<Int, RuntimeError>, Never>] = []
    }

    init(_ channels: any PodChannels) { self.channels = channels }

    func nextOutput() async throws -> ExecOutput? {
        do {
            while let frame = try await channels.receive() {
                switch frame.channel {
                case ChannelFrame.stdout: return .stdout(frame.bytes)
                case ChannelFrame.stderr: return .stderr(frame.bytes)
                // Nothing comes behind it.
                case ChannelFrame.status:
                    end(Self.verdict(frame.bytes))
                    return nil
                default: break
                }
            }
        } catch {
            end(.failure(.unavailable(stage: "exec", reason: "\(error)")))
            throw error
        }
        end(.failure(.unavailable(stage: "exec", reason: "the cluster closed the connection before the command's end")))
        return nil
    }

    func write(_ bytes: [UInt8]) async throws { try await channels.send(ChannelFrame(ChannelFrame.stdin, bytes)) }

    func finishInput() async {
        guard channels.closesChannels else { return }
        // The command's end tells of a connection that broke.
        try? await channels.send(ChannelFrame(ChannelFrame.close, [ChannelFrame.stdin]))
    }

    func resize(_ size: TerminalSize) async {
        let text: JSONValue = ["Width": .int(Int64(size.width)), "Height": .int(Int64(size.height))]
        try? await channels.send(ChannelFrame(ChannelFrame.resize, text.serialized()))
    }

    func wait() async throws -> Int {
        let result = await withCheckedContinuation { continuation in
            let known = exit.withLock { exit in
                if exit.result == nil { exit.waiters.append(continuation) }
                return exit.result
            }
            if let known { continuation.resume(returning: known) }
        }
        return try result.get()
    }

    func close() async {
        await channels.close()
        end(.failure(.unavailable(stage: "exec", reason: "the session was closed")))
    }

    private func end(_ result: Result<Int, RuntimeError>) {
        let waiters = exit.withLock { exit in
            guard exit.result == nil else { return [CheckedContinuation<Result<Int, RuntimeError>, Never>]() }
            exit.result = result
            defer { exit.waiters = [] }
            return exit.waiters
        }
        for waiter in waiters { waiter.resume(returning: result) }
    }

    /// The final metav1.Status: success, an exit code among its causes, or why there was no command.
    private static func verdict(_ bytes: [UInt8]) -> Result<Int, RuntimeError> {
        guard let status = try? JSON.decode(APIStatus.self, from: bytes) else {
            return .failure(.unavailable(stage: "exec", reason: "the cluster's last word is no Status"))
        }
        if status.status == "Success" { return .success(0) }
        let code = status.details?.causes.first { $0.reason == "ExitCode" }?.message.flatMap { Int($0) }
        if let code { return .success(code) }
        return .failure(.unavailable(stage: "exec", reason: status.message ?? "unknown failure"))
    }
}

final class ClusterPort: ByteStream {
    private let channels: any PodChannels

    init(_ channels: any PodChannels) { self.channels = channels }

    func read() async throws -> [UInt8]? {
        while let frame = try await channels.receive() {
            if frame.channel == 0 { return frame.bytes }
            throw RuntimeError.unavailable(
                stage: "port-forward", reason: String(decoding: frame.bytes.prefix(1024), as: UTF8.self))
        }
        return nil
    }

    func write(_ bytes: [UInt8]) async throws { try await channels.send(ChannelFrame(0, bytes)) }

    /// The protocol has no half-closed connection: the other side reads on.
    func finishWriting() async {}

    func close() async { await channels.close() }
}
