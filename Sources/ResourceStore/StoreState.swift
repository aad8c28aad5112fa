// The store's memory as a value: present objects in order, the history, and how a commit changes them.
// Pure: durability and waiting are around it.

/// What one commit asks, with the bytes already validated.
struct PreparedOperation: Sendable {
    enum Body: Sendable {
        case create(SpliceableObject, ObjectIndex)
        case update(SpliceableObject, ObjectIndex, expectedRevision: UInt64?)
        case delete(expectedRevision: UInt64?, final: SpliceableObject?)
        case check(expectedRevision: UInt64)
    }
    let key: ResourceKey
    let body: Body
}

struct StoreState: Sendable {
    private(set) var tables: [CollectionID: ObjectTable]
    private(set) var revision: UInt64
    private(set) var log: EventLog
    /// Revisions that a durable journal may forget.
    private(set) var unneeded: [UInt64]
    private var presentBytes: Int
    private let indexedFields: [CollectionID: [String]]

    init(
        _ contents: JournalContents, limits: HistoryLimits, indexedFields: [CollectionID: [String]] = [:],
        volatile: Set<CollectionID> = []
    ) {
        revision = contents.revision
        self.indexedFields = indexedFields
        log = EventLog(limits: limits, floor: contents.floor, volatile: volatile)
        unneeded = contents.discardable
        presentBytes = contents.objects.reduce(0) { $0 + $1.bytes.count }
        for event in contents.history { log.append(event, presentBytes: presentBytes, unneeded: &unneeded) }
        tables = Dictionary(grouping: contents.objects, by: \.key.collection).mapValues { $0.sorted { $0.key < $1.key } }
            .reduce(into: [:]) { tables, group in
                tables[group.key] = ObjectTable(ordered: group.value, indexedFields: indexedFields[group.key] ?? [])
            }
    }

    func object(_ key: ResourceKey) -> StoredObject? { tables[key.collection]?[key] }

    mutating func apply(_ event: StoreEvent) {
        let key = event.object.key
        let collection = key.collection
        switch event.kind {
        case .added, .modified:
            tables[collection, default: ObjectTable(indexedFields: indexedFields[collection] ?? [])].put(event.object)
        case .deleted: tables[collection]?.remove(key)
        }
        revision = event.revision
        presentBytes += (event.kind == .deleted ? 0 : event.object.bytes.count) - (event.previous?.bytes.count ?? 0)
        log.append(event, presentBytes: presentBytes, unneeded: &unneeded)
    }

    mutating func forgot(_ count: Int) { unneeded.removeFirst(count) }
}
