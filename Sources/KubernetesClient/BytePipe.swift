// A bounded pipe of bytes between a writing and a reading task: how a body travels through the tunnel, on both ends.
import Synchronization

/// One writer, one reader. `write` suspends while the reader is behind; cancelling either task ends the pipe.
public final class BytePipe: TunnelBodyWriter, TunnelBodyReader, Sendable {
    /// A write suspends while this many bytes wait: enough to keep a socket busy, little enough for thousands of pipes.
    public static let maximumBufferedBytes = 256 << 10

    /// What a write throws when nobody reads any more.
    public struct Abandoned: Error, Sendable, CustomStringConvertible {
        public var description: String { "nobody reads this body any more" }
        public init() {}
    }

    private enum End {
        case open
        case finished((any Error)?)
        case abandoned
    }

    private struct State {
        var buffer: [UInt8] = []
        var end = End.open
        var reader: CheckedContinuation<Void, Never>?
        var writer: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    public init() {}

    /// Throws `Abandoned` once the reader has gone or the pipe was finished.
    public func write(_ bytes: [UInt8]) async throws {
        try state.withLock { state in
            guard case .open = state.end else { throw Abandoned() }
            state.buffer += bytes
        }
        wakeReader()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    guard case .open = state.end, state.buffer.count > Self.maximumBufferedBytes else { return true }
                    state.writer = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        } onCancel: {
            finish(throwing: CancellationError())
        }
        if case .abandoned = state.withLock({ $0.end }) { throw Abandoned() }
        try Task.checkCancellation()
    }

    /// What has gathered since the last call, never empty; nil at the end. Rethrows what the writer finished with.
    public func next() async throws -> [UInt8]? {
        while true {
            let step: Result<[UInt8]?, any Error>? = state.withLock { state in
                if !state.buffer.isEmpty {
                    defer { state.buffer = [] }
                    return .success(state.buffer)
                }
                switch state.end {
                case .open: return nil
                case .finished(let error?): return .failure(error)
                case .finished(nil), .abandoned: return .success(nil)
                }
            }
            if let step {
                wakeWriter()
                return try step.get()
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let mayGoOn = state.withLock { state in
                        guard case .open = state.end, state.buffer.isEmpty else { return true }
                        state.reader = continuation
                        return false
                    }
                    if mayGoOn { continuation.resume() }
                }
            } onCancel: {
                abandon()
            }
        }
    }

    /// The writer's end: the reader gets what is left, then nil (or `error`). The first end counts.
    public func finish(throwing error: (any Error)? = nil) {
        close(.finished(error))
    }

    /// The reader's end: writes throw from now on, and what waits is dropped.
    public func abandon() {
        close(.abandoned)
    }

    private func close(_ end: End) {
        state.withLock { state in
            guard case .open = state.end else { return }
            state.end = end
            if case .abandoned = end { state.buffer = [] }
        }
        wakeReader()
        wakeWriter()
    }

    private func wakeReader() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    private func wakeWriter() {
        let writer = state.withLock { state in
            defer { state.writer = nil }
            return state.writer
        }
        writer?.resume()
    }
}
