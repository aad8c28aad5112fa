// A container's own streams, as its supervisor hands them out over a socket: messages that begin with their channel's number.

import CLinux
import Glibc
import RuntimeInterface
import Synchronization

package final class AttachSession: ExecSession {
    /// The supervisor's bound of a message.
    private static let pieceBytes = 16 << 10
    private enum Channel {
        static let stdin: UInt8 = 0
        static let stderr: UInt8 = 2
        static let resize: UInt8 = 4
        static let close: UInt8 = 255
    }

    private struct State {
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let socket: AsyncDescriptor
    private let request: ExecRequest
    private let state = Mutex(State())

    /// Blocks. Throws `notFound` when the container's supervisor does not listen any more.
    package init(_ container: SupervisedContainer, _ request: ExecRequest) throws {
        let descriptor = clinux_message_connect(container.paths.attach)
        guard descriptor >= 0 else { throw RuntimeError.notFound("running container \(container.id)") }
        socket = AsyncDescriptor(descriptor)
        self.request = request
        // Says that this one types: the container's input may end with it.
        var hello = [Channel.stdin]
        if request.stdin, Glibc.send(descriptor, &hello, 1, Int32(MSG_NOSIGNAL)) != 1 {
            throw RuntimeError.notFound("running container \(container.id)")
        }
    }

    package func nextOutput() async throws -> ExecOutput? {
        while let message = try await socket.read() {
            guard let channel = message.first, message.count > 1 else { continue }
            let isError = channel == Channel.stderr
            guard isError ? request.stderr : request.stdout else { continue }
            return isError ? .stderr(Array(message.dropFirst())) : .stdout(Array(message.dropFirst()))
        }
        try Task.checkCancellation()
        end()
        return nil
    }

    package func write(_ bytes: [UInt8]) async throws {
        guard request.stdin else { throw RuntimeError.invalid(field: "stdin", reason: "the session has none") }
        for start in stride(from: 0, to: bytes.count, by: Self.pieceBytes) {
            try await socket.write([Channel.stdin] + bytes[start..<min(bytes.count, start + Self.pieceBytes)])
        }
    }

    package func finishInput() async { await say([Channel.close]) }

    package func resize(_ size: TerminalSize) async {
        let words = [size.height, size.width].flatMap { withUnsafeBytes(of: $0, Array.init) }
        await say([Channel.resize] + words)
    }

    /// The supervisor may be gone, and with it whoever would have heard this.
    private func say(_ message: [UInt8]) async { try? await socket.write(message) }

    /// The container's own end is not the session's to tell: its status has it.
    package func wait() async throws -> Int {
        await withCheckedContinuation { continuation in
            let mayGoOn = state.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if mayGoOn { continuation.resume() }
        }
        return 0
    }

    package func close() async {
        socket.close()
        end()
    }

    private func end() {
        let waiters = state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

extension LocalPods {
    /// Throws `unenforceable` for a container without a console: all there is of it is its log.
    package func attach(_ id: ContainerID, _ request: ExecRequest) async throws -> AttachSession {
        guard let container = container(id) else { throw RuntimeError.notFound("container \(id)") }
        guard container.config.console != nil else {
            throw RuntimeError.unenforceable("attach: container \(id) has neither stdin nor tty")
        }
        guard case .running = await container.phase else { throw RuntimeError.notFound("running container \(id)") }
        return try await Blocking.run { try AttachSession(container, request) }
    }
}
