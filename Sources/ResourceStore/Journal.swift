// Where commits become durable. A journal is used by one thread at a time: the store's writer.
import Synchronization

public protocol Journal: Sendable {
    /// Everything present, in any order, and the last revision ever given out.
    func load() throws(StoreError) -> (objects: [StoredObject], revision: UInt64)

    /// Makes the events durable in one transaction, in order. When it throws, none of them is.
    func append(_ events: [StoreEvent]) throws(JournalFailure)

    func close()
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
    public func load() throws(StoreError) -> (objects: [StoredObject], revision: UInt64) { ([], 0) }
    public func append(_ events: [StoreEvent]) throws(JournalFailure) {}
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

    public func load() throws(StoreError) -> (objects: [StoredObject], revision: UInt64) { try base.load() }

    public func append(_ events: [StoreEvent]) throws(JournalFailure) {
        if let failure = failure.withLock({ $0 }) { throw failure }
        try base.append(events)
    }

    public func close() { base.close() }
}
