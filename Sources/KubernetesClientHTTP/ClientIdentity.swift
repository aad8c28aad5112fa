// Who a client is at this moment: replaced when its certificate is renewed, read again when the server knows it no more.
import KubernetesClient
import Logging
import NIOSSL
import Synchronization

final class ClientIdentity: Sendable {
    /// A server that is away fails every call: the files need not be read for each.
    static let readingPause = Duration.seconds(5)

    struct Credentials: Sendable {
        var credentials: ClientCredentials
        /// nil: plain HTTP.
        var tls: TLSConfiguration?

        var bearerToken: String? { credentials.bearerToken }
    }

    private let endpoint: APIServerEndpoint
    private let source: HTTPKubernetesAPI.CredentialSource?
    private let state: Mutex<Credentials>
    private let lastReading = Mutex<ContinuousClock.Instant?>(nil)
    private let log: Logger

    /// Throws `KubeconfigError` when a certificate or key cannot be read.
    init(
        _ endpoint: APIServerEndpoint, _ credentials: ClientCredentials, source: HTTPKubernetesAPI.CredentialSource?, log: Logger
    ) throws {
        self.endpoint = endpoint
        self.source = source
        self.log = log
        state = Mutex(try Self.prepared(endpoint, credentials))
    }

    var current: Credentials { state.withLock { $0 } }

    func replace(_ credentials: ClientCredentials) throws {
        let new = try Self.prepared(endpoint, credentials)
        state.withLock { $0 = new }
    }

    private static func prepared(_ endpoint: APIServerEndpoint, _ credentials: ClientCredentials) throws -> Credentials {
        Credentials(
            credentials: credentials,
            tls: endpoint.server.hasPrefix("https://") ? try endpoint.tlsConfiguration(credentials) : nil)
    }

    /// Others than those with which a call failed; nil: there are none. Looks for them after 401, and after a connection that broke:
    /// so it looks where a server refuses a certificate while it greets.
    func other(than used: Credentials, after error: KubernetesAPIError) async -> Credentials? {
        switch error {
        case .status(let status): if status.code != 401 { return nil }
        case .transport: break
        }
        let now = current
        if now.credentials != used.credentials { return now }
        guard let source, mayRead(isRefused: error.code == 401) else { return nil }
        do {
            let fresh = try await source()
            guard fresh != used.credentials else { return nil }
            try replace(fresh)
            log.notice("credentials read again: the server knew the former no more", metadata: ["server": "\(endpoint.server)"])
            return current
        } catch {
            log.warning("credentials not read again", metadata: ["server": "\(endpoint.server)", "error": "\(error)"])
            return nil
        }
    }

    private func mayRead(isRefused: Bool) -> Bool {
        let now = ContinuousClock.now
        return lastReading.withLock { last in
            if !isRefused, let last, now - last < Self.readingPause { return false }
            last = now
            return true
        }
    }
}
