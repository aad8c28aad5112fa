// Where commits become durable. A journal is used by one thread at a time: the store's writer.
import Synchronization

/// What one append makes durable, all or nothing.
public struct JournalBatch: Sendable {
    /// In order of their revisions.
    public var events: [StoreEvent]
    /// No revision up to this one may ever be given out again, even if no event carries it.
    public var revision: UInt64
    /// The history begins after this revision; never below what was written before.
    public var floor: UInt64
    /// Revisions whose states neither the present nor the history after `floor` needs.
    public var discarded: [UInt64]

    public init(events: [StoreEvent], revision: UInt64, floor: UInt64 = 0, discarded: [UInt64] = []) {
        self.events = events
        self.revision = revision
        self.floor = floor
        self.discarded = discarded
    }
}

/// What a journal remembers.
public struct JournalContents: Sendable {
    /// Everything present, in any order.
    public var objects: [StoredObject] = []
    /// Every event after `floor`, in order.
    public var history: [StoreEvent] = []
    public var floor: UInt64 = 0
    /// The last revision ever given out, or reserved.
    public var revision: UInt64 = 0
    /// Revisions that are kept and that nobody needs: an interrupted clean-up's.
    public var discardable: [UInt64] = []

    public init() {}
}

public protocol Journal: Sendable {
    func load() throws(StoreError) -> JournalContents

    /// Makes the batch durable in one transaction. When it throws, and the failure is not fatal, none of it is.
    func append(_ batch: JournalBatch) throws(JournalFailure)

    /// Work that need not hold up an answer: called after those of a batch are given.
    func tidy()

    func close()
}

extension Journal {
    public func tidy() {}
}

public struct JournalFailure: Error, Sendable, Hashable {
    public let reason: String
    /// True when it is unknown what a restart would find: the store then takes no more writes until it is opened again.
    public let isFatal: Bool

    public init(reason: String, isFatal: Bool) {
        self.reason = reason
        self.isFatal = isFatal
    }
}

/// Keeps nothing: for tests and throw-away clusters.
public struct MemoryJournal: Journal {
    public init() {}
    public func load() throws(StoreError) -> JournalContents { JournalContents() }
    public func append(_ batch: JournalBatch) throws(JournalFailure) {}
    public func close() {}
}

/// Fails when told to, for tests of whatever writes to a store.
public final class FailingJournal: Journal {
    private let base: any Journal
    private let failure: Mutex<JournalFailure?>

    public init(over base: any Journal = MemoryJournal(), failure: JournalFailure? = nil) {
        self.base = base
        self.failure = Mutex(failure)
    }

    /// The knob: what every append meets from now on; nil: success.
    public func fail(with failure: JournalFailure?) { self.failure.withLock { $0 = failure } }

    public func load() throws(StoreError) -> JournalContents { try base.load() }

    public func append(_ batch: JournalBatch) throws(JournalFailure) {
        if let failure = failure.withLock({ $0 }) { throw failure }
        try base.append(batch)
    }

    public func tidy() { base.tidy() }

    public func close() { base.close() }
}
