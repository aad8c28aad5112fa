// The master's HTTPS front: TLS listener, identity of callers, and the joint between HTTP and the core's APIHandler.
// HTTP/1.1 with keep-alive; HTTP/2 is not offered (it costs our own clients more than it saves; kubectl does without).
import APIServer
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import KubernetesClient
import Logging
import NIOCore
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
    /// Beyond so many connections no new one is accepted until one closes.
    public var maximumConnections = 4096
    /// A connection without a request for so long is closed.
    public var idleTimeout = Duration.seconds(300)
    public var maximumHeaderBytes = 64 << 10

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
    /// A peer that takes not a byte of a write for so long is cut off.
    static let stallLimit = Duration.seconds(30)

    private let configuration: APIServerConfiguration
    private let responder: APIResponder
    private let tls: TLSConfiguration
    private let bound = BoundPort()

    /// Throws when certificates or keys are not readable.
    public init(
        configuration: APIServerConfiguration, handler: APIHandler, tokens: any TokenAuthenticator,
        tunnels: NodeTunnelHub = NodeTunnelHub(), log: Logger = Logger(label: "apiserver.http")
    ) throws {
        self.configuration = configuration
        tls = try Self.tls(configuration)
        responder = APIResponder(
            handler: handler, authenticator: RequestAuthenticator(tokens: tokens), connections: ConnectionTable(),
            tunnels: tunnels, metrics: ServerMetrics(), log: log)
    }

    /// The port that is listened on; suspends until it is. Throws when the server could not listen.
    public func port() async throws -> Int { try await bound.value() }

    /// Watches that are open now.
    public var openWatches: Int { responder.metrics.openWatches }

    public func run() async throws {
        let application = try application()
        do {
            try await withTaskCancellationOrGracefulShutdownHandler {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try? await keepHouse() }
                    defer { group.cancelAll() }
                    try await application.run()
                }
            } onCancelOrGracefulShutdown: {
                endStreams()
            }
        } catch {
            bound.fail(error)
            throw error
        }
        bound.fail(CancellationError())
    }

    private func application() throws -> Application<APIResponder> {
        let connections = responder.connections
        let http = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionHandler(table: connections)],
            idleTimeout: TimeAmount(configuration.idleTimeout),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: configuration.maximumHeaderBytes, maxHeaderListSize: configuration.maximumHeaderBytes,
                maxHeaderFieldCount: 100))
        var quiet = responder.log
        quiet.logLevel = max(quiet.logLevel, .notice)
        return Application(
            responder: responder, server: try .tls(.http1(configuration: http), tlsConfiguration: tls),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), backlog: 1024,
                availableConnectionsDelegate: .maximum(configuration.maximumConnections, logger: quiet)),
            onServerRunning: { channel in bound.set(channel.localAddress?.port ?? configuration.port) },
            logger: quiet)
    }

    /// Every stream is told to end, so that connections can close in order; then the rest is cut.
    private func endStreams() {
        responder.tunnels.shutDown()
        responder.connections.endStreams()
        let connections = responder.connections
        Task.detached {
            try? await Task.sleep(for: Self.shutdownGrace)
            connections.closeAll()
        }
    }

    /// Heartbeats of the tunnels, and an eye on stalled connections. Ends with the server.
    private func keepHouse() async throws {
        while true {
            try await Task.sleep(for: NodeTunnelHub.heartbeatInterval, tolerance: .seconds(1))
            responder.tunnels.heartbeat()
            responder.connections.closeStalled(longerThan: Self.stallLimit)
        }
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

/// ServiceLifecycle logs services by their description; the memberwise one would show the private key.
extension APIServerService: CustomStringConvertible {
    public var description: String { "APIServerService(\(configuration.host):\(configuration.port))" }
}

/// The port, once it is known.
private final class BoundPort: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Int, any Error>])
        case known(Int)
        case failed(any Error)
    }

    private let state = Mutex(State.waiting([]))

    func value() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known: Result<Int, any Error>? = state.withLock { state in
                switch state {
                case .waiting(let waiters):
                    state = .waiting(waiters + [continuation])
                    return nil
                case .known(let port): return .success(port)
                case .failed(let error): return .failure(error)
                }
            }
            if let known { continuation.resume(with: known) }
        }
    }

    func set(_ port: Int) { settle(.known(port), with: .success(port)) }
    func fail(_ error: any Error) { settle(.failed(error), with: .failure(error)) }

    private func settle(_ settled: State, with result: Result<Int, any Error>) {
        let waiters = state.withLock { state -> [CheckedContinuation<Int, any Error>] in
            guard case .waiting(let waiters) = state else { return [] }
            state = settled
            return waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
