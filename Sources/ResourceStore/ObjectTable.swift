// The objects of one collection in order of namespace and name, as a value that is cheap to copy and to change.

struct ObjectTable: Sendable {
    /// Objects per chunk: a change copies at most one chunk and the list of chunks, however many objects there are.
    private static let chunkLimit = 256

    /// None is empty.
    private var chunks: [[StoredObject]] = []
    private(set) var count = 0
    /// For the fields that this collection is asked for often.
    private var indexes: [FieldIndex] = []

    /// Objects by the value of a field.
    private struct FieldIndex {
        let field: String
        var tables: [String: ObjectTable] = [:]

        func value(_ object: StoredObject) -> String { object.index.fields[field] ?? "" }

        mutating func replace(_ old: StoredObject?, by new: StoredObject?) {
            let before = old.map { value($0) }
            let after = new.map { value($0) }
            if let old, let before, before != after {
                tables[before]?.remove(old.key)
                if tables[before]?.count == 0 { tables[before] = nil }
            }
            if let new, let after { tables[after, default: ObjectTable()].put(new) }
        }
    }

    init(indexedFields: [String] = []) { indexes = indexedFields.map { FieldIndex(field: $0) } }

    /// `objects` must be in order.
    init(ordered objects: [StoredObject], indexedFields: [String] = []) {
        self.init(indexedFields: indexedFields)
        var start = 0
        while start < objects.count {
            // Room for newcomers.
            let end = min(start + Self.chunkLimit / 4 * 3, objects.count)
            chunks.append(Array(objects[start..<end]))
            start = end
        }
        count = objects.count
        for index in indexes.indices {
            let groups = Dictionary(grouping: objects) { indexes[index].value($0) }
            indexes[index].tables = groups.mapValues { ObjectTable(ordered: $0) }
        }
    }

    // MARK: Places

    struct Place: Hashable, Comparable {
        var chunk: Int
        var offset: Int

        static func < (left: Place, right: Place) -> Bool { (left.chunk, left.offset) < (right.chunk, right.offset) }
    }

    var start: Place { Place(chunk: 0, offset: 0) }
    var end: Place { Place(chunk: chunks.count, offset: 0) }

    subscript(place: Place) -> StoredObject { chunks[place.chunk][place.offset] }

    func place(after place: Place) -> Place {
        place.offset + 1 < chunks[place.chunk].count
            ? Place(chunk: place.chunk, offset: place.offset + 1) : Place(chunk: place.chunk + 1, offset: 0)
    }

    /// Objects from one place to another.
    func distance(from first: Place, to last: Place) -> Int {
        guard first < last else { return 0 }
        if first.chunk == last.chunk { return last.offset - first.offset }
        var sum = chunks[first.chunk].count - first.offset + last.offset
        for chunk in first.chunk + 1..<last.chunk { sum += chunks[chunk].count }
        return sum
    }

    private static func precedes(_ object: StoredObject, _ namespace: String, _ name: String) -> Bool {
        let key = object.key
        return key.namespace == namespace ? key.name < name : key.namespace < namespace
    }

    /// The first object not before the given name.
    func lowerBound(namespace: String, name: String) -> Place {
        let chunk = Self.partition(chunks) { Self.precedes($0[$0.count - 1], namespace, name) }
        guard chunk < chunks.count else { return end }
        return Place(chunk: chunk, offset: Self.partition(chunks[chunk]) { Self.precedes($0, namespace, name) })
    }

    /// Elements of which the predicate is true; they precede all others.
    private static func partition<Element>(_ elements: [Element], _ isBefore: (Element) -> Bool) -> Int {
        var low = 0
        var high = elements.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(elements[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Objects

    subscript(key: ResourceKey) -> StoredObject? { place(of: key).map { self[$0] } }

    private func place(of key: ResourceKey) -> Place? {
        let place = lowerBound(namespace: key.namespace, name: key.name)
        return place != end && self[place].key == key ? place : nil
    }

    /// Of these objects those that can match, as far as an index tells; without indexes, so that who reads it while this table
    /// changes costs a copy of a chunk and no more.
    func candidates(_ selector: StoreSelector) -> ObjectTable {
        if let term = selector.requiring, let index = indexes.first(where: { $0.field == term.field }) {
            return index.tables[term.value] ?? ObjectTable()
        }
        var plain = ObjectTable()
        plain.chunks = chunks
        plain.count = count
        return plain
    }

    mutating func put(_ object: StoredObject) {
        let key = object.key
        var place = lowerBound(namespace: key.namespace, name: key.name)
        if place != end, self[place].key == key {
            reindex(self[place], object)
            chunks[place.chunk][place.offset] = object
            return
        }
        reindex(nil, object)
        count += 1
        if place == end {
            // Behind everything: into the last chunk, so that objects made in order fill chunks.
            guard let last = chunks.last, last.count < Self.chunkLimit else {
                chunks.append([object])
                return
            }
            place = Place(chunk: chunks.count - 1, offset: last.count)
        }
        chunks[place.chunk].insert(object, at: place.offset)
        if chunks[place.chunk].count > Self.chunkLimit {
            let half = Array(chunks[place.chunk][(Self.chunkLimit / 2)...])
            chunks[place.chunk].removeSubrange((Self.chunkLimit / 2)...)
            chunks.insert(half, at: place.chunk + 1)
        }
    }

    mutating func remove(_ key: ResourceKey) {
        guard let place = place(of: key) else { return }
        reindex(self[place], nil)
        count -= 1
        chunks[place.chunk].remove(at: place.offset)
        if chunks[place.chunk].isEmpty { chunks.remove(at: place.chunk) }
    }

    /// Takes back the collection's latest events, given in order.
    mutating func undo(_ events: [StoreEvent]) {
        var seen: Set<ResourceKey> = []
        // The first of each object's events knows the state before all of them.
        for event in events where seen.insert(event.object.key).inserted {
            if let previous = event.previous { put(previous) } else { remove(event.object.key) }
        }
    }

    private mutating func reindex(_ old: StoredObject?, _ new: StoredObject?) {
        for index in indexes.indices { indexes[index].replace(old, by: new) }
    }
}
