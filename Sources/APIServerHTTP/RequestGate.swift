// Where requests wait for their turn: the seam between whoever serves connections and the limits per caller.
import APIServer

/// A request that is being served. `leave` is called once, when its answer is written, or for a watch when it has begun.
public final class RequestTicket: Sendable {
    private let onLeave: (@Sendable () -> Void)?

    /// nil: nothing is counted for this request.
    public init(onLeave: (@Sendable () -> Void)? = nil) { self.onLeave = onLeave }

    public func leave() { onLeave?() }

    /// For requests that no limit counts.
    public static let free = RequestTicket()
}

/// Lets requests in, makes them wait for a bounded time, or refuses them with 429 and Retry-After.
protocol RequestGate: Sendable {
    /// Does not suspend while there is room. Throws `FrontStatus` 429 when the caller's queue is full or its turn has not
    /// come in time, and `CancellationError` when the caller has gone.
    func enter(_ user: UserInfo, method: HTTPMethodName, path: String, isLongRunning: Bool) async throws -> RequestTicket
}
