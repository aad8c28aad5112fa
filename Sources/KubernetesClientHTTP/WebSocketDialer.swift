// Opens a WebSocket to an API server (RFC 6455), or tells in the server's own words why it would not.
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import Synchronization

struct WebSocketDialer: Sendable {
    static let connectTimeout = TimeAmount.seconds(10)
    /// Of one message: what servers send at once is far below.
    static let maximumMessageBytes = 4 << 20
    static let maximumRefusalBytes = 64 << 10

    typealias Socket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    enum Answer: Sendable {
        case socket(Socket, subprotocol: String)
        case refused(NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>)
    }

    let host: String
    let port: Int
    let tls: NIOSSLContext?
    let bearerToken: String?
    /// A server answers an upgrade at once, or is none.
    var answerTimeout = Duration.seconds(30)

    /// `server` is "https://HOST:PORT" or "http://...".
    init(server: String, tls: TLSConfiguration?, bearerToken: String?) throws {
        let isTLS = server.hasPrefix("https://")
        let rest = server.drop { $0 != ":" }.dropFirst(3)
        let authority = rest.prefix { $0 != "/" }
        let colon = authority.lastIndex(of: ":").flatMap { authority[$0...].contains("]") ? nil : $0 }
        let name = colon.map { authority[..<$0] } ?? authority
        host = String(name.hasPrefix("[") ? name.dropFirst().dropLast() : name)
        port = colon.flatMap { Int(authority[authority.index(after: $0)...]) } ?? (isTLS ? 443 : 80)
        self.tls = try isTLS ? tls.map { try NIOSSLContext(configuration: $0) } : nil
        self.bearerToken = bearerToken
    }

    /// Throws `KubernetesAPIError`.
    func dial(_ target: String, subprotocols: [String]) async throws -> (socket: Socket, subprotocol: String) {
        do {
            return try await withThrowingTaskGroup(of: (socket: Socket, subprotocol: String).self) { group in
                group.addTask {
                    switch try await connect(target, subprotocols) {
                    case .socket(let socket, let subprotocol): return (socket, subprotocol)
                    case .refused(let channel): throw try await refusal(channel, target)
                    }
                }
                group.addTask {
                    try await Task.sleep(for: answerTimeout)
                    throw KubernetesAPIError.transport("GET \(target): no answer within \(answerTimeout)")
                }
                do {
                    guard let first = try await group.next() else { throw CancellationError() }
                    group.cancelAll()
                    return first
                } catch {
                    group.cancelAll()
                    // A socket that came too late is given back.
                    while let late = await group.nextResult() {
                        if case .success(let late) = late { try? await late.socket.executeThenClose { _, _ in } }
                    }
                    throw error
                }
            }
        } catch let error as KubernetesAPIError {
            throw error
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw KubernetesAPIError.transport("GET \(target): \(error)")
        }
    }

    private func connect(_ target: String, _ subprotocols: [String]) async throws -> Answer {
        let head = requestHead(target, subprotocols)
        let (tls, host) = (tls, host)
        // Server names are for names: an address is not sent (RFC 6066, section 3).
        let isAddress = (try? SocketAddress(ipAddress: host, port: port)) != nil
        let dialled = Mutex<(any Channel)?>(nil)
        let upgrade: EventLoopFuture<Answer> = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            // A server that vanished is noticed after about 15 + 3 x 5 s: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
            .channelOption(.tcpOption(.init(rawValue: 4)), value: 15)
            .channelOption(.tcpOption(.init(rawValue: 5)), value: 5)
            .channelOption(.tcpOption(.init(rawValue: 6)), value: 3)
            .connect(host: host, port: port) { channel in
                dialled.withLock { $0 = channel }
                return channel.eventLoop.makeCompletedFuture {
                    // NIO's sockets are not close-on-exec: a process that this one starts would keep the connection open.
                    try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
                        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
                    }
                    if let tls {
                        let handler = try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    return try Self.configure(channel, head)
                }
            }
        return try await withTaskCancellationHandler {
            try await upgrade.get()
        } onCancel: {
            // A future waits for ever where a server says nothing; the connection's end is its end.
            dialled.withLock { $0 }?.close(promise: nil)
        }
    }

    private func requestHead(_ target: String, _ subprotocols: [String]) -> HTTPRequestHead {
        var headers = HTTPHeaders()
        headers.add(name: "Host", value: host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
        headers.add(name: "User-Agent", value: "swiftlet")
        for name in subprotocols { headers.add(name: "Sec-WebSocket-Protocol", value: name) }
        if let bearerToken { headers.add(name: "Authorization", value: "Bearer \(bearerToken)") }
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: target, headers: headers)
    }

    private static func configure(_ channel: any Channel, _ head: HTTPRequestHead) throws -> EventLoopFuture<Answer> {
        let upgrader = NIOTypedWebSocketClientUpgrader<Answer>(maxFrameSize: maximumMessageBytes) { channel, answer in
            channel.eventLoop.makeCompletedFuture {
                let aggregator = NIOWebSocketFrameAggregator(
                    minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1024, maxAccumulatedFrameSize: maximumMessageBytes)
                try channel.pipeline.syncOperations.addHandler(aggregator)
                return .socket(
                    try Socket(wrappingChannelSynchronously: channel),
                    subprotocol: answer.headers.first(name: "Sec-WebSocket-Protocol") ?? "")
            }
        }
        let upgrade = NIOTypedHTTPClientUpgradeConfiguration<Answer>(upgradeRequestHead: head, upgraders: [upgrader]) { channel in
            channel.eventLoop.makeCompletedFuture { .refused(try NIOAsyncChannel(wrappingChannelSynchronously: channel)) }
        }
        var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: upgrade)
        // A short command's words come in one packet with the answer's head.
        pipeline.leftOverBytesStrategy = .forwardBytes
        try channel.pipeline.syncOperations.addHandler(LateEnd())
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: pipeline)
    }

    // MARK: Refusal

    private func refusal(
        _ channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>, _ target: String
    ) async throws -> KubernetesAPIError {
        let (code, body) = try await channel.executeThenClose { inbound, _ in
            var (code, body): (Int, [UInt8]) = (0, [])
            reading: for try await part in inbound {
                switch part {
                case .head(let head): code = Int(head.status.code)
                case .body(let buffer): body += buffer.readableBytesView
                case .end: break reading
                }
                if body.count > Self.maximumRefusalBytes { break }
            }
            return (code, body)
        }
        if var status = try? JSON.decode(APIStatus.self, from: body), status.kind == "Status" {
            status.code = status.code ?? code
            return .status(status)
        }
        let text = String(decoding: body.prefix(1024), as: UTF8.self)
        if code == 0 { return .transport("GET \(target): the server closed the connection without an answer") }
        return .status(
            APIStatus(
                status: "Failure", message: "GET \(target): HTTP \(code): \(text)",
                reason: code == 404 ? "NotFound" : "BadRequest", code: code))
    }
}

/// Tells of a connection's end one turn of the loop late: an upgrade takes NIO's HTTP decoder away in a turn of its own, and one that hears
/// of the end before drops what came behind the answer's head, which is all that a short command said.
private final class LateEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelInactive(context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().execute { context.fireChannelInactive() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.eventLoop.assumeIsolated().execute { context.fireErrorCaught(error) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        context.eventLoop.assumeIsolated().execute { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }
}
