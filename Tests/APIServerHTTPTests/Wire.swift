// A wire between a client and a server that can be cut, or hold back what it carries without a word.
import NIOCore
import NIOPosix
import Synchronization

final class Wire: Sendable {
    fileprivate struct State {
        var ends: [ObjectIdentifier: any Channel] = [:]
        var isStalled = false
    }

    private let shared: WireState
    private let listener: any Channel

    private init(_ shared: WireState, _ listener: any Channel) {
        self.shared = shared
        self.listener = listener
    }

    var port: Int { listener.localAddress?.port ?? 0 }
    /// Connections that are open, both ends of each counted.
    var connections: Int { shared.state.withLock(\.ends.count) }

    /// Relays to a port of this machine until `close`.
    static func open(to port: Int) async throws -> Wire {
        let shared = WireState()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop)
                    .channelOption(.autoRead, value: false)
                    .connect(host: "127.0.0.1", port: port)
                    .flatMap { far in
                        near.eventLoop.makeCompletedFuture {
                            try near.pipeline.syncOperations.addHandler(WireEnd(far, shared))
                            try far.pipeline.syncOperations.addHandler(WireEnd(near, shared))
                            far.read()
                        }.flatMap { near.setOption(.autoRead, value: true) }.flatMap { far.setOption(.autoRead, value: true) }
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return Wire(shared, listener)
    }

    /// From now on bytes vanish in both directions.
    func stall() { shared.state.withLock { $0.isStalled = true } }

    /// Ends every connection at once.
    func cut() {
        let ends = shared.state.withLock { Array($0.ends.values) }
        for end in ends { end.close(promise: nil) }
    }

    func close() async {
        cut()
        try? await listener.close()
    }
}

private final class WireState: Sendable {
    let state = Mutex(Wire.State())
}

private final class WireEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let other: any Channel
    private let shared: WireState

    init(_ other: any Channel, _ shared: WireState) {
        self.other = other
        self.shared = shared
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        shared.state.withLock { $0.ends[ObjectIdentifier(channel)] = channel }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if shared.state.withLock(\.isStalled) { return }
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let channel = context.channel
        shared.state.withLock { _ = $0.ends.removeValue(forKey: ObjectIdentifier(channel)) }
        other.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
