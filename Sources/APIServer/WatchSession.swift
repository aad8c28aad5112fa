// A running watch: the store's events, with bookmarks between them, until its time is over.
import ResourceStore
import Synchronization

/// What a watch tells at a time.
enum WatchBatch: Sendable {
    case events([StoreEvent])
    /// Everything up to this revision has been told. `endsInitialEvents`: this is the first one after the present state.
    case bookmark(UInt64, endsInitialEvents: Bool)
    /// A Status; the watch is over.
    case error(StatusError)
}

/// Consumed by `next`, or by `subscribe`; by one of them, once.
final class WatchSession: Sendable {
    /// About once a minute, as Kubernetes sends them.
    static let bookmarkInterval = Duration.seconds(60)
    /// A watch without timeoutSeconds ends after this; clients watch on.
    static let maximumDuration = Duration.seconds(3600)

    private enum Source {
        case store(StoreWatch)
        /// The wanted revision is gone: one error, then the end.
        case refused(StatusError)
    }

    private struct State {
        var hasEnded = false
        var nextBookmark: ContinuousClock.Instant
        var owesInitialEnd: Bool
        /// Batches made from one of the store's, for `next`.
        var backlog: [WatchBatch] = []
        var deliver: (@Sendable (WatchBatch?) -> Void)?
    }

    private let source: Source
    private let state: Mutex<State>
    private let deadline: ContinuousClock.Instant
    private let wantsBookmarks: Bool
    private let timer: WatchTimer

    init(_ watch: StoreWatch, timeout: Duration, wantsBookmarks: Bool, owesInitialEnd: Bool, timer: WatchTimer) {
        let now = ContinuousClock.now
        source = .store(watch)
        deadline = now + timeout
        self.wantsBookmarks = wantsBookmarks
        self.timer = timer
        var first = State(nextBookmark: now + Self.bookmarkInterval, owesInitialEnd: owesInitialEnd)
        // An empty collection has no batch that the bookmark could follow.
        if owesInitialEnd, !watch.hasPreloaded {
            first.owesInitialEnd = false
            first.backlog = [.bookmark(watch.startRevision, endsInitialEvents: true)]
        }
        state = Mutex(first)
        timer.add(self, until: deadline, wakesEvery: wantsBookmarks ? Self.bookmarkInterval : nil)
    }

    init(refused error: StatusError, timer: WatchTimer) {
        source = .refused(error)
        deadline = .now
        wantsBookmarks = false
        self.timer = timer
        state = Mutex(State(nextBookmark: .now, owesInitialEnd: false))
    }

    deinit {
        if case .store(let watch) = source {
            timer.remove(self)
            watch.cancel()
        }
    }

    /// Ends the watch in order. Idempotent.
    func cancel() {
        state.withLock { $0.hasEnded = true }
        guard case .store(let watch) = source else { return }
        timer.remove(self)
        watch.cancel()
    }

    // MARK: Pulling

    /// Suspends until there is something to tell. nil: the end.
    func next() async -> WatchBatch? {
        while true {
            let (first, hasEnded) = state.withLock { state in
                (state.backlog.isEmpty ? nil : state.backlog.removeFirst(), state.hasEnded)
            }
            if let first { return first }
            if hasEnded { return nil }
            switch source {
            case .refused(let error):
                state.withLock { $0.hasEnded = true }
                return .error(error)
            case .store(let watch):
                guard let events = await watch.next() else { return ended(watch) }
                if events.isEmpty {
                    if let batch = attend(to: watch) { return batch }
                } else {
                    let batches = batches(events, watch)
                    state.withLock { $0.backlog = Array(batches.dropFirst()) }
                    return batches[0]
                }
            }
        }
    }

    /// After a wake: a bookmark that is due, or nothing; the end is noticed by the next look.
    private func attend(to watch: StoreWatch) -> WatchBatch? {
        let now = ContinuousClock.now
        if now >= deadline {
            cancel()
            return nil
        }
        guard takeBookmarkTurn(now), let revision = watch.bookmark() else { return nil }
        return .bookmark(revision, endsInitialEvents: false)
    }

    private func takeBookmarkTurn(_ now: ContinuousClock.Instant) -> Bool {
        guard wantsBookmarks else { return false }
        return state.withLock { state in
            // The timer's grid and this one differ by less than a second.
            guard now >= state.nextBookmark - .seconds(2) else { return false }
            state.nextBookmark = now + Self.bookmarkInterval
            return true
        }
    }

    private func ended(_ watch: StoreWatch) -> WatchBatch? {
        timer.remove(self)
        state.withLock { $0.hasEnded = true }
        return watch.end == .slow ? .error(.expired("the watch fell behind: list again")) : nil
    }

    /// One batch of the store, parted where the present state ends and the bookmark that says so is owed.
    private func batches(_ events: [StoreEvent], _ watch: StoreWatch) -> [WatchBatch] {
        let owes = state.withLock { state in
            defer { state.owesInitialEnd = false }
            return state.owesInitialEnd
        }
        guard owes else { return [.events(events)] }
        let initial = events.prefix { $0.revision <= watch.startRevision }
        let live = events[initial.endIndex...]
        return (initial.isEmpty ? [] : [.events(Array(initial))])
            + [.bookmark(watch.startRevision, endsInitialEvents: true)] + (live.isEmpty ? [] : [.events(Array(live))])
    }

    // MARK: Pushing

    /// Hands everything to a callback, in order, on the thread where it happens; nil once, at the end. It must not block.
    func subscribe(_ deliver: @escaping @Sendable (WatchBatch?) -> Void) {
        switch source {
        case .refused(let error):
            deliver(.error(error))
            deliver(nil)
        case .store(let watch):
            let backlog = state.withLock { state in
                state.deliver = deliver
                defer { state.backlog = [] }
                return state.backlog
            }
            for batch in backlog { deliver(batch) }
            watch.subscribe { events in
                guard let events else {
                    if let last = self.ended(watch) { deliver(last) }
                    self.state.withLock { $0.deliver = nil }
                    deliver(nil)
                    return
                }
                for batch in self.batches(events, watch) { deliver(batch) }
            }
        }
    }

    /// By the timer.
    func tick(_ now: ContinuousClock.Instant) {
        guard case .store(let watch) = source else { return }
        guard let deliver = state.withLock({ $0.deliver }) else {
            watch.wake()
            return
        }
        if now >= deadline {
            cancel()
        } else if takeBookmarkTurn(now) {
            _ = watch.tellBookmark { deliver(.bookmark($0, endsInitialEvents: false)) }
        }
    }
}
