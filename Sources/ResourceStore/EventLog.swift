// The bounded history: the latest events, oldest first, for watches that begin in the past.

struct HistoryLimits: Sendable, Hashable {
    /// Events.
    var events: Int
    /// Bytes of states that only the history still holds, at most.
    var supersededBytes: Int
    /// So many in any case; in between the history is a quarter of what is present: a small cluster has a small master.
    var leastSupersededBytes: Int

    func supersededBytes(beside presentBytes: Int) -> Int { min(supersededBytes, max(leastSupersededBytes, presentBytes / 4)) }
}

struct EventLog: Sendable {
    /// Events whose ready-made frames are kept. Who is further behind has its frames made again.
    static let framedEvents = 512

    let limits: HistoryLimits
    /// Every event after this revision is here.
    private(set) var floor: UInt64
    private var events = EventRun()
    /// The same events by collection: a watch begins without a look at what the others did meanwhile. In a large cluster nearly all
    /// that happens is heartbeats, and thousands of watches begin anew every few minutes.
    private var collections: [CollectionID: EventRun] = [:]
    private var supersededBytes = 0
    /// Not in the journal.
    private let volatile: Set<CollectionID>

    init(limits: HistoryLimits, floor: UInt64, volatile: Set<CollectionID> = []) {
        self.volatile = volatile
        self.limits = limits
        self.floor = floor
    }

    var count: Int { events.count }

    /// Appends to `unneeded` the revisions whose states nobody can ask for any more. `presentBytes`: of all objects there are.
    mutating func append(_ event: StoreEvent, presentBytes: Int, unneeded: inout [UInt64]) {
        let allowed = limits.supersededBytes(beside: presentBytes)
        events.append(event)
        collections[event.object.key.collection, default: EventRun()].append(event)
        supersededBytes += Self.superseded(event)
        events.beforeLast(Self.framedEvents)?.dropFrame()
        while count > max(1, limits.events) || (supersededBytes > allowed && count > 1), let oldest = events.dropOldest() {
            let collection = oldest.object.key.collection
            _ = collections[collection]?.dropOldest()
            if collections[collection]?.count == 0 { collections[collection] = nil }
            floor = oldest.revision
            supersededBytes -= Self.superseded(oldest)
            if volatile.isEmpty || !volatile.contains(collection) {
                if let previous = oldest.previous { unneeded.append(previous.revision) }
                if oldest.kind == .deleted { unneeded.append(oldest.revision) }
            }
        }
    }

    private static func superseded(_ event: StoreEvent) -> Int {
        (event.previous?.bytes.count ?? 0) + (event.kind == .deleted ? event.object.bytes.count : 0)
    }

    /// A collection's events after a revision that is not below the floor.
    func after(_ revision: UInt64, in collection: CollectionID) -> ArraySlice<StoreEvent> {
        collections[collection]?.after(revision) ?? []
    }
}

/// Events in order of their revisions, of which the oldest go.
private struct EventRun {
    private var events: [StoreEvent] = []
    /// Dropped events at the front of the array, which still hold their objects: few beside those that count.
    private var dropped = 0

    var count: Int { events.count - dropped }

    mutating func append(_ event: StoreEvent) { events.append(event) }

    /// The event that so many others follow.
    func beforeLast(_ number: Int) -> StoreEvent? { count > number ? events[events.count - 1 - number] : nil }

    mutating func dropOldest() -> StoreEvent? {
        guard count > 0 else { return nil }
        let oldest = events[dropped]
        dropped += 1
        // Each removal moves the whole array by a word an event: some eight words for each that was dropped.
        if dropped > 64 + count / 8 {
            events.removeFirst(dropped)
            dropped = 0
        }
        return oldest
    }

    func after(_ revision: UInt64) -> ArraySlice<StoreEvent> {
        var low = dropped
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if events[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return events[low...]
    }
}
