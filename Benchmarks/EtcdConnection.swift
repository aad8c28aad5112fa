// etcd's own gRPC API (etcdserverpb.KV/Put) over plain HTTP/2, one call at a time per connection: just enough of the protocol
// for that. Header blocks are never decoded: an answer with a data frame is a PutResponse, one without is a refusal.
import NIOCore
import NIOPosix

/// Lives on one event loop; `@unchecked Sendable` because it is only handed between closures of that loop.
final class EtcdConnection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Frame {
        static let data: UInt8 = 0, headers: UInt8 = 1, reset: UInt8 = 3, settings: UInt8 = 4, ping: UInt8 = 6, goAway: UInt8 = 7,
            windowUpdate: UInt8 = 8
        static let endStream: UInt8 = 1, acknowledge: UInt8 = 1, endHeaders: UInt8 = 4
    }

    private var channel: (any Channel)?
    private var buffer = ByteBuffer()
    private var stream: UInt32 = 1
    private var sawData = false
    /// What the server still takes on this connection; a call waits when it is used up.
    private var window = 65_535
    private var waiting: ByteBuffer?
    private let headers: ByteBuffer
    var onAnswer: ((_ succeeded: Bool) -> Void)?
    var onClose: (() -> Void)?

    init(_ target: Target) {
        var block = ByteBuffer(bytes: [0x83, 0x86])  // :method POST, :scheme http
        func literal(_ name: [UInt8], _ value: String) {
            block.writeBytes(name)
            block.writeInteger(UInt8(value.utf8.count))
            block.writeString(value)
        }
        literal([0x04], "/etcdserverpb.KV/Put")  // :path
        literal([0x01], "\(target.host):\(target.port)")  // :authority
        literal([0x0f, 0x10], "application/grpc")  // content-type
        literal([0x00, 2] + Array("te".utf8), "trailers")
        headers = block
    }

    static func open(_ target: Target, on loop: any EventLoop) -> EventLoopFuture<EtcdConnection> {
        let connection = EtcdConnection(target)
        return ClientBootstrap(group: loop).channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(connection) }
            }
            .connect(host: target.host, port: target.port)
            .map { channel in
                connection.channel = channel
                var hello = ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                // No header table: the server's header blocks need no memory of ours.
                hello.writeImmutableBuffer(frame(Frame.settings, 0, 0, ByteBuffer(bytes: [0, 1, 0, 0, 0, 0])))
                channel.writeAndFlush(hello, promise: nil)
                return connection
            }
    }

    /// One durable write of `value` under `key`.
    func put(key: String, value: [UInt8]) {
        var message = ByteBuffer()
        func field(_ tag: UInt8, _ bytes: some Collection<UInt8>) {
            message.writeInteger(tag)
            var count = bytes.count
            while count >= 128 {
                message.writeInteger(UInt8(count & 127) | 128)
                count >>= 7
            }
            message.writeInteger(UInt8(count))
            message.writeBytes(bytes)
        }
        field(0x0a, Array(key.utf8))
        field(0x12, value)
        var body = ByteBuffer()
        body.writeInteger(UInt8(0))
        body.writeInteger(UInt32(message.readableBytes))
        body.writeBuffer(&message)
        var call = Self.frame(Frame.headers, Frame.endHeaders, stream, headers)
        call.writeImmutableBuffer(Self.frame(Frame.data, Frame.endStream, stream, body))
        sawData = false
        guard window >= body.readableBytes else {
            waiting = call
            return
        }
        window -= body.readableBytes
        channel?.writeAndFlush(call, promise: nil)
    }

    func close() { channel?.close(promise: nil) }

    private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: ByteBuffer) -> ByteBuffer {
        var frame = ByteBufferAllocator().buffer(capacity: 9 + payload.readableBytes)
        frame.writeInteger(UInt32(payload.readableBytes) << 8 | UInt32(type))
        frame.writeInteger(flags)
        frame.writeInteger(stream)
        frame.writeImmutableBuffer(payload)
        return frame
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeBuffer(&bytes) }
        while let head: UInt32 = buffer.getInteger(at: buffer.readerIndex), buffer.readableBytes >= 9 + Int(head >> 8) {
            buffer.moveReaderIndex(forwardBy: 4)
            guard let flags: UInt8 = buffer.readInteger(), let stream: UInt32 = buffer.readInteger(),
                let payload = buffer.readSlice(length: Int(head >> 8))
            else { return }
            took(UInt8(head & 255), flags, stream, payload)
        }
    }

    private func took(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: ByteBuffer) {
        switch type {
        case Frame.settings where flags & Frame.acknowledge == 0:
            channel?.writeAndFlush(Self.frame(Frame.settings, Frame.acknowledge, 0, ByteBuffer()), promise: nil)
        case Frame.ping where flags & Frame.acknowledge == 0:
            channel?.writeAndFlush(Self.frame(Frame.ping, Frame.acknowledge, 0, payload), promise: nil)
        case Frame.windowUpdate where stream == 0:
            window += Int(payload.getInteger(at: payload.readerIndex) ?? UInt32(0))
            if let call = waiting, window >= call.readableBytes {
                waiting = nil
                window -= call.readableBytes
                channel?.writeAndFlush(call, promise: nil)
            }
        case Frame.data:
            sawData = true
            if payload.readableBytes > 0 {
                let taken = ByteBuffer(integer: UInt32(payload.readableBytes))
                channel?.writeAndFlush(Self.frame(Frame.windowUpdate, 0, 0, taken), promise: nil)
            }
        case Frame.headers where flags & Frame.endStream != 0, Frame.reset:
            self.stream += 2
            onAnswer?(sawData && type == Frame.headers)
        case Frame.goAway: close()
        default: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        channel = nil
        onClose?()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
