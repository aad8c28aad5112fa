// A clock that stands still until a test moves it, so that pauses and deadlines need no real time.
import Synchronization

public final class ManualClock: Clock, Sendable {
    public struct Instant: InstantProtocol {
        var offset: Duration

        public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        public func duration(to other: Instant) -> Duration { other.offset - offset }
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        var deadline: Instant
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct Content {
        var now = Instant(offset: .zero)
        var nextID = 0
        var sleepers: [Int: Sleeper] = [:]
        var observers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

        mutating func takeSatisfiedObservers() -> [CheckedContinuation<Void, Never>] {
            let satisfied = observers.filter { $0.count <= sleepers.count }
            observers.removeAll { $0.count <= sleepers.count }
            return satisfied.map(\.continuation)
        }
    }

    private let content = Mutex(Content())

    public init() {}

    public var now: Instant { content.withLock { $0.now } }
    public var minimumResolution: Duration { .nanoseconds(1) }

    public func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let id = content.withLock { content in
            content.nextID += 1
            return content.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let (ready, observers) = content.withLock {
                    content -> (Result<Void, any Error>?, [CheckedContinuation<Void, Never>]) in
                    if Task.isCancelled { return (.failure(CancellationError()), []) }
                    if deadline <= content.now { return (.success(()), []) }
                    content.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
                    return (nil, content.takeSatisfiedObservers())
                }
                if let ready { continuation.resume(with: ready) }
                for observer in observers { observer.resume() }
            }
        } onCancel: {
            let sleeper = content.withLock { $0.sleepers.removeValue(forKey: id) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Moves on and wakes everybody whose time has come.
    public func advance(by duration: Duration) {
        let due = content.withLock { content in
            content.now = content.now.advanced(by: duration)
            let due = content.sleepers.filter { $0.value.deadline <= content.now }
            for id in due.keys { content.sleepers[id] = nil }
            return due.values.sorted { $0.deadline < $1.deadline }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Suspends until at least `count` tasks sleep on this clock.
    public func waitForSleepers(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let ready = content.withLock { content in
                if content.sleepers.count >= count { return true }
                content.observers.append((count, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }
}
