// A registry in this process whose every answer is the test's.
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

struct TestRequest: Sendable {
    var method: String
    var target: String
    var headers: HTTPHeaders
    var body: String
    var path: String { String(target.prefix { $0 != "?" }) }
}

enum TestReply: Sendable {
    case whole(Int, headers: [(String, String)] = [], body: [UInt8] = [])
    /// These bytes and then the connection's end, whatever length was announced.
    case broken(Int, headers: [(String, String)], body: [UInt8])
    /// One byte after the other, for ever.
    case drip(headers: [(String, String)], milliseconds: Int64)
    /// As fast as it is taken, for ever, without a length.
    case endless
    case silent
}

/// Listens on 127.0.0.1; ends with `stop()`.
final class TestRegistry: Sendable {
    let port: Int
    let isSecure: Bool
    private let channel: any Channel

    var host: String { "127.0.0.1:\(port)" }
    var origin: String { "\(isSecure ? "https" : "http")://\(host)" }

    static func start(
        certificate: TestCertificate? = nil, answer: @escaping @Sendable (TestRequest) -> TestReply
    ) async throws -> TestRegistry {
        let log = SharedLog()
        let context = try certificate.map { certificate in
            let tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(certificate.certificateFile).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: certificate.keyFile, format: .pem)))
            return try NIOSSLContext(configuration: tls)
        }
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(TestRegistryHandler(answer: answer, log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return TestRegistry(channel: channel, isSecure: certificate != nil, log: log)
    }

    private let log: SharedLog

    private init(channel: any Channel, isSecure: Bool, log: SharedLog) {
        self.channel = channel
        self.isSecure = isSecure
        self.log = log
        port = channel.localAddress?.port ?? 0
    }

    /// What was asked so far.
    func asked(_ isWanted: (TestRequest) -> Bool = { _ in true }) -> [TestRequest] {
        log.requests.withLock { $0 }.filter(isWanted)
    }

    func stop() async { try? await channel.close().get() }
}

final class SharedLog: Sendable {
    let requests = Mutex<[TestRequest]>([])
}

private final class TestRegistryHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: @Sendable (TestRequest) -> TestReply
    private let log: SharedLog
    private var head: HTTPRequestHead?
    private var body = ""
    private var isClosed = false

    init(answer: @escaping @Sendable (TestRequest) -> TestReply, log: SharedLog) {
        self.answer = answer
        self.log = log
    }

    func channelInactive(context: ChannelHandlerContext) { isClosed = true }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let buffer): body += String(buffer: buffer)
        case .end:
            guard let head else { return }
            let request = TestRequest(method: head.method.rawValue, target: head.uri, headers: head.headers, body: body)
            body = ""
            log.requests.withLock { $0.append(request) }
            reply(answer(request), context)
        }
    }

    private func reply(_ reply: TestReply, _ context: ChannelHandlerContext) {
        switch reply {
        case .whole(let status, let headers, let body):
            send(status, headers + [("Content-Length", "\(body.count)")], context)
            write(body, context)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .broken(let status, let headers, let body):
            send(status, headers, context)
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body))))).whenComplete { _ in
                bound.value.close(promise: nil)
            }
        case .drip(let headers, let milliseconds):
            send(200, headers, context)
            again(context, milliseconds, [0x41])
        case .endless:
            send(200, [], context)
            again(context, 0, [UInt8](repeating: 0x41, count: 65_536))
        case .silent: break
        }
    }

    private func send(_ status: Int, _ headers: [(String, String)], _ context: ChannelHandlerContext) {
        context.write(
            wrapOutboundOut(
                .head(
                    HTTPResponseHead(
                        version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: HTTPHeaders(headers)))),
            promise: nil)
        context.flush()
    }

    private func write(_ body: [UInt8], _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    }

    private func again(_ context: ChannelHandlerContext, _ milliseconds: Int64, _ bytes: [UInt8]) {
        guard !isClosed else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let loop = context.eventLoop
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes))))).whenSuccess {
            loop.scheduleTask(in: .milliseconds(milliseconds)) {
                bound.value.0.again(bound.value.1, milliseconds, bytes)
            }
        }
    }
}
