// A connection that left HTTP: messages in (of a WebSocket) or pieces (bare SPDY), and out, with both directions bounded.
import NIOCore
import NIOWebSocket
import Synchronization

/// The conversation's side, for tasks. One receiver; several may send.
final class UpgradedConnection: Sendable {
    /// While more than this waits to be received, nothing is read from the socket.
    static let maximumWaitingBytes = 256 << 10
    /// An empty message costs something too.
    static let messageOverhead = 48

    /// What a caller sent before it left is still given on for so long: a command may be slow to take it.
    static let farewellPatience = Duration.seconds(5)

    struct Closed: Error {}

    private struct State {
        var messages: [[UInt8]] = []
        /// Of the first that was not received.
        var head = 0
        var bytes = 0
        var hasEnded = false
        var receiver: CheckedContinuation<Void, Never>?
        /// Who waits for the peer's end alone.
        var endWaiter: CheckedContinuation<Void, Never>?
        var handler: NIOLoopBound<UpgradedHandler>?

        var isEmpty: Bool { head == messages.count }

        mutating func take() -> [UInt8]? {
            if isEmpty { return nil }
            defer {
                head += 1
                // Now and then, so that taking is cheap and the array does not grow for ever.
                if head == messages.count || head > 1024 && head * 2 > messages.count {
                    messages.removeFirst(head)
                    head = 0
                }
            }
            return messages[head]
        }
    }

    private let loop: any EventLoop
    private let state = Mutex(State())

    init(loop: any EventLoop) { self.loop = loop }

    // MARK: For the conversation

    /// The next message, or piece; nil at the peer's end, or when the asking task was cancelled.
    func receive() async -> [UInt8]? {
        while !Task.isCancelled {
            let (message, hasEnded, hasRoom) = state.withLock { state -> ([UInt8]?, Bool, NIOLoopBound<UpgradedHandler>?) in
                guard let message = state.take() else { return (nil, state.hasEnded, nil) }
                let wasFull = state.bytes > Self.maximumWaitingBytes
                state.bytes -= message.count + Self.messageOverhead
                return (message, false, wasFull && state.bytes <= Self.maximumWaitingBytes ? state.handler : nil)
            }
            if let hasRoom { loop.execute { hasRoom.value.readIfWanted() } }
            if let message { return message }
            if hasEnded { return nil }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let mayGoOn = state.withLock { state in
                        guard state.isEmpty, !state.hasEnded, !Task.isCancelled else { return true }
                        state.receiver = continuation
                        return false
                    }
                    if mayGoOn { continuation.resume() }
                }
            } onCancel: {
                wake()
            }
        }
        return nil
    }

    /// Returns some time after the peer has gone, whether or not its messages are received: who receives them may be held up by one that
    /// nobody takes. Or when the asking task was cancelled. One at a time.
    func untilLeft() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    guard !state.hasEnded, !Task.isCancelled else { return true }
                    state.endWaiter = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        } onCancel: {
            wakeEndWaiter()
        }
        // Ends early when the conversation does.
        try? await Task.sleep(for: Self.farewellPatience)
    }

    /// Suspends while the peer does not take it. Throws once it has gone.
    func send(_ bytes: [UInt8]) async throws {
        guard let handler = state.withLock({ $0.hasEnded ? nil : $0.handler }) else { throw Closed() }
        let promise = loop.makePromise(of: Void.self)
        loop.execute { handler.value.send(bytes, promise) }
        try await promise.futureResult.get()
    }

    /// A farewell in the protocol's way; what was sent before still arrives.
    func close() {
        guard let handler = state.withLock({ $0.handler }) else { return }
        loop.execute { handler.value.close() }
    }

    // MARK: For the handler

    fileprivate func attach(_ handler: UpgradedHandler) {
        let bound = NIOLoopBound(handler, eventLoop: loop)
        state.withLock { $0.handler = bound }
    }

    fileprivate var isFull: Bool { state.withLock { $0.bytes > Self.maximumWaitingBytes } }

    fileprivate func push(_ message: [UInt8]) {
        state.withLock { state in
            guard !state.hasEnded else { return }
            state.messages.append(message)
            state.bytes += message.count + Self.messageOverhead
        }
        wake()
    }

    fileprivate func end() {
        state.withLock { state in
            state.hasEnded = true
            state.handler = nil
        }
        wake()
        wakeEndWaiter()
    }

    private func wakeEndWaiter() {
        let endWaiter = state.withLock { state in
            defer { state.endWaiter = nil }
            return state.endWaiter
        }
        endWaiter?.resume()
    }

    private func wake() {
        let receiver = state.withLock { state in
            defer { state.receiver = nil }
            return state.receiver
        }
        receiver?.resume()
    }
}

/// Between the socket (TLS) and the connection's own handler, which keeps the accounts. Lives on the loop.
final class UpgradedHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let connection: UpgradedConnection
    private var context: ChannelHandlerContext?
    private var waitsForRoom: [EventLoopPromise<Void>] = []
    private var readIsPending = false
    private var isClosing = false

    init(_ connection: UpgradedConnection) { self.connection = connection }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection.attach(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { ended() }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Half a connection is of no use to anybody here: every conversation's end is a message.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { ended() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ended()
        context.close(promise: nil)
    }

    private func ended() {
        connection.end()
        for promise in waitsForRoom { promise.fail(ChannelError.ioOnClosedChannel) }
        waitsForRoom = []
        context = nil
    }

    func read(context: ChannelHandlerContext) {
        // Behind the end all is read, and dropped: the peer's farewell is among it.
        if connection.isFull, !isClosing { readIsPending = true } else { context.read() }
    }

    func readIfWanted() {
        guard readIsPending, !connection.isFull, let context else { return }
        readIsPending = false
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isClosing { return }
        connection.push(Array(unwrapInboundIn(data).readableBytesView))
    }

    func send(_ bytes: [UInt8], _ promise: EventLoopPromise<Void>) {
        guard let context, !isClosing else { return promise.fail(ChannelError.ioOnClosedChannel) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        if context.channel.isWritable { promise.succeed() } else { waitsForRoom.append(promise) }
    }

    func close() {
        guard let context, !isClosing else { return }
        isClosing = true
        context.close(promise: nil)
        if readIsPending, self.context != nil { context.read() }
        readIsPending = false
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            let promises = waitsForRoom
            waitsForRoom = []
            for promise in promises { promise.succeed() }
        }
        // Not fired on: who reads slowly here (a pager, a stopped terminal) is not stalled; TCP's keep-alive finds the dead.
    }
}

/// Messages of a WebSocket as buffers. Answers pings, says good-bye.
final class WebSocketMessages: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    /// Of one message, however many frames it comes in.
    static let maximumBytes = 1 << 20

    private var partial = ByteBuffer()
    private var saidGoodbye = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .binary, .text, .continuation:
            var piece = frame.unmaskedData
            partial.writeBuffer(&piece)
            guard partial.readableBytes <= Self.maximumBytes else { return context.close(promise: nil) }
            guard frame.fin else { return }
            let message = partial
            partial = ByteBuffer()
            context.fireChannelRead(wrapInboundOut(message))
        case .ping: write(.pong, frame.unmaskedData, context)
        case .connectionClose: context.close(promise: nil)
        default: break
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .binary, data: unwrapOutboundIn(data))), promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        // 1000: done.
        if !saidGoodbye { write(.connectionClose, ByteBuffer(bytes: [0x03, 0xe8]), context) }
        saidGoodbye = true
        context.close(mode: mode, promise: promise)
    }

    private func write(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data)), promise: nil)
    }
}

enum UpgradedPipeline {
    /// In front of `last`: where the request's parser was.
    static func make(
        _ connection: UpgradedConnection, _ upgrade: StreamUpgrade, on pipeline: ChannelPipeline.SynchronousOperations,
        before last: ConnectionHandler
    ) throws {
        if upgrade.isWebSocket {
            try pipeline.addHandler(WebSocketFrameEncoder(), position: .before(last))
            try pipeline.addHandler(
                ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: WebSocketMessages.maximumBytes)), position: .before(last)
            )
            try pipeline.addHandler(WebSocketMessages(), position: .before(last))
        }
        try pipeline.addHandler(UpgradedHandler(connection), position: .before(last))
    }
}
