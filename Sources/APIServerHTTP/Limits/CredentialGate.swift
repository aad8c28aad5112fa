// The limit of failed authentications of a running server: CredentialFailures behind a lock, with the time.
import APIServer
import Synchronization

final class CredentialGate: Sendable {
    private let failures: Mutex<CredentialFailures>
    private let now: @Sendable () -> Int64

    /// `now` in milliseconds of a clock that only goes on.
    init(_ configuration: CredentialFailures.Configuration, now: @escaping @Sendable () -> Int64 = CredentialGate.uptime) {
        failures = Mutex(CredentialFailures(configuration))
        self.now = now
    }

    /// Looks the token up with `authenticate`. Throws `FrontStatus` 429 when too many unknown ones have come from the address.
    func limited(
        _ token: String, from source: SourceAddress, _ authenticate: (String) async throws -> UserInfo?
    ) async throws -> UserInfo? {
        let refusal: FrontStatus? = failures.withLock { failures in
            failures.attempt(token, from: source, now: now())
                ? nil : .tooManyFailures(retryAfterSeconds: failures.secondsToWait())
        }
        if let refusal { throw refusal }
        do {
            let user = try await authenticate(token)
            if user != nil { failures.withLock { $0.forgive(token, from: source, now: now(), isKnown: true) } }
            return user
        } catch {
            failures.withLock { $0.forgive(token, from: source, now: now(), isKnown: false) }
            throw error
        }
    }

    private static let start = ContinuousClock.now

    static func uptime() -> Int64 {
        let elapsed = (ContinuousClock.now - start).components
        return elapsed.seconds * 1000 + elapsed.attoseconds / 1_000_000_000_000_000
    }
}
