// The agent's only source of time, so that tests own it.
import AgentCore
import Glibc

public protocol AgentClock: Sendable {
    func now() -> UnixNanoseconds
    /// Suspends until `time`; throws when the task is cancelled.
    func sleep(until time: UnixNanoseconds) async throws
}

extension AgentClock {
    func sleep(nanoseconds: Int64) async throws { try await sleep(until: now() + nanoseconds) }
}

public struct SystemClock: AgentClock {
    public init() {}

    public func now() -> UnixNanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * .nanosecondsPerSecond + Int64(time.tv_nsec)
    }

    public func sleep(until time: UnixNanoseconds) async throws {
        let pause = time - now()
        if pause > 0 { try await Task.sleep(for: .nanoseconds(pause)) } else { try Task.checkCancellation() }
    }
}
