// The gate of a running server: a FairQueue behind a lock, and the tasks that wait for its answer. A request that finds a seat
// costs one short lock and never suspends.
import APIServer
import Synchronization

public final class LimitsGate: RequestGate {
    private struct State {
        var queue: FairQueue
        var nextID: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        /// What was decided about a request before its task had begun to wait: true, it may run.
        var early: [UInt64: Bool] = [:]
        var isSweeping = false
    }

    /// How exactly the limit of waiting is kept.
    private static let sweepInterval = Duration.milliseconds(250)

    private let state: Mutex<State>
    private let start = ContinuousClock.now

    public init(_ configuration: FairQueue.Configuration = FairQueue.Configuration()) {
        state = Mutex(State(queue: FairQueue(configuration)))
    }

    func enter(_ user: UserInfo, method: HTTPMethodName, path: String, isLongRunning: Bool) async throws -> RequestTicket {
        guard
            case .queued(let level, let cost) = RequestClass(user: user, method: method, path: path, isLongRunning: isLongRunning)
        else { return .free }
        let now = milliseconds
        let (id, outcome) = state.withLock { state in
            state.nextID += 1
            return (state.nextID, state.queue.enter(state.nextID, caller: user.name, level: level, cost: cost, now: now))
        }
        switch outcome {
        case .run: break
        case .wait: try await wait(id)
        case .refuse(let reason): throw Self.refusal(reason)
        }
        return RequestTicket { [weak self] in self?.leave(id) }
    }

    /// Requests that wait now, and that run.
    public var load: (waiting: Int, running: Int) { state.withLock { ($0.queue.waitingCount, $0.queue.runningCount) } }

    static func refusal(_ reason: FairQueue.RefusalReason) -> FrontStatus {
        FrontStatus(
            code: 429, reason: "TooManyRequests",
            message: "the server has received too many requests and has asked us to try again later: \(reason.rawValue)",
            retryAfterSeconds: 1)
    }

    // MARK: Waiting

    private func wait(_ id: UInt64) async throws {
        sweepWhileWaiting()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let decided = state.withLock { state -> Bool? in
                    if let decided = state.early.removeValue(forKey: id) { return decided }
                    state.waiters[id] = continuation
                    return nil
                }
                switch decided {
                case true?: continuation.resume()
                case false?: continuation.resume(throwing: Self.refusal(.waitedTooLong))
                // Cancelled before it was there to be found: nobody else would wake it.
                case nil: if Task.isCancelled { abandon(id) }
                }
            }
        } onCancel: {
            abandon(id)
        }
    }

    private func abandon(_ id: UInt64) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            guard let waiter = state.waiters[id], state.queue.abandon(id) else { return nil }
            state.waiters[id] = nil
            return waiter
        }
        waiter?.resume(throwing: CancellationError())
    }

    private func leave(_ id: UInt64) {
        let started = state.withLock { state in state.queue.leave(id).compactMap { Self.takeWaiter($0, mayRun: true, &state) } }
        for waiter in started { waiter.resume() }
    }

    private static func takeWaiter(_ id: UInt64, mayRun: Bool, _ state: inout State) -> CheckedContinuation<Void, any Error>? {
        let waiter = state.waiters.removeValue(forKey: id)
        if waiter == nil { state.early[id] = mayRun }
        return waiter
    }

    /// One task for all, and only while somebody waits.
    private func sweepWhileWaiting() {
        let begins = state.withLock { state in
            defer { state.isSweeping = true }
            return !state.isSweeping
        }
        guard begins else { return }
        Task.detached { [weak self] in
            repeat { try? await Task.sleep(for: Self.sweepInterval) } while self?.sweep() ?? false
        }
    }

    /// False when nobody waits any more.
    private func sweep() -> Bool {
        let now = milliseconds
        let (late, goesOn) = state.withLock { state in
            let late = state.queue.expire(now: now).compactMap { Self.takeWaiter($0, mayRun: false, &state) }
            state.isSweeping = state.queue.waitingCount > 0
            return (late, state.isSweeping)
        }
        for waiter in late { waiter.resume(throwing: Self.refusal(.waitedTooLong)) }
        return goesOn
    }

    private var milliseconds: Int64 {
        let elapsed = (ContinuousClock.now - start).components
        return elapsed.seconds * 1000 + elapsed.attoseconds / 1_000_000_000_000_000
    }
}
