// The master's HTTPS front: TLS listener, identity of callers, and the joint between HTTP and the core's APIHandler.
// HTTP/1.1 with keep-alive, straight on NIO: a request is answered on the event loop that read it. HTTP/2 is not offered (it
// costs our own clients more than it saves; kubectl and the client libraries do without).
import APIServer
import Glibc
import HandlerTypes
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import PKI
import ServiceLifecycle
import Synchronization

public struct APIServerConfiguration: Sendable {
    public var host: String
    /// 0: any free port, see `APIServerService.port()`.
    public var port: Int
    public var serverCertificate: CertificateAndKey
    /// Client certificates are verified against this authority (PEM).
    public var clientAuthorityPEM: String
    /// A connection beyond so many is closed as soon as it is accepted. The process's limit of open files bounds it too.
    public var maximumConnections = 20_000
    /// A connection without a request for so long is closed.
    public var idleTimeout = Duration.seconds(300)
    /// From accepting a connection to its first request, TLS handshake included.
    public var firstRequestTimeout = Duration.seconds(30)
    /// From a request's head to the end of its body.
    public var bodyTimeout = Duration.seconds(60)
    /// A peer that takes nothing of what is sent for so long is cut off.
    public var stallTimeout = Duration.seconds(30)
    public var maximumHeaderBytes = 64 << 10
    /// Of each caller and of all together.
    public var requests = FairQueue.Configuration()
    /// Of each address.
    public var failedCredentials = CredentialFailures.Configuration()

    public init(host: String = "0.0.0.0", port: Int, serverCertificate: CertificateAndKey, clientAuthorityPEM: String) {
        self.host = host
        self.port = port
        self.serverCertificate = serverCertificate
        self.clientAuthorityPEM = clientAuthorityPEM
    }
}

public struct APIServerService: Service {
    /// Watches end at once on shutdown; whatever is still open after this is closed.
    static let shutdownGrace = Duration.milliseconds(700)
    /// Files that are not connections: the store's, logs, the event loops' own.
    private static let reservedDescriptors = 256

    private let configuration: APIServerConfiguration
    private let tls: ServingContext
    private let server: FrontServer
    private let tunnels: NodeTunnelHub
    private let bound = BoundPort()

    /// Throws when certificates or keys are not readable.
    public init(
        configuration: APIServerConfiguration, handler: APIHandler, tokens: any TokenAuthenticator,
        tunnels: NodeTunnelHub = NodeTunnelHub(), log: Logger = Logger(label: "apiserver.http")
    ) throws {
        self.configuration = configuration
        self.tunnels = tunnels
        tls = ServingContext(try NIOSSLContext(configuration: try Self.tls(configuration)))
        let limits = ConnectionLimits(
            firstRequest: TimeAmount(configuration.firstRequestTimeout), idle: TimeAmount(configuration.idleTimeout),
            body: TimeAmount(configuration.bodyTimeout), stall: TimeAmount(configuration.stallTimeout),
            headerBytes: configuration.maximumHeaderBytes)
        let authenticator = RequestAuthenticator(tokens: tokens, gate: CredentialGate(configuration.failedCredentials))
        server = FrontServer(
            responder: APIResponder(
                handler: handler, authenticator: authenticator, gate: LimitsGate(configuration.requests), tunnels: tunnels,
                metrics: ServerMetrics(), log: log),
            limits: limits,
            maximumConnections: min(configuration.maximumConnections, Self.descriptorLimit() - Self.reservedDescriptors),
            group: MultiThreadedEventLoopGroup.singleton)
    }

    /// The port that is listened on; suspends until it is. Throws when the server could not listen.
    public func port() async throws -> Int { try await bound.value() }

    /// Connections from now on are shown this certificate; those under way go on. Throws when it is not readable.
    public func replaceServerCertificate(_ certificate: CertificateAndKey) throws {
        var renewed = configuration
        renewed.serverCertificate = certificate
        tls.replace(try NIOSSLContext(configuration: try Self.tls(renewed)))
    }

    /// Watches that are open now.
    public var openWatches: Int { server.responder.metrics.openWatches }

    public func run() async throws {
        let listener: any Channel
        do {
            listener = try await listen()
        } catch {
            bound.fail(error)
            throw error
        }
        server.start()
        bound.set(listener.localAddress?.port ?? configuration.port)
        await withTaskCancellationOrGracefulShutdownHandler {
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await heartbeats() }
                try? await listener.closeFuture.get()
                group.cancelAll()
            }
            await endConnections()
        } onCancelOrGracefulShutdown: {
            listener.close(promise: nil)
        }
    }

    private func listen() async throws -> any Channel {
        let (tls, server, limits) = (tls, server, server.limits)
        HandlerTypes.name()
        return try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A whole chunk of a watch fits: a connection that keeps up is not told at each that it is behind, then that it is not.
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 16 << 10, high: SharedChunks.chunkBytes * 3 / 2))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let front = server.front(of: channel.eventLoop), server.connectionOpened() else {
                        throw ChannelError.connectPending
                    }
                    let pipeline = channel.pipeline.syncOperations
                    do {
                        try pipeline.addHandler(NIOSSLServerHandler(context: tls.current))
                        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limits: limits)))
                        try pipeline.addHandler(ConnectionHandler(server: server, front: front))
                    } catch {
                        server.connectionClosed()
                        throw error
                    }
                }
            }
            .bind(host: configuration.host, port: configuration.port).get()
    }

    /// Every stream is told to end, so that connections can close in order; then the rest is cut.
    private func endConnections() async {
        tunnels.shutDown()
        server.endStreams()
        let deadline = ContinuousClock.now + Self.shutdownGrace
        while server.connectionCount > 0, ContinuousClock.now < deadline {
            // In a task of its own: the group's cancellation must not cut the grace short.
            await Task.detached { try? await Task.sleep(for: .milliseconds(5)) }.value
        }
        server.cutAll()
    }

    /// Ends with the server.
    private func heartbeats() async throws {
        while true {
            try await Task.sleep(for: NodeTunnelHub.heartbeatInterval, tolerance: .seconds(1))
            tunnels.heartbeat()
        }
    }

    /// The soft limit of open files is raised to the hard one: each connection is a file.
    private static func descriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    private static func tls(_ configuration: APIServerConfiguration) throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(configuration.serverCertificate.certificatePEM.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(configuration.serverCertificate.privateKeyPEM.utf8), format: .pem)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(configuration.clientAuthorityPEM.utf8)))
        // A certificate is verified when there is one; who has none may still bring a token, or ask for /healthz.
        tls.certificateVerification = .optionalVerification
        return tls
    }
}

/// What new connections are greeted with.
private final class ServingContext: Sendable {
    private let context: Mutex<NIOSSLContext>

    init(_ context: NIOSSLContext) { self.context = Mutex(context) }

    var current: NIOSSLContext { context.withLock { $0 } }
    func replace(_ new: NIOSSLContext) { context.withLock { $0 = new } }
}

extension HTTPRequestDecoder {
    convenience init(limits: ConnectionLimits) {
        var decoding = NIOHTTPDecoderLimitConfiguration()
        // The parser counts the request target as a field. What header fields may be is looked at when the head is there.
        decoding.maxHeaderFieldSize = RequestTarget.maximumBytes + limits.headerBytes
        decoding.maxHeaderListSize = RequestTarget.maximumBytes + limits.headerBytes
        decoding.maxHeaderFieldCount = 100
        self.init(leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop, limitConfiguration: decoding)
    }
}

/// ServiceLifecycle logs services by their description; the memberwise one would show the private key.
extension APIServerService: CustomStringConvertible {
    public var description: String { "APIServerService(\(configuration.host):\(configuration.port))" }
}
