// The client of `swiftlet-sandbox serve` (Sandbox/README.md): one resident launcher per agent, started when it is first wanted
// and again when it died. A launch never depends on it: where it does not answer, the launcher's command does the same work.

import CLinux
import Dispatch
import Glibc
import LocalRuntime
import RuntimeInterface
import Synchronization

final class ResidentLauncher: Sendable {
    /// Messages of a request, as the launcher receives them.
    private static let messageBytes = 60_000
    /// Most launches answer within this; for longer ones no thread waits.
    private static let quickMilliseconds: Int32 = 20
    /// A launcher that dies at once is not started again at once: 1 s, 2 s, 4 s ... 64 s between starts.
    private static let longestPause = 64

    private let program: String
    private let socket: String
    private let state = Mutex(State())

    private struct State {
        var process: Process?
        var closed = false
        var pause = 0
        var startedAt = timespec()
    }

    private struct Process: Sendable {
        let watch: PidfdWatch
        /// A second handle, for reaping.
        let descriptor: Int32
    }

    init(program: String, socket: String) {
        self.program = program
        self.socket = socket
    }

    /// Starts the task of a plan, which is also in a file for the command; it is launched once the record is written. Blocks for a
    /// moment.
    func attempt(plan bytes: [UInt8], file: String, directory: String) throws -> SupervisedContainer.Attempt {
        switch try ask(plan: bytes, directory: directory) {
        case .answered(let launched): return .launched(launched)
        case .waiting(let connection):
            return .pending {
                await Self.readable(connection)
                let launched = try await Blocking.run { try Self.finish(connection, directory: directory) }
                if let launched { return launched }
                return try await self.command(file, directory)
            }
        case .absent: return .pending { try await self.command(file, directory) }
        }
    }

    /// The same work by the launcher's command.
    private func command(_ file: String, _ directory: String) async throws -> Launched {
        Launched(status: try await Launcher.supervise(launcher: program, plan: file, directory: directory))
    }

    // MARK: One request

    private enum Asked: Sendable {
        case answered(Launched)
        case waiting(Int32)
        case absent
    }

    private func ask(plan bytes: [UInt8], directory: String) throws -> Asked {
        let connection = clinux_message_connect(socket)
        guard connection >= 0 else {
            start()
            return .absent
        }
        guard Self.send(bytes, directory: directory, to: connection) else {
            close(connection)
            return .absent
        }
        var ready = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, Self.quickMilliseconds) == 1 else { return .waiting(connection) }
        return try Self.finish(connection, directory: directory).map { .answered($0) } ?? .absent
    }

    private static func send(_ plan: [UInt8], directory: String, to connection: Int32) -> Bool {
        var message = Array("launch \(plan.count) \(directory)\n".utf8)
        var rest = plan[...]
        repeat {
            let part = rest.prefix(messageBytes - message.count)
            message += part
            rest = rest.dropFirst(part.count)
            let sent = message.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent != message.count { return false }
            message = []
        } while !rest.isEmpty
        return true
    }

    /// Takes the answer; nil when nothing was done and the command may do it. Keeps the connection of a task that runs, so that its
    /// supervisor, should it end in a moment, serves another.
    private static func finish(_ connection: Int32, directory: String) throws -> Launched? {
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = recv(connection, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        let answer = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        let word = answer.prefix { $0 != " " }
        // What is over at once is told in one message.
        if word == "started", answer.utf8.count(where: { $0 == UInt8(ascii: "\n") }) == 1 {
            return Launched(status: 0, news: SupervisorNews(connection: connection))
        }
        defer { close(connection) }
        switch word {
        case "started": return Launched(status: 0)
        case "failed": return Launched(status: 1)
        case "unrecorded": return Launched(status: 2)
        default: break
        }
        // Whoever took the request died or hangs. The lock file is the first thing that it makes; behind it nobody knows how far
        // it came, and a task is never started twice.
        guard RecordFiles.exists("\(directory)/supervisor.lock") else { return nil }
        if Launcher.isSupervised(directory) || RecordFiles.exists("\(directory)/state.json") { return Launched(status: 0) }
        throw RuntimeError.unavailable(
            stage: "launch(\(directory))", reason: "its supervisor was killed before it wrote a record")
    }

    private static func readable(_ connection: Int32) async {
        let duplicate = fcntl(connection, F_DUPFD_CLOEXEC, 0)
        guard duplicate >= 0 else { return }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let finish = OnceFlag()
            let watch = PidfdWatch(descriptor: duplicate) { if finish.set() { continuation.resume() } }
            DispatchQueue.global().asyncAfter(deadline: .now() + Launcher.deadline) {
                watch.cancel()
                if finish.set() { continuation.resume() }
            }
        }
    }

    // MARK: The process

    /// Starts the resident launcher unless it runs, was closed, or died a moment ago. Returns at once: who comes before its socket
    /// is there is served by the command.
    func start() {
        state.withLock { state in
            guard state.process == nil, !state.closed else { return }
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            let lived = now.tv_sec - state.startedAt.tv_sec
            guard state.pause == 0 || lived >= state.pause else { return }
            state.pause = lived > Self.longestPause ? 1 : min(Self.longestPause, max(1, state.pause * 2))
            state.startedAt = now
            // Where it cannot be started the command says why, with the first task.
            guard let pid = try? Launcher.spawn([program, "serve", "--socket", socket]) else { return }
            let descriptor = clinux_pidfd_open(pid, 0)
            guard descriptor >= 0 else { return }
            let watch = PidfdWatch(descriptor: fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) { [weak self] in
                var status: Int32 = 0
                _ = clinux_wait_pidfd(descriptor, &status)
                close(descriptor)
                self?.state.withLock { $0.process = nil }
            }
            state.process = Process(watch: watch, descriptor: descriptor)
        }
    }

    /// Ends the resident launcher; tasks and their supervisors go on.
    func end() {
        let process = state.withLock { state in
            state.closed = true
            return state.process
        }
        _ = process?.watch.signal(SIGTERM)
    }
}

/// True once.
private final class OnceFlag: Sendable {
    private let taken = Mutex(false)

    func set() -> Bool {
        taken.withLock { taken in
            defer { taken = true }
            return !taken
        }
    }
}
