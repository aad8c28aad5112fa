// The store's memory as a value: present objects in order, the bounded event log, and how a commit changes them.
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

/// The objects of one collection in order of namespace and name.
struct ObjectTable: Sendable {
    private(set) var objects: [StoredObject] = []

    /// Index of the first object not before the given name.
    func lowerBound(namespace: String, name: String) -> Int {
        var low = 0
        var high = objects.count
        while low < high {
            let middle = (low + high) / 2
            let key = objects[middle].key
            if (key.namespace, key.name) < (namespace, name) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    subscript(key: ResourceKey) -> StoredObject? {
        let index = lowerBound(namespace: key.namespace, name: key.name)
        return index < objects.count && objects[index].key == key ? objects[index] : nil
    }

    mutating func put(_ object: StoredObject) {
        let index = lowerBound(namespace: object.key.namespace, name: object.key.name)
        if index < objects.count, objects[index].key == object.key {
            objects[index] = object
        } else {
            objects.insert(object, at: index)
        }
    }

    mutating func remove(_ key: ResourceKey) {
        let index = lowerBound(namespace: key.namespace, name: key.name)
        if index < objects.count, objects[index].key == key { objects.remove(at: index) }
    }
}

struct StoreState: Sendable {
    private(set) var tables: [CollectionID: ObjectTable] = [:]
    private(set) var revision: UInt64
    private(set) var log: EventLog

    /// `objects` in any order; `revision` is the last one given out, perhaps to a deletion.
    init(objects: [StoredObject], revision: UInt64, logCapacity: Int) {
        self.revision = revision
        log = EventLog(capacity: logCapacity, floor: revision)
        // In order of keys each insertion is an append.
        for object in objects.sorted(by: { $0.key < $1.key }) {
            tables[object.key.collection, default: ObjectTable()].put(object)
        }
    }

    func object(_ key: ResourceKey) -> StoredObject? { tables[key.collection]?[key] }

    mutating func apply(_ event: StoreEvent) {
        let key = event.object.key
        switch event.kind {
        case .added, .modified: tables[key.collection, default: ObjectTable()].put(event.object)
        case .deleted: tables[key.collection]?.remove(key)
        }
        revision = event.revision
        log.append(event)
    }
}

/// The latest events, oldest first.
struct EventLog: Sendable {
    let capacity: Int
    /// Every event after this revision is here.
    private(set) var floor: UInt64
    private var events: [StoreEvent] = []
    /// Dropped events at the front of the array; it is compacted when they are half of it.
    private var dropped = 0

    init(capacity: Int, floor: UInt64) {
        self.capacity = capacity
        self.floor = floor
    }

    var count: Int { events.count - dropped }

    mutating func append(_ event: StoreEvent) {
        events.append(event)
        guard count > capacity else { return }
        floor = events[dropped].revision
        dropped += 1
        if dropped > capacity {
            events.removeFirst(dropped)
            dropped = 0
        }
    }

    /// Events after a revision that is not below the floor.
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
