// The port that is listened on, once it is known.
import Synchronization

final class BoundPort: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Int, any Error>])
        case known(Int)
        case failed(any Error)
    }

    private let state = Mutex(State.waiting([]))

    func value() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known: Result<Int, any Error>? = state.withLock { state in
                switch state {
                case .waiting(let waiters):
                    state = .waiting(waiters + [continuation])
                    return nil
                case .known(let port): return .success(port)
                case .failed(let error): return .failure(error)
                }
            }
            if let known { continuation.resume(with: known) }
        }
    }

    func set(_ port: Int) { settle(.known(port), with: .success(port)) }
    func fail(_ error: any Error) { settle(.failed(error), with: .failure(error)) }

    private func settle(_ settled: State, with result: Result<Int, any Error>) {
        let waiters = state.withLock { state -> [CheckedContinuation<Int, any Error>] in
            guard case .waiting(let waiters) = state else { return [] }
            state = settled
            return waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
