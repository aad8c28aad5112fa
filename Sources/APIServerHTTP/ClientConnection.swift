// One accepted connection and what runs on it: the caller's identity, and the streams that must end with it.
import APIServer
import Glibc
import NIOCore
import NIOHTTPTypes
import NIOPosix
import NIOSSL
import Synchronization

final class ClientConnection: Sendable {
    /// Called when the peer is gone or the server shuts down; the argument tells whether the current request's body had
    /// been received whole.
    typealias Ending = @Sendable (_ requestWasComplete: Bool) -> Void

    private struct State {
        /// nil: not looked at yet; the inner nil: no client certificate.
        var certificateUser: UserInfo??
        var streams: [UInt64: Ending] = [:]
        var nextStream: UInt64 = 0
        var isOver = false
        var requestIsComplete = false
        var writingSince: ContinuousClock.Instant?
    }

    let channel: any Channel
    private let state = Mutex(State())

    init(channel: any Channel) { self.channel = channel }

    /// The user of the client certificate; read once, for it cannot change on a connection (no renegotiation in TLS 1.3,
    /// none allowed in 1.2).
    func certificateUser() async -> UserInfo? {
        if let known = state.withLock({ $0.certificateUser }) { return known }
        let certificate = try? await channel.nioSSL_peerCertificate().get()
        let user = (try? certificate?.toDERBytes()).flatMap { RequestAuthenticator.user(ofCertificateDER: $0) }
        state.withLock { $0.certificateUser = .some(user) }
        return user
    }

    /// nil when the connection is over already (the ending is not called then).
    func addStream(ending: @escaping Ending) -> UInt64? {
        state.withLock { state in
            guard !state.isOver else { return nil }
            state.nextStream += 1
            state.streams[state.nextStream] = ending
            return state.nextStream
        }
    }

    func removeStream(_ id: UInt64) {
        state.withLock { _ = $0.streams.removeValue(forKey: id) }
    }

    /// Ends every stream, now and later ones.
    func endStreams() {
        let (endings, complete) = state.withLock { state in
            defer { state.streams = [:] }
            state.isOver = true
            return (Array(state.streams.values), state.requestIsComplete)
        }
        for ending in endings { ending(complete) }
    }

    func requestBegan() { state.withLock { $0.requestIsComplete = false } }
    func requestEnded() { state.withLock { $0.requestIsComplete = true } }

    /// Brackets a write, so that one that never ends can be found.
    func writing<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        state.withLock { $0.writingSince = .now }
        defer { state.withLock { $0.writingSince = nil } }
        return try await body()
    }

    func isStalled(since: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.writingSince.map { $0 < since } ?? false }
    }

    /// Closes without TLS's farewell: that would wait for the peer's, up to five seconds.
    func close() {
        let channel = channel
        channel.eventLoop.execute {
            let pipeline = channel.pipeline.syncOperations
            if let tls = try? pipeline.context(handlerType: NIOSSLServerHandler.self) {
                tls.close(mode: .all, promise: nil)
            } else {
                channel.close(promise: nil)
            }
        }
    }
}

/// All open connections.
final class ConnectionTable: Sendable {
    private struct State {
        var connections: [ObjectIdentifier: ClientConnection] = [:]
        var isShuttingDown = false
    }

    private let state = Mutex(State())

    func add(_ channel: any Channel) -> ClientConnection {
        let connection = ClientConnection(channel: channel)
        let isLate = state.withLock { state in
            state.connections[ObjectIdentifier(channel)] = connection
            return state.isShuttingDown
        }
        if isLate { connection.endStreams() }
        return connection
    }

    func remove(_ channel: any Channel) {
        state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    func connection(of channel: any Channel) -> ClientConnection? {
        state.withLock { $0.connections[ObjectIdentifier(channel)] }
    }

    var count: Int { state.withLock { $0.connections.count } }
    private var all: [ClientConnection] { state.withLock { Array($0.connections.values) } }

    /// Shutdown, first step: watches, logs and tunnels end in order, so that their connections can close by themselves.
    func endStreams() {
        state.withLock { $0.isShuttingDown = true }
        for connection in all { connection.endStreams() }
    }

    /// Shutdown, last step.
    func closeAll() {
        for connection in all { connection.close() }
    }

    /// Closes connections whose peer has not taken a single byte of a write for so long.
    func closeStalled(longerThan duration: Duration) {
        let limit = ContinuousClock.now - duration
        for connection in all where connection.isStalled(since: limit) { connection.close() }
    }
}

/// Sees the connection's life from inside its pipeline.
final class ConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    /// A peer that vanished (power, cable) is noticed after about 15 + 3 x 5 s, also when nothing is being sent.
    private static let keepAlive: [(name: CInt, value: Int)] = [(4, 15), (5, 5), (6, 3)]  // TCP_KEEPIDLE, INTVL, CNT

    private let table: ConnectionTable
    private var connection: ClientConnection?

    init(table: ConnectionTable) { self.table = table }

    func handlerAdded(context: ChannelHandlerContext) {
        connection = table.add(context.channel)
        // NIO's sockets are not close-on-exec: a process that this one starts would keep the connection open.
        try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        }
        guard let options = context.channel.syncOptions else { return }
        try? options.setOption(.socketOption(.so_keepalive), value: 1)
        try? options.setOption(.tcpOption(.tcp_nodelay), value: 1)
        for option in Self.keepAlive {
            try? options.setOption(.tcpOption(.init(rawValue: option.name)), value: option.value)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: connection?.requestBegan()
        case .end: connection?.requestEnded()
        case .body: break
        }
        context.fireChannelRead(data)
    }

    /// Whoever has closed his half will not read a stream's end either: no HTTP client of ours half-closes.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { connection?.endStreams() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone(context)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { gone(context) }

    private func gone(_ context: ChannelHandlerContext) {
        connection?.endStreams()
        connection = nil
        table.remove(context.channel)
    }
}
