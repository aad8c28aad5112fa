// One ticking task for all watches: wakes those that owe a bookmark or have reached their end.
import ResourceStore
import Synchronization

final class WatchTimer: Sendable {
    private struct Entry {
        weak var watch: StoreWatch?
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

    func add(_ watch: StoreWatch, until deadline: ContinuousClock.Instant, wakesEvery interval: Duration?) {
        let starts = state.withLock { state in
            let next = interval.map { min(deadline, .now + $0) } ?? deadline
            state.entries[ObjectIdentifier(watch)] = Entry(watch: watch, deadline: deadline, interval: interval, next: next)
            defer { state.isTicking = true }
            return !state.isTicking
        }
        if starts { start() }
    }

    func remove(_ watch: StoreWatch) { state.withLock { $0.entries[ObjectIdentifier(watch)] = nil } }

    /// Ends when there is no watch left, or nobody owns the timer any more.
    private func start() {
        Task.detached { [weak self] in
            while true {
                try? await Task.sleep(for: Self.tick)
                guard let self, self.wakeDue() else { return }
            }
        }
    }

    private func wakeDue() -> Bool {
        let now = ContinuousClock.now
        let (due, goesOn) = state.withLock { state in
            var due: [StoreWatch] = []
            for (id, entry) in state.entries {
                guard let watch = entry.watch else {
                    state.entries[id] = nil
                    continue
                }
                guard now >= entry.next else { continue }
                due.append(watch)
                // A watch past its deadline is woken again until its consumer has seen it.
                state.entries[id]?.next = min(max(entry.deadline, now + Self.tick), now + (entry.interval ?? Self.tick))
            }
            state.isTicking = !state.entries.isEmpty
            return (due, state.isTicking)
        }
        for watch in due { watch.wake() }
        return goesOn
    }
}
