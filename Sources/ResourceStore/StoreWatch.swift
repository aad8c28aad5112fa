// One watcher's bounded mailbox: a batch at a time to a suspended consumer, or to a callback on the publisher's thread.
import JSON
import Synchronization

public final class StoreWatch: Sendable {
    /// Events that may wait for a consumer before the watch is ended as too slow.
    public static let defaultBound = 4096

    /// Why `next` returned nil.
    public enum End: Sendable, Hashable {
        case cancelled
        /// The consumer fell behind by more than the bound: list and watch again.
        case slow
        case storeClosed
    }

    private enum Consumer {
        case none
        case waiting(CheckedContinuation<[StoreEvent]?, Never>)
        /// `delivering` keeps batches in order when two threads have some.
        case callback(@Sendable ([StoreEvent]?) -> Void, delivering: Bool)
    }

    private struct State {
        var pending: [StoreEvent] = []
        var consumer = Consumer.none
        var end: End?
        var onEnd: (@Sendable () -> Void)?
    }

    /// What this watch sees.
    public let collection: CollectionID
    public let namespace: String?
    /// Events up to this revision precede the watch, or were put into it at its start.
    public let startRevision: UInt64
    let selector: StoreSelector
    private let bound: Int
    private let state: Mutex<State>
    private let published: @Sendable () -> UInt64

    init(
        collection: CollectionID, namespace: String?, selector: StoreSelector, startRevision: UInt64, bound: Int,
        published: @escaping @Sendable () -> UInt64
    ) {
        self.collection = collection
        self.namespace = namespace
        self.selector = selector
        self.startRevision = startRevision
        self.bound = bound
        self.published = published
        state = Mutex(State())
    }

    public var end: End? { state.withLock { $0.end } }

    // MARK: Consuming

    /// Suspends until something happened. An empty batch means that someone called `wake`. nil: see `end`. One consumer.
    public func next() async -> [StoreEvent]? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: [StoreEvent]?? = state.withLock { state in
                    if state.end != nil { return .some(nil) }
                    if !state.pending.isEmpty {
                        defer { state.pending = [] }
                        return state.pending
                    }
                    if case .none = state.consumer {
                        state.consumer = .waiting(continuation)
                        return .none
                    }
                    return []  // a second consumer is a mistake, but must not be left hanging
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Has batches, then nil at the end, handed to a callback instead: in order, one at a time, on whichever thread
    /// publishes. The callback must neither block nor take long.
    public func subscribe(_ deliver: @escaping @Sendable ([StoreEvent]?) -> Void) {
        let previous: Consumer = state.withLock { state in
            defer { state.consumer = .callback(deliver, delivering: true) }
            return state.consumer
        }
        if case .waiting(let continuation) = previous { continuation.resume(returning: []) }
        drain(to: deliver)
    }

    /// Makes a suspended `next` return an empty batch, so that its caller can attend to a timer.
    public func wake() {
        let waiting = state.withLock { Self.takeWaiting(&$0) }
        waiting?.resume(returning: [])
    }

    public func cancel() { finish(.cancelled) }

    /// A revision that the consumer has seen everything up to, for a bookmark; nil while events wait.
    public func bookmark() -> UInt64? {
        let revision = published()
        return state.withLock { state in
            if case .callback(_, delivering: true) = state.consumer { return nil }
            return state.pending.isEmpty && state.end == nil ? max(revision, startRevision) : nil
        }
    }

    /// For a callback consumer: calls `tell` with the revision of a bookmark, in order with the batches, unless events wait
    /// or are being delivered (these say it all themselves). False: not told.
    public func tellBookmark(_ tell: (UInt64) -> Void) -> Bool {
        let revision = published()
        let deliver: (@Sendable ([StoreEvent]?) -> Void)? = state.withLock { state in
            guard case .callback(let deliver, delivering: false) = state.consumer, state.pending.isEmpty, state.end == nil
            else { return nil }
            state.consumer = .callback(deliver, delivering: true)
            return deliver
        }
        guard let deliver else { return false }
        tell(max(revision, startRevision))
        drain(to: deliver)
        return true
    }

    /// Whether events preceded the live ones. Asked before consuming.
    public var hasPreloaded: Bool { state.withLock { state in state.pending.contains { $0.revision <= startRevision } } }

    // MARK: Producing

    func setOnEnd(_ onEnd: @escaping @Sendable () -> Void) { state.withLock { $0.onEnd = onEnd } }

    /// The events that precede the live ones; they do not count against the bound.
    func preload(_ events: [StoreEvent]) { state.withLock { $0.pending = events } }

    /// Called by the one publisher, in order.
    func offer(_ events: [StoreEvent]) {
        // Watches of everything share one array.
        let seen = namespace == nil && selector.isEverything ? events : events.compactMap { visible($0) }
        guard !seen.isEmpty else { return }
        enum Next {
            case nothing, tooSlow
            case resume(CheckedContinuation<[StoreEvent]?, Never>)
            case deliver(@Sendable ([StoreEvent]?) -> Void)
        }
        let next: Next = state.withLock { state in
            if state.end != nil { return .nothing }
            if let waiting = Self.takeWaiting(&state) { return .resume(waiting) }
            if exceedsBound(state.pending, adding: seen.count) { return .tooSlow }
            // A watch that keeps up takes the publisher's array as it is.
            if state.pending.isEmpty { state.pending = seen } else { state.pending.append(contentsOf: seen) }
            guard case .callback(let deliver, delivering: false) = state.consumer else { return .nothing }
            state.consumer = .callback(deliver, delivering: true)
            return .deliver(deliver)
        }
        switch next {
        case .nothing: return
        case .tooSlow: finish(.slow)
        case .resume(let continuation): continuation.resume(returning: seen)
        case .deliver(let deliver): drain(to: deliver)
        }
    }

    /// What was preloaded does not count.
    private func exceedsBound(_ pending: [StoreEvent], adding count: Int) -> Bool {
        guard pending.count + count > bound else { return false }
        return pending.count { $0.revision > startRevision } + count > bound
    }

    func finish(_ end: End) {
        struct Farewell {
            var onEnd: (@Sendable () -> Void)?
            var waiting: CheckedContinuation<[StoreEvent]?, Never>?
            var callback: (@Sendable ([StoreEvent]?) -> Void)?
        }
        let farewell: Farewell? = state.withLock { state in
            guard state.end == nil else { return nil }
            state.end = end
            state.pending = []
            var farewell = Farewell(onEnd: state.onEnd, waiting: Self.takeWaiting(&state))
            state.onEnd = nil
            // A delivery under way will meet the end by itself, after its batch.
            if case .callback(let deliver, delivering: false) = state.consumer {
                state.consumer = .none
                farewell.callback = deliver
            }
            return farewell
        }
        farewell?.onEnd?()
        farewell?.waiting?.resume(returning: nil)
        farewell?.callback?(nil)
    }

    private static func takeWaiting(_ state: inout State) -> CheckedContinuation<[StoreEvent]?, Never>? {
        guard case .waiting(let continuation) = state.consumer else { return nil }
        state.consumer = .none
        return continuation
    }

    /// Runs by whoever set `delivering`, until nothing is left.
    private func drain(to deliver: @Sendable ([StoreEvent]?) -> Void) {
        while true {
            let batch: [StoreEvent]?? = state.withLock { state in
                if state.end != nil {
                    state.consumer = .none
                    return .some(nil)
                }
                if state.pending.isEmpty {
                    if case .callback(let callback, _) = state.consumer {
                        state.consumer = .callback(callback, delivering: false)
                    }
                    return .none
                }
                defer { state.pending = [] }
                return state.pending
            }
            guard let batch else { return }
            deliver(batch)
            if batch == nil { return }
        }
    }

    // MARK: Selecting

    /// The event as this watch sees it: entering or leaving the selection is an addition or a deletion.
    func visible(_ event: StoreEvent) -> StoreEvent? {
        if let namespace, event.object.key.namespace != namespace { return nil }
        if selector.isEverything { return event }
        let before = event.previous.map { selector.matches($0.index) } ?? false
        let after = event.kind != .deleted && selector.matches(event.object.index)
        switch (before, after) {
        case (false, false): return nil
        case (true, true): return event
        case (false, true):
            return event.kind == .added ? event : StoreEvent(kind: .added, object: event.object, previous: nil)
        case (true, false):
            guard event.kind != .deleted, let previous = event.previous else { return event }
            return StoreEvent(kind: .deleted, object: Self.stamped(previous, event.revision), previous: previous)
        }
    }

    /// Kubernetes sends the last matching state, at the revision of the change that ended the match.
    private static func stamped(_ object: StoredObject, _ revision: UInt64) -> StoredObject {
        let bytes = (try? JSONTape(parsing: object.bytes).settingResourceVersion(revision)) ?? object.bytes
        return StoredObject(key: object.key, revision: revision, bytes: bytes, index: object.index)
    }
}
