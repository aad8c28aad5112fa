// The store: reads and watches from memory, writes through a journal with group commit.
import Synchronization

public final class JournaledStore: ResourceStore {
    /// Open watches; at about 1 KiB each this is memory, not speed.
    public static let maximumWatches = 50_000
    /// Revisions reserved at once for changes that are kept in memory only: one small durable write for so many of them.
    private static let reservation: UInt64 = 4096
    /// Superseded states are deleted from the journal in groups of at least `least` (fewer for a short history), at most `most` per
    /// transaction.
    private static let discards = (least: 256, most: 1024)

    private struct Memory {
        var state: StoreState
        var watches = WatchRegistry()
        var closedReason: String?
        var writeFailure: String?
        /// The journal will give out no revision up to this one again.
        var reserved: UInt64
    }

    private let memory: Mutex<Memory>
    /// Every watcher has been offered the events up to here.
    private let published: PublishedRevision
    private let journal: any Journal
    private let options: StoreOptions
    /// Revision at the opening: what is kept in memory only has no history before.
    private let opened: UInt64
    private let queue: Mutex<CommitQueue?> = Mutex(nil)

    public init(journal: any Journal, options: StoreOptions = StoreOptions()) throws(StoreError) {
        let contents = try journal.load()
        self.journal = journal
        self.options = options
        opened = contents.revision
        let limits = HistoryLimits(
            events: options.logCapacity, supersededBytes: options.logBytes,
            leastSupersededBytes: min(options.leastLogBytes, options.logBytes))
        memory = Mutex(
            Memory(
                state: StoreState(contents, limits: limits, indexedFields: options.indexedFields, volatile: options.volatile),
                reserved: contents.revision))
        published = PublishedRevision(contents.revision)
        queue.withLock { $0 = CommitQueue { [weak self] batch in self?.process(batch) ?? Self.abandon(batch) } }
    }

    /// Keeps nothing across restarts.
    public static func inMemory(_ options: StoreOptions = StoreOptions()) throws(StoreError) -> JournaledStore {
        try JournaledStore(journal: MemoryJournal(), options: options)
    }

    /// Opens or creates the database file. Fails with `unavailable` when it is corrupt, or open elsewhere.
    public static func sqlite(
        path: String, options: StoreOptions = StoreOptions(), transformer: any ValueTransformer = PlainValues()
    ) throws(StoreError) -> JournaledStore {
        try JournaledStore(journal: SQLiteJournal(path: path, transformer: transformer), options: options)
    }

    public var revision: UInt64 { memory.withLock { $0.state.revision } }

    public var writeFailure: String? { memory.withLock { $0.closedReason ?? $0.writeFailure } }

    // MARK: Reading

    public func get(_ key: ResourceKey) async throws(StoreError) -> StoredObject? { try peek(key) }

    public func list(_ request: ListRequest) async throws(StoreError) -> ListResult { try scan(request) }

    public func peek(_ key: ResourceKey) throws(StoreError) -> StoredObject? {
        try reading { $0.state.object(key) }
    }

    public func scan(_ request: ListRequest) throws(StoreError) -> ListResult {
        // The table is copied by reference: the scan needs no lock.
        let (table, revision, floor, later) = try reading { memory in
            let table = memory.state.tables[request.collection]
            let floor = self.floor(of: request.collection, memory.state)
            guard let exactly = request.exactly, exactly < memory.state.revision else {
                return (table?.candidates(request.selector), memory.state.revision, floor, [StoreEvent]())
            }
            let later =
                exactly < floor ? [] : Array(memory.state.log.after(exactly, in: request.collection))
            return (table?.candidates(.everything), memory.state.revision, floor, later)
        }
        let wanted = max(request.atLeast, request.exactly ?? 0)
        guard revision >= wanted else { throw .unavailable("revision \(wanted) is ahead of the store's, \(revision)") }
        guard let exactly = request.exactly else { return (table ?? ObjectTable()).list(request, revision: revision) }
        guard exactly >= floor else { throw .expired(oldest: floor) }
        var past = table ?? ObjectTable()
        past.undo(later)
        return past.list(request, revision: exactly)
    }

    /// The history of a collection begins after this revision.
    private func floor(of collection: CollectionID, _ state: StoreState) -> UInt64 {
        options.volatile.contains(collection) ? max(opened, state.log.floor) : state.log.floor
    }

    private func reading<Value>(_ body: (inout Memory) -> sending Value) throws(StoreError) -> sending Value {
        let (value, reason) = memory.withLock { memory in (body(&memory), memory.closedReason) }
        if let reason { throw .unavailable(reason) }
        return value
    }
}

/// Shared with the watches, which outlive no store but must not keep it alive.
final class PublishedRevision: Sendable {
    private let value: Atomic<UInt64>
    init(_ revision: UInt64) { value = Atomic(revision) }
    var revision: UInt64 {
        get { value.load(ordering: .acquiring) }
        set { value.store(newValue, ordering: .releasing) }
    }
}

// MARK: - Writing

extension JournaledStore {
    @discardableResult
    public func commit(_ operations: [StoreOperation]) async throws(StoreError) -> CommitResult {
        var prepared: [PreparedOperation] = []
        prepared.reserveCapacity(operations.count)
        for operation in operations { prepared.append(try PreparedOperation(operation)) }
        guard let queue = queue.withLock({ $0 }) else { throw .unavailable("closed") }
        return try await queue.submit(prepared).get()
    }

    private static func abandon(_ batch: [PendingCommit]) {
        for commit in batch { commit.answer.resume(returning: .failure(.unavailable("closed"))) }
    }

    /// On the writer. Answers, even refusals, go out only after the batch is durable: a conflict with a change that never
    /// came to be would be a lie.
    private func process(_ batch: [PendingCommit]) {
        var staged = StagedBatch(revision: revision) { key in self.memory.withLock { $0.state.object(key) } }
        var results: [Result<CommitResult, StoreError>] = []
        results.reserveCapacity(batch.count)
        for commit in batch {
            do throws(StoreError) {
                results.append(.success(try staged.stage(commit.operations)))
            } catch {
                results.append(.failure(error))
            }
        }
        do throws(JournalFailure) {
            try write(staged.events)
            publish(staged.events)
        } catch {
            if error.isFatal { queue.withLock { $0 }?.refuse("\(error.reason); open it again") }
            memory.withLock { $0.writeFailure = error.reason }
            results = batch.map { _ in .failure(.unavailable(error.reason)) }
        }
        for (commit, result) in zip(batch, results) { commit.answer.resume(returning: result) }
        journal.tidy()
    }

    /// On the writer. Makes durable what is to be.
    private func write(_ events: [StoreEvent]) throws(JournalFailure) {
        guard let last = events.last else { return }
        let durable = options.volatile.isEmpty ? events : events.filter { !options.volatile.contains($0.object.key.collection) }
        var (reserved, floor, discarded) = memory.withLock { memory in
            let unneeded = memory.state.unneeded
            let isWorthIt = unneeded.count >= min(Self.discards.least, max(1, options.logCapacity))
            let discarded = isWorthIt ? Array(unneeded.prefix(Self.discards.most)) : []
            return (memory.reserved, memory.state.log.floor, discarded)
        }
        reserved = max(reserved, durable.last?.revision ?? 0)
        if last.revision > reserved {
            reserved = last.revision + Self.reservation
        } else if durable.isEmpty, discarded.isEmpty {
            return
        }
        try journal.append(JournalBatch(events: durable, revision: reserved, floor: floor, discarded: discarded))
        memory.withLock { memory in
            memory.reserved = reserved
            memory.writeFailure = nil
            memory.state.forgot(discarded.count)
        }
    }

    /// On the writer. Watchers are offered events outside the lock; there is one publisher, so they stay in order.
    private func publish(_ events: [StoreEvent]) {
        guard let last = events.last else { return }
        let concerned = memory.withLock { memory in
            for event in events { memory.state.apply(event) }
            return memory.watches.concerned(events)
        }
        for (watches, events) in concerned {
            for watch in watches { watch.offer(events) }
        }
        published.revision = last.revision
    }

    public func close() async {
        guard let queue = queue.withLock({ $0 }) else { return }
        queue.refuse("closed")
        await queue.finish {
            self.journal.close()
            let watches = self.memory.withLock { memory in
                memory.closedReason = "closed"
                return memory.watches.all
            }
            for watch in watches { watch.finish(.storeClosed) }
        }
    }
}

// MARK: - Watching

extension JournaledStore {
    public func watch(
        _ collection: CollectionID, namespace: String?, selector: StoreSelector, from revision: UInt64?
    ) throws(StoreError) -> StoreWatch {
        // Registration and the look into the past are one step, so that no event falls between them.
        let result: Result<StoreWatch, StoreError> = memory.withLock { memory in
            if let reason = memory.closedReason { return .failure(.unavailable(reason)) }
            guard memory.watches.count < Self.maximumWatches else {
                return .failure(.unavailable("\(Self.maximumWatches) watches are open"))
            }
            let present = memory.state.revision
            let floor = floor(of: collection, memory.state)
            if let revision, revision < floor || revision > present { return .failure(.expired(oldest: floor)) }
            let watch = makeWatch(collection, namespace, selector, startRevision: present)
            watch.preload(Self.past(of: watch, since: revision, in: memory.state))
            memory.watches.insert(watch)
            return .success(watch)
        }
        return try result.get()
    }

    private func makeWatch(
        _ collection: CollectionID, _ namespace: String?, _ selector: StoreSelector, startRevision: UInt64
    ) -> StoreWatch {
        let watch = StoreWatch(
            collection: collection, namespace: namespace, selector: selector, startRevision: startRevision,
            bound: options.watchBound, published: { [published] in published.revision })
        let identifier = ObjectIdentifier(watch)
        let place = WatchRegistry.Place(namespace: namespace, selector: selector)
        watch.setOnEnd { [weak self] in self?.memory.withLock { $0.watches.remove(identifier, collection, place) } }
        return watch
    }

    private static func past(of watch: StoreWatch, since revision: UInt64?, in state: StoreState) -> [StoreEvent] {
        if let revision {
            return state.log.after(revision, in: watch.collection).compactMap { watch.visible($0) }
        }
        let request = ListRequest(collection: watch.collection, namespace: watch.namespace, selector: watch.selector)
        let table = state.tables[watch.collection]?.candidates(watch.selector)
        let objects = table?.list(request, revision: state.revision).objects ?? []
        return objects.map { StoreEvent(kind: .added, object: $0, previous: nil) }
    }
}
