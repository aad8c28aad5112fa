// A TLS connection that sends exactly the bytes it is told to and shows exactly the bytes that come back.
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

final class RawConnection: Sendable {
    private let channel: any Channel
    private let inbox: Inbox

    private init(_ channel: any Channel, _ inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    /// As the administrator, with a certificate; `anonymous`: with nothing. `reads` false: nothing is ever read.
    static func open(_ laboratory: FrontLaboratory, anonymous: Bool = false, reads: Bool = true) async throws -> RawConnection {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(laboratory.authority.certificatePEM.utf8)))
        tls.certificateVerification = .noHostnameVerification
        if !anonymous {
            let pair = try laboratory.authority.issueClient(commonName: "kubernetes-admin", organizations: ["system:masters"])
            tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(pair.certificatePEM.utf8)).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.privateKeyPEM.utf8), format: .pem))
        }
        let context = try NIOSSLContext(configuration: tls)
        let inbox = Inbox()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOSSLClientHandler(context: context, serverHostname: nil), InboxHandler(inbox),
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: laboratory.port).get()
        if !reads {
            try await inbox.wait { $0.isConnected }
            try await channel.setOption(.autoRead, value: false).get()
        }
        return RawConnection(channel, inbox)
    }

    func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
    func send(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    /// What has come, once it holds `text` so many times. Throws when the server closes before.
    @discardableResult
    func received(_ text: String, times: Int = 1) async throws -> String {
        try await inbox.wait { $0.isClosed || $0.text.ranges(of: text).count >= times }
        guard inbox.text.ranges(of: text).count >= times else { throw ClosedEarly(received: inbox.text) }
        return inbox.text
    }

    struct ClosedEarly: Error { var received: String }

    /// Everything, once the server has closed the connection.
    func everything() async throws -> String {
        try await inbox.wait { $0.isClosed }
        return inbox.text
    }

    /// What has come, as bytes, once it fits.
    func bytes(_ condition: @escaping @Sendable ([UInt8]) -> Bool) async throws -> [UInt8] {
        try await inbox.wait { condition($0.bytes) }
        return inbox.bytes
    }

    func close() { channel.close(promise: nil) }
}

/// What has come.
private final class Inbox: Sendable {
    struct State {
        var text = ""
        var bytes: [UInt8] = []
        var isConnected = false
        var isClosed = false
    }

    private let state = Mutex(State())

    var text: String { state.withLock { $0.text } }
    var bytes: [UInt8] { state.withLock { $0.bytes } }
    func change(_ body: (inout sending State) -> Void) { state.withLock { body(&$0) } }

    func wait(_ condition: @Sendable (State) -> Bool) async throws {
        try await eventually("the bytes that the test waits for; there are: \(text.suffix(400))") {
            condition(state.withLock { $0 })
        }
    }
}

private final class InboxHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        inbox.change {
            $0.text += String(buffer: buffer)
            $0.bytes += buffer.readableBytesView
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? TLSUserEvent, case .handshakeCompleted = event { inbox.change { $0.isConnected = true } }
    }

    func channelInactive(context: ChannelHandlerContext) { inbox.change { $0.isClosed = true } }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
