// The store: reads and watches from memory, writes through a journal with group commit.
import Synchronization

public final class JournaledStore: ResourceStore {
    /// Events kept for watches that begin in the past. A client that was away longer lists again.
    public static let defaultLogCapacity = 10_000
    /// Open watches; at about 1 KiB each this is memory, not speed.
    public static let maximumWatches = 50_000

    private struct Memory {
        var state: StoreState
        var watches: [CollectionID: [ObjectIdentifier: StoreWatch]] = [:]
        var watchCount = 0
        var closedReason: String?
    }

    private let memory: Mutex<Memory>
    /// Every watcher has been offered the events up to here.
    private let published: PublishedRevision
    private let journal: any Journal
    private let watchBound: Int
    private let queue: Mutex<CommitQueue?> = Mutex(nil)

    public init(
        journal: any Journal, logCapacity: Int = JournaledStore.defaultLogCapacity, watchBound: Int = StoreWatch.defaultBound
    ) throws(StoreError) {
        let (objects, revision) = try journal.load()
        self.journal = journal
        self.watchBound = watchBound
        memory = Mutex(Memory(state: StoreState(objects: objects, revision: revision, logCapacity: logCapacity)))
        published = PublishedRevision(revision)
        queue.withLock { $0 = CommitQueue { [weak self] batch in self?.process(batch) ?? Self.abandon(batch) } }
    }

    /// Keeps nothing across restarts.
    public static func inMemory(
        logCapacity: Int = JournaledStore.defaultLogCapacity, watchBound: Int = StoreWatch.defaultBound
    ) throws(StoreError) -> JournaledStore {
        try JournaledStore(journal: MemoryJournal(), logCapacity: logCapacity, watchBound: watchBound)
    }

    /// Opens or creates the database file. Fails with `unavailable` when it is corrupt, or open elsewhere.
    public static func sqlite(
        path: String, logCapacity: Int = JournaledStore.defaultLogCapacity, watchBound: Int = StoreWatch.defaultBound
    ) throws(StoreError) -> JournaledStore {
        try JournaledStore(journal: SQLiteJournal(path: path), logCapacity: logCapacity, watchBound: watchBound)
    }

    public var revision: UInt64 { memory.withLock { $0.state.revision } }

    // MARK: Reading

    public func get(_ key: ResourceKey) async throws(StoreError) -> StoredObject? { try peek(key) }

    public func list(_ request: ListRequest) async throws(StoreError) -> ListResult { try scan(request) }

    public func peek(_ key: ResourceKey) throws(StoreError) -> StoredObject? {
        try reading { $0.state.object(key) }
    }

    public func scan(_ request: ListRequest) throws(StoreError) -> ListResult {
        // The table is copied by reference: the scan needs no lock.
        let (table, revision) = try reading { ($0.state.tables[request.collection], $0.state.revision) }
        guard revision >= request.atLeast else {
            throw .unavailable("revision \(request.atLeast) is ahead of the store's, \(revision)")
        }
        return (table ?? ObjectTable()).list(request, revision: revision)
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
        for commit in batch {
            do throws(StoreError) {
                results.append(.success(try staged.stage(commit.operations)))
            } catch {
                results.append(.failure(error))
            }
        }
        do throws(JournalFailure) {
            if !staged.events.isEmpty { try journal.append(staged.events) }
            publish(staged.events)
        } catch {
            if error.isFatal { queue.withLock { $0 }?.refuse("\(error.reason); open it again") }
            results = batch.map { _ in .failure(.unavailable(error.reason)) }
        }
        for (commit, result) in zip(batch, results) { commit.answer.resume(returning: result) }
    }

    /// On the writer. Watchers are offered events outside the lock; there is one publisher, so they stay in order.
    private func publish(_ events: [StoreEvent]) {
        guard let last = events.last else { return }
        let byCollection = Dictionary(grouping: events, by: \.object.key.collection)
        let audiences = memory.withLock { memory in
            for event in events { memory.state.apply(event) }
            return byCollection.map { collection, events in (memory.watches[collection].map { Array($0.values) } ?? [], events) }
        }
        for (watches, events) in audiences {
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
                return memory.watches.values.flatMap(\.values)
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
            guard memory.watchCount < Self.maximumWatches else {
                return .failure(.unavailable("\(Self.maximumWatches) watches are open"))
            }
            let present = memory.state.revision
            if let revision, revision < memory.state.log.floor || revision > present {
                return .failure(.expired(oldest: memory.state.log.floor))
            }
            let watch = makeWatch(collection, namespace, selector, startRevision: present)
            watch.preload(Self.past(of: watch, since: revision, in: memory.state))
            memory.watches[collection, default: [:]][ObjectIdentifier(watch)] = watch
            memory.watchCount += 1
            return .success(watch)
        }
        return try result.get()
    }

    private func makeWatch(
        _ collection: CollectionID, _ namespace: String?, _ selector: StoreSelector, startRevision: UInt64
    ) -> StoreWatch {
        let watch = StoreWatch(
            collection: collection, namespace: namespace, selector: selector, startRevision: startRevision,
            bound: watchBound, published: { [published] in published.revision })
        let identifier = ObjectIdentifier(watch)
        watch.setOnEnd { [weak self] in self?.forget(identifier, collection) }
        return watch
    }

    private static func past(of watch: StoreWatch, since revision: UInt64?, in state: StoreState) -> [StoreEvent] {
        if let revision {
            return state.log.after(revision).lazy.filter { $0.object.key.collection == watch.collection }
                .compactMap { watch.visible($0) }
        }
        let request = ListRequest(collection: watch.collection, namespace: watch.namespace, selector: watch.selector)
        let objects = state.tables[watch.collection]?.list(request, revision: state.revision).objects ?? []
        return objects.map { StoreEvent(kind: .added, object: $0, previous: nil) }
    }

    private func forget(_ identifier: ObjectIdentifier, _ collection: CollectionID) {
        memory.withLock { memory in
            guard memory.watches[collection]?.removeValue(forKey: identifier) != nil else { return }
            memory.watchCount -= 1
            if memory.watches[collection]?.isEmpty == true { memory.watches[collection] = nil }
        }
    }
}
