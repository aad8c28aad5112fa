// One request through a node tunnel, from the question to the end of the answer's body.
import KubernetesClient
import Synchronization

struct TunnelAnswerHead: Sendable, Hashable {
    var status: Int
    var contentType: String
}

/// A request that waits for its answer, or whose answer is being received.
///
///     waiting ── deliver(head) ──> answering ── the POST's body ends, or either side gives up ──> done (the pipe's end)
///        └────── fail ──> failed
final class PendingAnswer: Sendable {
    private enum Phase {
        case waiting(CheckedContinuation<TunnelAnswerHead, any Error>?)
        /// The head came before the caller waited for it.
        case answering(TunnelAnswerHead)
        case failed(any Error)
    }

    private struct State {
        var phase = Phase.waiting(nil)
        /// Breaks the node's POST, so that it learns that nobody reads any more.
        var breakAnswer: (@Sendable () -> Void)?
        var isCancelled = false
    }

    let id: String
    let node: String
    /// The answer's body: the node's POST writes, the caller reads.
    let body = BytePipe()
    /// What the caller sends: he writes, the node's GET of its input reads. Ends with the answer.
    let input = BytePipe()
    private let state = Mutex(State())

    init(id: String, node: String) {
        self.id = id
        self.node = node
    }

    /// Suspends until the node began to answer. Throws `NodeTunnelError`, or `CancellationError`.
    func head(deadline: Duration) async throws -> TunnelAnswerHead {
        let node = node
        let timeout = Task { [weak self] in
            try await Task.sleep(for: deadline)
            self?.failUnlessAnswering(NodeTunnelError.timedOut(node: node))
        }
        defer { timeout.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let known: Result<TunnelAnswerHead, any Error>? = state.withLock { state in
                    switch state.phase {
                    case .waiting:
                        state.phase = .waiting(continuation)
                        return nil
                    case .answering(let head): return .success(head)
                    case .failed(let error): return .failure(error)
                    }
                }
                if let known { continuation.resume(with: known) }
            }
        } onCancel: {
            failUnlessAnswering(CancellationError())
        }
    }

    /// The node's POST has come. False when the caller has given up, or another POST was first.
    func deliver(_ head: TunnelAnswerHead, breakAnswer: @escaping @Sendable () -> Void) -> Bool {
        let (accepted, waiter) = state.withLock { state -> (Bool, CheckedContinuation<TunnelAnswerHead, any Error>?) in
            guard case .waiting(let waiter) = state.phase, !state.isCancelled else { return (false, nil) }
            state.phase = .answering(head)
            state.breakAnswer = breakAnswer
            return (true, waiter)
        }
        waiter?.resume(returning: head)
        return accepted
    }

    func failUnlessAnswering(_ error: any Error) {
        let waiter = state.withLock { state -> CheckedContinuation<TunnelAnswerHead, any Error>? in
            guard case .waiting(let waiter) = state.phase else { return nil }
            state.phase = .failed(error)
            return waiter
        }
        waiter?.resume(throwing: error)
    }

    /// The caller gave up. Idempotent.
    func cancel() {
        body.abandon()
        input.finish(throwing: NodeTunnelError.broken(node: node))
        let breakAnswer = state.withLock { state in
            defer { state.breakAnswer = nil }
            state.isCancelled = true
            return state.breakAnswer
        }
        breakAnswer?()
    }

    /// The POST is over, in order: nothing is left to break.
    func answerEnded() {
        state.withLock { $0.breakAnswer = nil }
        body.finish()
        input.abandon()
    }

    func answerBroke() {
        state.withLock { $0.breakAnswer = nil }
        body.finish(throwing: NodeTunnelError.broken(node: node))
        input.abandon()
    }
}

/// An answer that has begun.
public struct TunnelAnswer: Sendable {
    public var status: Int { head.status }
    public var contentType: String { head.contentType }
    let head: TunnelAnswerHead
    let pending: PendingAnswer
    let hub: NodeTunnelHub

    /// The next piece of the body; nil at its end. Throws `NodeTunnelError.broken` when the node vanished.
    public func next() async throws -> [UInt8]? { try await pending.body.next() }

    /// To the node, where it reads as its input. Suspends while it does not; throws when it never will again.
    public func write(_ bytes: [UInt8]) async throws { try await pending.input.write(bytes) }

    /// Nothing more comes from the caller.
    public func finishWriting() { pending.input.finish() }

    /// Must be called when the caller is done, at the latest then the node stops answering.
    public func close() {
        pending.cancel()
        hub.forget(pending)
    }
}
