// What the handler must know about credentials, some of which is made only after the handler itself.
import Synchronization

public final class ServerSecurity: Sendable {
    private struct State {
        var tokens: ServiceAccountTokens?
        var authenticator: (any TokenAuthenticator)?
    }

    private let state = Mutex(State())

    public init() {}

    /// From now on service accounts' tokens are issued, and accepted by whoever asks `tokens`.
    public func install(tokens: ServiceAccountTokens) { state.withLock { $0.tokens = tokens } }

    /// Whom TokenReviews ask: the same chain that the front asks.
    public func install(authenticator: any TokenAuthenticator) { state.withLock { $0.authenticator = authenticator } }

    public var tokens: ServiceAccountTokens? { state.withLock { $0.tokens } }
    var authenticator: (any TokenAuthenticator)? { state.withLock { $0.authenticator } }
}
