// A request as the connection hands it to the responder, and the body that is still coming in (a node's answer).
import APIServer
import NIOCore
import NIOHTTP1
import Synchronization

struct FrontRequest: Sendable {
    var method: String
    /// The request target as it came: path and query.
    var uri: String
    var headers: HTTPHeaders
    /// Whole; empty when `bodyStream` is set.
    var body: [UInt8] = []
    var bodyStream: RequestBody?
    /// Of the verified client certificate.
    var certificateUser: UserInfo?
    var source = SourceAddress.unknown

    /// The header's first value.
    func header(_ name: String) -> String? { headers.first(name: name) }
}

/// A body that is read while it arrives. The connection pushes; one task reads; what waits is bounded because the connection
/// stops reading from its socket while the body is full.
final class RequestBody: Sendable {
    /// As long as so many bytes wait, no more are read from the socket.
    static let maximumWaiting = 256 << 10

    struct Broken: Error {}

    private struct State {
        var waiting: [ByteBuffer] = []
        var bytes = 0
        /// nil: more is to come.
        var end: Result<Void, Broken>?
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let onDrained: @Sendable () -> Void

    /// `onDrained` is called whenever a full body has room again.
    init(onDrained: @escaping @Sendable () -> Void) { self.onDrained = onDrained }

    var isFull: Bool { state.withLock { $0.bytes >= Self.maximumWaiting } }

    func push(_ piece: ByteBuffer) {
        let reader = state.withLock { state in
            state.waiting.append(piece)
            state.bytes += piece.readableBytes
            return Self.takeReader(&state)
        }
        reader?.resume()
    }

    /// The first end counts.
    func finish(_ end: Result<Void, Broken>) {
        let reader = state.withLock { state in
            state.end = state.end ?? end
            return Self.takeReader(&state)
        }
        reader?.resume()
    }

    /// nil at the end. Throws `Broken` when the connection went first, `CancellationError` when the task was cancelled.
    func next() async throws -> ByteBuffer? {
        while true {
            try Task.checkCancellation()
            let (piece, end, hasRoom) = state.withLock { state -> (ByteBuffer?, Result<Void, Broken>?, Bool) in
                guard !state.waiting.isEmpty else { return (nil, state.end, false) }
                let wasFull = state.bytes >= Self.maximumWaiting
                let piece = state.waiting.removeFirst()
                state.bytes -= piece.readableBytes
                return (piece, nil, wasFull && state.bytes < Self.maximumWaiting)
            }
            if hasRoom { onDrained() }
            if let piece { return piece }
            if let end {
                try end.get()
                return nil
            }
            await wait()
        }
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    guard state.waiting.isEmpty, state.end == nil else { return true }
                    state.reader = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        } onCancel: {
            finish(.failure(Broken()))
        }
    }

    private static func takeReader(_ state: inout State) -> CheckedContinuation<Void, Never>? {
        defer { state.reader = nil }
        return state.reader
    }
}
