// One keep-alive HTTP/1.1 connection of a load client: bytes out, status and body in, nothing parsed that is not needed.
// The client shares the cores with the server it measures, so what it costs matters.
import NIOCore
import NIOPosix
import NIOSSL

/// Lives on one event loop; `@unchecked Sendable` because it is only handed between closures of that loop.
final class Connection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case head
        case body(status: Int, length: Int)
        /// Bytes of the chunk that are still to come; 0: its size line comes next.
        case chunk(status: Int, left: Int)
    }

    let target: Target
    private(set) var channel: (any Channel)?
    private var phase = Phase.head
    private var buffer = ByteBuffer()
    private var chunks = ByteBuffer()
    /// A whole answer.
    var onResponse: ((_ status: Int, _ body: ByteBuffer) -> Void)?
    /// Set: pieces of chunked answers go here as they come (a watch), and none are gathered.
    var onChunk: ((_ bytes: ByteBuffer) -> Void)?
    var onClose: (() -> Void)?

    init(_ target: Target) { self.target = target }

    static func open(_ target: Target, on loop: any EventLoop) -> EventLoopFuture<Connection> {
        let connection = Connection(target)
        return ClientBootstrap(group: loop).channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(30))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = target.tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: nil))
                    }
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
            .connect(host: target.host, port: target.port)
            .map { channel in
                connection.channel = channel
                return connection
            }
    }

    func send(_ request: ByteBuffer) { channel?.writeAndFlush(request, promise: nil) }

    func close() { channel?.close(mode: .all, promise: nil) }

    func request(_ method: String, _ path: String, type: String = "application/json", _ body: [UInt8]? = nil) -> ByteBuffer {
        var text = "\(method) \(path) HTTP/1.1\r\nhost: \(target.host):\(target.port)\r\n\(target.authorization)accept: application/json\r\n"
        if let body { text += "content-type: \(type)\r\ncontent-length: \(body.count)\r\n" }
        text += "\r\n"
        var buffer = ByteBufferAllocator().buffer(capacity: text.utf8.count + (body?.count ?? 0))
        buffer.writeString(text)
        if let body { buffer.writeBytes(body) }
        return buffer
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeBuffer(&bytes) }
        while step() {}
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        channel = nil
        onClose?()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// False when more bytes are needed.
    private func step() -> Bool {
        switch phase {
        case .head: return readHead()
        case .body(let status, let length):
            guard let body = buffer.readSlice(length: length) else { return false }
            phase = .head
            onResponse?(status, body)
            return buffer.readableBytes > 0
        case .chunk(let status, 0): return readSize(status)
        case .chunk(let status, let left):
            let count = min(left, buffer.readableBytes)
            guard count > 0, var piece = buffer.readSlice(length: count) else { return false }
            phase = .chunk(status: status, left: left - count)
            // The chunk's own line end is its last two bytes.
            let extra = max(0, 2 - (left - count))
            piece.moveWriterIndex(to: max(piece.readerIndex, piece.writerIndex - extra))
            if let onChunk { onChunk(piece) } else { chunks.writeBuffer(&piece) }
            return true
        }
    }

    private func readSize(_ status: Int) -> Bool {
        guard let line = readLine() else { return false }
        guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else {
            close()
            return false
        }
        if size > 0 {
            phase = .chunk(status: status, left: size + 2)
            return true
        }
        _ = readLine()
        phase = .head
        let body = chunks
        chunks = ByteBuffer()
        onResponse?(status, body)
        return buffer.readableBytes > 0
    }

    private func readHead() -> Bool {
        let end: Int? = buffer.withUnsafeReadableBytes { bytes in
            guard bytes.count >= 4 else { return nil }
            for index in 3..<bytes.count where bytes[index] == 10 && bytes[index - 2] == 10 { return index + 1 }
            return nil
        }
        guard let end, let head = buffer.readString(length: end) else { return false }
        let status = Int(head.dropFirst(9).prefix(3)) ?? 0
        var length = 0
        var chunked = false
        for line in head.utf8.split(separator: 13) {
            let text = String(Substring(line)).drop { $0 == "\n" }.lowercased()
            if text.hasPrefix("content-length:") { length = Int(text.dropFirst(15).filter { $0 != " " }) ?? 0 }
            if text.hasPrefix("transfer-encoding:"), text.contains("chunked") { chunked = true }
        }
        if status == 100 { return true }
        phase = chunked ? .chunk(status: status, left: 0) : .body(status: status, length: length)
        if chunked { onChunk?(ByteBuffer()) }
        return true
    }

    private func readLine() -> String? {
        let view = buffer.readableBytesView
        guard let newline = view.firstIndex(of: 10) else { return nil }
        let line = buffer.readString(length: newline - view.startIndex + 1)
        return line.map { String($0.prefix { $0 != "\r\n" && $0 != "\r" && $0 != "\n" }) }
    }
}
