// One ticking task for all watches: attends to those that owe a bookmark or have reached their end.
import Synchronization

final class WatchTimer: Sendable {
    /// A reference that is read only when its turn has come: each copy of a weak one costs, and there are thousands of watches.
    private final class Session: Sendable {
        weak let watch: WatchSession?
        init(_ watch: WatchSession) { self.watch = watch }
    }

    private struct Entry {
        var session: Session
        var deadline: ContinuousClock.Instant
        var interval: Duration?
        var next: ContinuousClock.Instant
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var isTicking = false
    }

    private let state = Mutex(State())
    /// Ends and bookmarks need not be more exact.
    private static let tick = Duration.seconds(1)

    func add(_ session: WatchSession, until deadline: ContinuousClock.Instant, wakesEvery interval: Duration?) {
        let starts = state.withLock { state in
            let next = interval.map { min(deadline, .now + $0) } ?? deadline
            state.entries[ObjectIdentifier(session)] = Entry(
                session: Session(session), deadline: deadline, interval: interval, next: next)
            defer { state.isTicking = true }
            return !state.isTicking
        }
        if starts { start() }
    }

    func remove(_ session: WatchSession) {
        let id = ObjectIdentifier(session)
        state.withLock { $0.entries[id] = nil }
    }

    /// Ends when there is no watch left, or nobody owns the timer any more.
    private func start() {
        Task.detached { [weak self] in
            while true {
                try? await Task.sleep(for: Self.tick)
                guard let self, self.attendToDue() else { return }
            }
        }
    }

    private func attendToDue() -> Bool {
        let now = ContinuousClock.now
        let (due, goesOn) = state.withLock { state in
            var due: [WatchSession] = []
            // Who has gone has taken itself off the list.
            for (id, entry) in state.entries where now >= entry.next {
                guard let session = entry.session.watch else {
                    state.entries[id] = nil
                    continue
                }
                due.append(session)
                // A watch past its deadline is attended to again until its consumer has seen it.
                state.entries[id]?.next = min(max(entry.deadline, now + Self.tick), now + (entry.interval ?? Self.tick))
            }
            state.isTicking = !state.entries.isEmpty
            return (due, state.isTicking)
        }
        for session in due { session.tick(now) }
        return goesOn
    }
}
