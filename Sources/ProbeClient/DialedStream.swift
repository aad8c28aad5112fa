// A NIO connection as a byte stream.
import NIOCore
import NIOSSL
import RuntimeInterface
import Synchronization

/// The end of a connection's pipeline: keeps what has come until it is asked for. Bounded: with more than `limit` bytes unread the
/// connection is read no further.
final class DialedStream: ChannelInboundHandler, ByteStream, Sendable {
    typealias InboundIn = ByteBuffer

    private static let limit = 64 * 1024

    private struct State {
        var channel: (any Channel)?
        var pieces: [[UInt8]] = []
        var bytes = 0
        var isPaused = false
        var hasEnded = false
        var failure: (any Error)?
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    // MARK: The connection's side

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        state.withLock { $0.channel = channel }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let piece = Array(unwrapInboundIn(data).readableBytesView)
        guard !piece.isEmpty else { return }
        let pauses = change { state in
            state.pieces.append(piece)
            state.bytes += piece.count
            guard state.bytes > Self.limit, !state.isPaused else { return false }
            state.isPaused = true
            return true
        }
        if pauses { context.channel.setOption(.autoRead, value: false).whenComplete { _ in } }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { change { $0.hasEnded = true } }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) { change { $0.hasEnded = true } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Many servers end TLS without close_notify; for a probe that is an end like any other, as for a kubelet's.
        let isEnd = (error as? NIOSSLError) == .uncleanShutdown
        change { state in
            if !isEnd { state.failure = state.failure ?? error }
            state.hasEnded = true
        }
        context.close(promise: nil)
    }

    /// Changes the state, then wakes the reader to look at it.
    @discardableResult
    private func change<T: Sendable>(_ body: (inout sending State) -> T) -> T {
        let (value, reader) = state.withLock { state in
            let value = body(&state)
            defer { state.reader = nil }
            return (value, state.reader)
        }
        reader?.resume()
        return value
    }

    // MARK: ByteStream

    func read() async throws -> [UInt8]? {
        while true {
            let (piece, resumes, ended, failure) = state.withLock { state in
                guard !state.pieces.isEmpty else { return ([UInt8]?.none, (any Channel)?.none, state.hasEnded, state.failure) }
                let piece = state.pieces.removeFirst()
                state.bytes -= piece.count
                let resumes = state.isPaused && state.bytes == 0
                if resumes { state.isPaused = false }
                return (piece, resumes ? state.channel : nil, false, nil)
            }
            resumes?.setOption(.autoRead, value: true).whenComplete { _ in }
            if let piece { return piece }
            if let failure { throw failure }
            if ended { return nil }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if !state.pieces.isEmpty || state.hasEnded { return true }
                    state.reader = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    func write(_ bytes: [UInt8]) async throws {
        guard let channel = state.withLock(\.channel) else { throw ChannelError.ioOnClosedChannel }
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: bytes))
    }

    /// Of a connection that has ended already there is nothing left to end.
    func finishWriting() async { try? await state.withLock(\.channel)?.close(mode: .output) }

    func close() async {
        change { $0.hasEnded = true }
        try? await state.withLock(\.channel)?.close()
    }
}
