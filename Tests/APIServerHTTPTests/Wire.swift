// A wire between a client and a server that can be cut, at once or behind so many bytes, or hold back what it carries without a word.
import NIOCore
import NIOPosix
import Synchronization

final class Wire: Sendable {
    fileprivate struct State {
        var ends: [ObjectIdentifier: NIOLoopBound<WireEnd>] = [:]
        var isHeld = false
        /// Bytes of the server that each connection carries before it is cut.
        var limit: Int?
    }

    fileprivate final class Shared: Sendable {
        let state = Mutex(State())
    }

    private let shared: Shared
    private let listener: any Channel

    private init(_ shared: Shared, _ listener: any Channel) {
        self.shared = shared
        self.listener = listener
    }

    var port: Int { listener.localAddress?.port ?? 0 }
    /// Connections that are open, both ends of each counted.
    var connections: Int { shared.state.withLock(\.ends.count) }

    /// Relays to a port of this machine until `close`.
    static func open(to port: Int) async throws -> Wire {
        let shared = Shared()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Nothing is read before there is somewhere to write it.
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop)
                    .channelOption(.autoRead, value: false)
                    .connect(host: "127.0.0.1", port: port)
                    .flatMap { far in
                        near.eventLoop.makeCompletedFuture {
                            try near.pipeline.syncOperations.addHandler(WireEnd(far, shared, isServer: false))
                            try far.pipeline.syncOperations.addHandler(WireEnd(near, shared, isServer: true))
                        }.flatMap { near.setOption(.autoRead, value: true) }.flatMap { far.setOption(.autoRead, value: true) }
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return Wire(shared, listener)
    }

    var isHeld: Bool { shared.state.withLock(\.isHeld) }

    /// From now on nothing arrives, in both directions, until `release`.
    func hold() { shared.state.withLock { $0.isHeld = true } }

    func release() {
        let ends = shared.state.withLock { state in
            state.isHeld = false
            return Array(state.ends.values)
        }
        for end in ends { end.eventLoop.execute { end.value.release() } }
    }

    /// Connections that are opened from now on are cut behind so many bytes of the server; nil: no longer.
    func cut(behind limit: Int?) { shared.state.withLock { $0.limit = limit } }

    /// Ends every connection at once.
    func cut() {
        let ends = shared.state.withLock { Array($0.ends.values) }
        for end in ends { end.eventLoop.execute { end.value.cut() } }
    }

    func close() async {
        cut()
        try? await listener.close()
    }
}

/// One connection of a pair; lives on the loop of both.
private final class WireEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let other: any Channel
    private let shared: Wire.Shared
    private var context: ChannelHandlerContext?
    private var held: [ByteBuffer] = []
    /// Bytes that may still pass; nil: any number.
    private var rest: Int?

    init(_ other: any Channel, _ shared: Wire.Shared, isServer: Bool) {
        self.other = other
        self.shared = shared
        rest = isServer ? shared.state.withLock(\.limit) : nil
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let id = ObjectIdentifier(self)
        shared.state.withLock { $0.ends[id] = bound }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if shared.state.withLock(\.isHeld) { held.append(unwrapInboundIn(data)) } else { pass(unwrapInboundIn(data)) }
    }

    private func pass(_ buffer: ByteBuffer) {
        var buffer = buffer
        guard let rest else { return other.writeAndFlush(buffer, promise: nil) }
        let passed = min(rest, buffer.readableBytes)
        self.rest = rest - passed
        if let piece = buffer.readSlice(length: passed) { other.writeAndFlush(piece, promise: nil) }
        if rest == passed { cut() }
    }

    /// In one piece.
    func release() {
        var all = ByteBuffer()
        for var buffer in held { all.writeBuffer(&buffer) }
        held = []
        if all.readableBytes > 0 { pass(all) }
    }

    func cut() { context?.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        let id = ObjectIdentifier(self)
        shared.state.withLock { _ = $0.ends.removeValue(forKey: id) }
        other.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
