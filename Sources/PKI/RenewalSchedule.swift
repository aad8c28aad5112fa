// When a certificate is renewed: a pure decision for whoever holds one and goes on running.

public struct RenewalSchedule: Sendable, Hashable {
    /// Seconds since 1970.
    public let notBefore: Int64
    public let notAfter: Int64

    /// Attempts after a failure come after so many seconds at least, and at most.
    public static let shortestPause: Int64 = 60
    public static let longestPause: Int64 = 6 * 3600

    public init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    public init(certificatePEM: String) throws {
        let info = try CertificateInfo(pem: certificatePEM)
        self.init(notBefore: info.notBefore, notAfter: info.notAfter)
    }

    /// The moment to renew: at 70 to 80 % of the validity (as kubelets do, and never later than a third before the end would
    /// allow for repeated attempts); `jitter` in 0..<1 spreads many nodes that began together.
    public func renewal(jitter: Double) -> Int64 {
        let validity = Double(max(notAfter - notBefore, 0))
        return notBefore + Int64(validity * (0.7 + 0.1 * min(max(jitter, 0), 1)))
    }

    /// Seconds to wait from `now` until the renewal; 0: now.
    public func pause(now: Int64, jitter: Double) -> Int64 { max(renewal(jitter: jitter) - now, 0) }

    /// Seconds until the next attempt after `failures` failed ones: doubling, and always several attempts before the end.
    public func retryPause(now: Int64, failures: Int) -> Int64 {
        let doubled = Self.shortestPause << Int64(min(max(failures - 1, 0), 10))
        let left = max(notAfter - now, 0) / 4
        return max(min(doubled, Self.longestPause, left), Self.shortestPause)
    }
}
