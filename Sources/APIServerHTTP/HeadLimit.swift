// Bounds what a client may send before its request's head is whole: the parser bounds header fields, but not the request line.
import NIOCore

/// Between TLS and the parser. Lives on its connection's loop.
final class HeadLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ConnectionHandler
    private let limit: Int
    private var pending = 0

    init(_ connection: ConnectionHandler, limit: Int) {
        self.connection = connection
        self.limit = limit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Nobody wants what comes after the end.
        if connection.isClosing { return }
        let seen = connection.partsSeen
        let count = unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
        guard connection.partsSeen == seen, connection.awaitsHead else {
            pending = 0
            return
        }
        pending += count
        if pending > limit { connection.refuseLongHead() }
    }
}
