// A master that goes on running: its certificate and the administrator's are renewed when due, or taken anew from disk when
// somebody has put others there; new connections see the new one.
import APIServerHTTP
import Logging
import PKI

struct MasterRenewal: Sendable {
    let state: MasterState
    let names: [String]
    /// What the administrator's kubeconfig says.
    let url: String
    let front: APIServerService
    let logger: Logger

    /// Certificates are renewed months before they end; an hour later is soon enough.
    private static let interval = Duration.seconds(3600)

    /// Until cancelled. `shown` is the certificate that the front began with.
    func run(_ shown: CertificateAndKey) async throws {
        var shown = shown
        while true {
            try await Task.sleep(for: Self.interval, tolerance: .seconds(60))
            do {
                let identity = try MasterIdentity(state, names: names)
                guard identity.server != shown else { continue }
                try front.replaceServerCertificate(identity.server)
                try identity.writeKubeconfig(state, server: url)
                shown = identity.server
                logger.notice("the server's certificate has been replaced")
            } catch {
                logger.error("the server's certificate cannot be renewed", metadata: ["error": "\(error)"])
            }
        }
    }
}
