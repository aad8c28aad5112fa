// In-memory streams of the fake runtime: a session whose command the test plays, and a pair of connected byte streams.
import Synchronization

/// The command's side is `send`, `exit`, `nextInput`, `sizes`; the caller's is `ExecSession`.
public final class FakeExecSession: ExecSession {
    private let output = FakeQueue<ExecOutput>()
    private let input = FakeQueue<[UInt8]>()
    private let exits = FakeQueue<Int>()
    private let state = Mutex(State())

    private struct State {
        var sizes: [TerminalSize] = []
        var exitCode: Int?
        var isClosed = false
    }

    public init() {}

    // MARK: The command's side

    public func send(_ piece: ExecOutput) {
        switch piece {
        case .stdout([]), .stderr([]): break
        case .stdout, .stderr: output.push(piece)
        }
    }

    /// The command ends: its output ends, then `wait` answers.
    public func exit(_ code: Int) {
        state.withLock { $0.exitCode = $0.exitCode ?? code }
        output.finish()
        exits.finish()
    }

    /// What the caller wrote; nil once it finished or closed.
    public func nextInput() async -> [UInt8]? { await input.next() }
    public var sizes: [TerminalSize] { state.withLock(\.sizes) }
    public var isClosed: Bool { state.withLock(\.isClosed) }

    // MARK: ExecSession

    public func nextOutput() async throws -> ExecOutput? { await output.next() }

    public func write(_ bytes: [UInt8]) async throws {
        guard input.push(bytes) else { throw RuntimeError.unavailable(stage: "stdin", reason: "the command has ended") }
    }

    public func finishInput() async { input.finish() }
    public func resize(_ size: TerminalSize) async { state.withLock { $0.sizes.append(size) } }

    public func wait() async throws -> Int {
        while await exits.next() != nil {}
        return state.withLock(\.exitCode) ?? 137
    }

    public func close() async {
        state.withLock { $0.isClosed = true }
        input.finish()
        exit(137)
    }
}

/// Two connected ends: what one writes the other reads.
public final class FakeByteStream: ByteStream {
    private let incoming: FakeQueue<[UInt8]>
    private let outgoing: FakeQueue<[UInt8]>

    private init(_ incoming: FakeQueue<[UInt8]>, _ outgoing: FakeQueue<[UInt8]>) {
        self.incoming = incoming
        self.outgoing = outgoing
    }

    public static func pair() -> (FakeByteStream, FakeByteStream) {
        let (one, other) = (FakeQueue<[UInt8]>(), FakeQueue<[UInt8]>())
        return (FakeByteStream(one, other), FakeByteStream(other, one))
    }

    public func read() async throws -> [UInt8]? { await incoming.next() }

    public func write(_ bytes: [UInt8]) async throws {
        guard outgoing.push(bytes) else { throw RuntimeError.unavailable(stage: "write", reason: "the connection has ended") }
    }

    public func finishWriting() async { outgoing.finish() }

    public func close() async {
        outgoing.finish()
        incoming.finish()
    }
}

/// A queue that a test fills and its subject empties; unbounded, as a test sends what it sends.
final class FakeQueue<Element: Sendable>: Sendable {
    private struct State {
        var items: [Element] = []
        var ended = false
        var readers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// False after the end.
    @discardableResult func push(_ item: Element) -> Bool {
        let accepted = state.withLock { state in
            guard !state.ended else { return false }
            state.items.append(item)
            return true
        }
        wake()
        return accepted
    }

    func finish() {
        state.withLock { $0.ended = true }
        wake()
    }

    /// nil at the end, or when the task that asks was cancelled.
    func next() async -> Element? {
        while !Task.isCancelled {
            let (item, ended) = state.withLock { state in (state.items.isEmpty ? nil : state.items.removeFirst(), state.ended) }
            if let item { return item }
            if ended { return nil }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let ready = state.withLock { state in
                        guard state.items.isEmpty, !state.ended, !Task.isCancelled else { return true }
                        state.readers.append(continuation)
                        return false
                    }
                    if ready { continuation.resume() }
                }
            } onCancel: {
                wake()
            }
        }
        return nil
    }

    private func wake() {
        let readers = state.withLock { state in
            defer { state.readers = [] }
            return state.readers
        }
        for reader in readers { reader.resume() }
    }
}
