// A running command: its output in order of arrival, its end, and its whole tree's end on demand.

import CLinux
import Glibc
import RuntimeInterface
import Synchronization

package final class ProcessExecSession: ExecSession {
    private let input: AsyncDescriptor?
    private let outputs: [AsyncDescriptor]
    private let terminal: AsyncDescriptor?
    private let pieces = ExecOutputQueue()
    private let readers: Task<Void, Never>
    private let end: ProcessEnd
    private let group: ExecGroup?

    package init(process: StartedProcess, streams: ExecStreams, terminal: AsyncDescriptor?, group: ExecGroup?) {
        self.terminal = terminal
        self.group = group
        input = terminal ?? streams.input
        let sources =
            terminal.map { [($0, false)] }
            ?? [(streams.output, false), (streams.errors, true)].compactMap { stream, isError in
                stream.map { ($0, isError) }
            }
        outputs = sources.map(\.0)
        let (pieces, outputs) = (pieces, outputs)
        readers = Task {
            await withTaskGroup(of: Void.self) { tasks in
                for (stream, isError) in sources { tasks.addTask { await Self.copy(stream, isError, to: pieces) } }
            }
            pieces.finish()
        }
        end = ProcessEnd(process) {
            // A descendant may hold the streams open for days; what the command itself wrote is there already.
            for output in outputs { output.endWhenDry() }
            Task { _ = try? await Blocking.run { group?.removeIfEmpty() } }
        }
    }

    private static func copy(_ stream: AsyncDescriptor, _ isError: Bool, to pieces: ExecOutputQueue) async {
        while let bytes = try? await stream.read() {
            guard await pieces.push(isError ? .stderr(bytes) : .stdout(bytes)) else { return }
        }
    }

    package func nextOutput() async throws -> ExecOutput? {
        let piece = await pieces.next()
        try Task.checkCancellation()
        return piece
    }

    package func write(_ bytes: [UInt8]) async throws {
        guard let input else { throw RuntimeError.invalid(field: "stdin", reason: "the command has none") }
        try await input.write(bytes)
    }

    /// A terminal stays open for what is written into it: only its end-of-file character (Ctrl-D) says that there is no more.
    package func finishInput() async {
        if let terminal { try? await terminal.write([4]) } else { input?.close() }
    }

    package func resize(_ size: TerminalSize) async { _ = terminal?.with { clinux_set_window_size($0, size.height, size.width) } }

    package func wait() async throws -> Int { await end.wait() }

    package func close() async {
        if end.exitCode == nil {
            let group = group
            end.kill()
            _ = try? await Blocking.run { group?.kill() }
            _ = await end.wait()
            _ = try? await Blocking.run { group?.removeIfEmpty() }
        }
        readers.cancel()
        pieces.finish()
        for output in outputs { output.close() }
        input?.close()
    }
}

/// The wait status of a child, told once to everybody who asks.
private final class ProcessEnd: Sendable {
    private struct State {
        var exitCode: Int?
        var waiters: [CheckedContinuation<Int, Never>] = []
        var watch: PidfdWatch?
    }

    private let state = Mutex(State())

    package init(_ process: StartedProcess, ended: @escaping @Sendable () -> Void) {
        let descriptor = process.descriptor
        // The watch has a handle of its own: reaping needs one behind the end.
        let watch = PidfdWatch(descriptor: fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) { [weak self] in
            var status: Int32 = 0
            let reaped = clinux_wait_pidfd(descriptor, &status)
            Glibc.close(descriptor)
            let signal = Int(status & 0x7f)
            self?.finish(reaped == 1 ? (signal == 0 ? Int(status >> 8) & 0xff : 128 + signal) : 137)
            ended()
        }
        state.withLock { $0.watch = watch }
    }

    package var exitCode: Int? { state.withLock(\.exitCode) }

    package func kill() { _ = state.withLock(\.watch)?.signal(SIGKILL) }

    package func wait() async -> Int {
        await withCheckedContinuation { continuation in
            let known = state.withLock { state -> Int? in
                if state.exitCode == nil { state.waiters.append(continuation) }
                return state.exitCode
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    private func finish(_ code: Int) {
        let waiters = state.withLock { state in
            state.exitCode = code
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: code) }
    }
}

/// Between the readers of a command's streams and whoever asks for its output: a few pieces wait, then the command does.
private final class ExecOutputQueue: Sendable {
    private static let maximumPieces = 8

    private struct State {
        var pieces: [ExecOutput] = []
        var isFinished = false
        var reader: CheckedContinuation<Void, Never>?
        var writers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// False when nobody wants it any more.
    package func push(_ piece: ExecOutput) async -> Bool {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let mayGoOn = state.withLock { state in
                guard !state.isFinished, state.pieces.count >= Self.maximumPieces else { return true }
                state.writers.append(continuation)
                return false
            }
            if mayGoOn { continuation.resume() }
        }
        let (accepted, reader) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard !state.isFinished else { return (false, nil) }
            state.pieces.append(piece)
            defer { state.reader = nil }
            return (true, state.reader)
        }
        reader?.resume()
        return accepted
    }

    /// nil at the end, or when the asking task was cancelled.
    package func next() async -> ExecOutput? {
        while !Task.isCancelled {
            let (piece, isFinished, writers) = state.withLock { state in
                let piece = state.pieces.isEmpty ? nil : state.pieces.removeFirst()
                defer { if piece != nil { state.writers = [] } }
                return (piece, state.isFinished, piece == nil ? [] : state.writers)
            }
            for writer in writers { writer.resume() }
            if let piece { return piece }
            if isFinished { return nil }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let mayGoOn = state.withLock { state in
                        guard state.pieces.isEmpty, !state.isFinished, !Task.isCancelled else { return true }
                        state.reader = continuation
                        return false
                    }
                    if mayGoOn { continuation.resume() }
                }
            } onCancel: {
                wakeReader()
            }
        }
        return nil
    }

    package func finish() {
        let writers = state.withLock { state in
            state.isFinished = true
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume() }
        wakeReader()
    }

    private func wakeReader() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }
}
