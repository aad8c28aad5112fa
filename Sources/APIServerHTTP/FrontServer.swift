// What all connections share: the responder, the bounds, and the event loops.
import NIOCore

/// Time limits of a connection's phases; a sweep every few seconds applies them.
struct ConnectionLimits: Sendable {
    /// From accepting to the first whole request head, handshake included.
    var firstRequest = TimeAmount.seconds(30)
    /// Between requests. A head that drips in does not prolong it.
    var idle = TimeAmount.seconds(300)
    /// From a head to the end of its body.
    var body = TimeAmount.seconds(60)
    /// A peer that takes nothing of what is sent.
    var stall = TimeAmount.seconds(30)
    /// For TLS's farewell.
    var farewell = TimeAmount.seconds(5)
    var headerBytes = 64 << 10

    /// Fine enough for the shortest limit.
    var sweepInterval: TimeAmount {
        let shortest = min(firstRequest, idle, body, stall).nanoseconds
        return .nanoseconds(max(10_000_000, min(2_000_000_000, shortest / 4)))
    }
}

final class FrontServer: Sendable {
    /// Of all request bodies under way.
    private static let bodyBytes = 128 << 20

    let responder: APIResponder
    let limits: ConnectionLimits
    let bodyBudget = BodyBudget(limit: FrontServer.bodyBytes)
    private let maximumConnections: Int
    private let loops: [FrontLoop]

    init(responder: APIResponder, limits: ConnectionLimits, maximumConnections: Int, group: any EventLoopGroup) {
        self.responder = responder
        self.limits = limits
        self.maximumConnections = maximumConnections
        loops = group.makeIterator().map { FrontLoop($0) }
    }

    /// The sweeps that apply time limits; `cutAll` ends them.
    func start() {
        let limits = limits
        for front in loops { front.loop.execute { front.start(every: limits.sweepInterval) } }
    }

    var connectionCount: Int { responder.metrics.connections }

    func front(of loop: any EventLoop) -> FrontLoop? { loops.first { $0.loop === loop } }

    /// False: there are too many already.
    func connectionOpened() -> Bool {
        if responder.metrics.connectionOpened() <= maximumConnections { return true }
        connectionClosed()
        return false
    }

    func connectionClosed() { responder.metrics.connectionClosed() }

    /// Shutdown, first step: watches, logs and tunnels end in order, so that their connections can close by themselves.
    func endStreams() {
        for front in loops { front.loop.execute { front.endStreams() } }
    }

    /// Shutdown, last step.
    func cutAll() {
        for front in loops { front.loop.execute { front.cutAll() } }
    }
}
