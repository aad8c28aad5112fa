// Logical commits waiting for the one writer: many share one transaction and its fsync.
import Dispatch
import Glibc
import Synchronization

struct PendingCommit: Sendable {
    let operations: [PreparedOperation]
    let answer: CheckedContinuation<Result<CommitResult, StoreError>, Never>
}

/// Callers wait for their commit, so the bound limits how many callers may wait; more are refused.
final class CommitQueue: Sendable {
    /// Commits that may wait. At 20 us each this is a tenth of a second's work.
    static let maximumPending = 8192
    /// Commits in one transaction: enough to make the fsync's cost vanish, few enough to keep a transaction below 50 ms.
    static let maximumBatch = 1024

    /// After so many commits in one transaction more are on their way: their callers have just been answered, and ask again. Together
    /// they share a sync and its wake-ups, which cost more than a commit.
    static let gathersAfter = 4
    static let gatheringMicroseconds: UInt32 = 300

    private struct State {
        var pending: [PendingCommit] = []
        var isDraining = false
        var closedReason: String?
    }

    private let state = Mutex(State())
    /// The writer. A dispatch queue's thread, so that fsync blocks no task.
    private let writer = DispatchQueue(label: "swiftlet.store.writer")
    private let process: @Sendable ([PendingCommit]) -> Void

    init(process: @escaping @Sendable ([PendingCommit]) -> Void) { self.process = process }

    func submit(_ operations: [PreparedOperation]) async -> Result<CommitResult, StoreError> {
        await withCheckedContinuation { answer in
            enum Next {
                case drain, wait
                case refuse(String)
            }
            let next: Next = state.withLock { state in
                if let reason = state.closedReason { return .refuse(reason) }
                if state.pending.count >= Self.maximumPending { return .refuse("\(Self.maximumPending) commits are waiting") }
                state.pending.append(PendingCommit(operations: operations, answer: answer))
                if state.isDraining { return .wait }
                state.isDraining = true
                return .drain
            }
            switch next {
            case .drain: writer.async { self.drain() }
            case .wait: return
            case .refuse(let reason): answer.resume(returning: .failure(.unavailable(reason)))
            }
        }
    }

    private func drain() {
        while let batch = takeBatch() {
            process(batch)
            if batch.count >= Self.gathersAfter { usleep(Self.gatheringMicroseconds) }
        }
    }

    private func takeBatch() -> [PendingCommit]? {
        state.withLock { state in
            guard !state.pending.isEmpty else {
                state.isDraining = false
                return nil
            }
            let batch = Array(state.pending.prefix(Self.maximumBatch))
            state.pending.removeFirst(batch.count)
            return batch
        }
    }

    /// Refuses new commits from now on, with this reason; those waiting are still processed.
    func refuse(_ reason: String) { state.withLock { $0.closedReason = $0.closedReason ?? reason } }

    /// Returns when what waits has been processed and `body` has run on the writer.
    func finish(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { done in
            writer.async {
                body()
                done.resume()
            }
        }
    }
}
