// A Lite that goes on running renews its certificate before it ends, and its connections use the new one from then on.
import KubernetesClientHTTP
import Logging
import PKI

struct LiteRenewal: Sendable {
    let settings: LiteSettings
    let api: HTTPKubernetesAPI
    let logger: Logger

    /// Longest sleep: a machine that was suspended, or whose clock was set, looks again.
    private static let longestSleep: Int64 = 3600

    /// Until cancelled.
    func run(_ identity: LiteIdentity) async throws {
        var identity = identity
        var failures = 0
        let jitter = Double.random(in: 0..<1)
        while true {
            let schedule = try RenewalSchedule(certificatePEM: identity.pair.certificatePEM)
            let now = unixNow()
            let pause =
                failures == 0 ? schedule.pause(now: now, jitter: jitter) : schedule.retryPause(now: now, failures: failures)
            if pause > 0 {
                try await Task.sleep(for: .seconds(min(pause, Self.longestSleep)))
                if pause > Self.longestSleep { continue }
            }
            do {
                identity = try await renew()
                failures = 0
                logger.notice("certificate renewed", metadata: ["node": "\(settings.nodeName)"])
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                failures += 1
                logger.warning(
                    "certificate not renewed; trying again", metadata: ["error": "\(error)", "attempt": "\(failures)"])
            }
        }
    }

    private func renew() async throws -> LiteIdentity {
        let identity = try await LiteIdentity.request(
            stateDirectory: settings.stateDirectory, node: settings.nodeName, domain: settings.domain, api: api)
        try api.replaceCredentials(
            ClientCredentials(certificatePEM: identity.pair.certificatePEM, privateKeyPEM: identity.pair.privateKeyPEM))
        return identity
    }
}
