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
    /// Whether the last answer's body was compressed.
    private(set) var isCompressed = false
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

    func request(
        _ method: String, _ path: String, type: String = "application/json", takesGzip: Bool = false, _ body: [UInt8]? = nil
    ) -> ByteBuffer {
        var text =
            "\(method) \(path) HTTP/1.1\r\nhost: \(target.host):\(target.port)\r\n\(target.authorization)accept: application/json\r\n"
        if takesGzip { text += "accept-encoding: gzip\r\n" }
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
        let head: ResponseHead? = buffer.withUnsafeReadableBytes { ResponseHead($0) }
        guard let head else { return false }
        buffer.moveReaderIndex(forwardBy: head.bytes)
        if head.status == 100 { return true }
        isCompressed = head.isCompressed
        phase = head.isChunked ? .chunk(status: head.status, left: 0) : .body(status: head.status, length: head.length)
        if head.isChunked { onChunk?(ByteBuffer()) }
        return true
    }

    private func readLine() -> String? {
        let view = buffer.readableBytesView
        guard let newline = view.firstIndex(of: 10) else { return nil }
        let line = buffer.readString(length: newline - view.startIndex + 1)
        return line.map { String($0.prefix { $0 != "\r\n" && $0 != "\r" && $0 != "\n" }) }
    }
}

/// What the client needs of a response's head.
private struct ResponseHead {
    var bytes = 0
    var status = 0
    var length = 0
    var isChunked = false
    var isCompressed = false

    private static let contentLength = Array("content-length:".utf8)
    private static let contentEncoding = Array("content-encoding:".utf8)
    private static let transferEncoding = Array("transfer-encoding:".utf8)

    /// nil: the head is not whole yet.
    init?(_ text: UnsafeRawBufferPointer) {
        var start = 0
        while let newline = text[start...].firstIndex(of: 10) {
            let line = UnsafeRawBufferPointer(rebasing: text[start..<newline])
            if line.count <= 1 {
                bytes = newline + 1
                return
            }
            if start == 0 { status = Self.number(line.dropFirst(9)) }
            if Self.matches(line, Self.contentLength) { length = Self.number(line.dropFirst(Self.contentLength.count)) }
            if Self.matches(line, Self.transferEncoding) { isChunked = true }
            if Self.matches(line, Self.contentEncoding) { isCompressed = true }
            start = newline + 1
        }
        return nil
    }

    private static func matches(_ line: UnsafeRawBufferPointer, _ name: [UInt8]) -> Bool {
        line.count > name.count && zip(line, name).allSatisfy { ($0 | 0x20) == $1 || $0 == $1 }
    }

    private static func number(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        bytes.drop { $0 == 32 }.prefix { $0 >= 48 && $0 <= 57 }.reduce(0) { $0 * 10 + Int($1 - 48) }
    }
}
