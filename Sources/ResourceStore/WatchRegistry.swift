// Who watches what: finds the watches that an event concerns without asking all of them.

struct WatchRegistry {
    /// Watches that are asked for the same events.
    private struct Bucket {
        private(set) var watches: [StoreWatch] = []
        private var positions: [ObjectIdentifier: Int] = [:]

        mutating func insert(_ watch: StoreWatch) {
            positions[ObjectIdentifier(watch)] = watches.count
            watches.append(watch)
        }

        mutating func remove(_ identifier: ObjectIdentifier) -> Bool {
            guard let position = positions.removeValue(forKey: identifier) else { return false }
            let last = watches.removeLast()
            if position < watches.count {
                watches[position] = last
                positions[ObjectIdentifier(last)] = position
            }
            return true
        }
    }

    /// Where a watch of a collection is registered: by what narrows it most.
    enum Place: Hashable {
        case everything
        case namespace(String)
        case term(FieldTerm)

        init(namespace: String?, selector: StoreSelector) {
            if let term = selector.requiring {
                self = .term(term)
            } else if let namespace {
                self = .namespace(namespace)
            } else {
                self = .everything
            }
        }
    }

    private struct Audience {
        var buckets: [Place: Bucket] = [:]
        /// Watches by the field of their term.
        var fields: [String: Int] = [:]
    }

    private var audiences: [CollectionID: Audience] = [:]
    private(set) var count = 0

    var all: [StoreWatch] { audiences.values.flatMap { $0.buckets.values.flatMap(\.watches) } }

    mutating func insert(_ watch: StoreWatch) {
        let place = Place(namespace: watch.namespace, selector: watch.selector)
        if case .term(let term) = place { audiences[watch.collection, default: Audience()].fields[term.field, default: 0] += 1 }
        audiences[watch.collection, default: Audience()].buckets[place, default: Bucket()].insert(watch)
        count += 1
    }

    mutating func remove(_ identifier: ObjectIdentifier, _ collection: CollectionID, _ place: Place) {
        guard audiences[collection]?.buckets[place]?.remove(identifier) == true else { return }
        count -= 1
        if audiences[collection]?.buckets[place]?.watches.isEmpty == true { audiences[collection]?.buckets[place] = nil }
        if case .term(let term) = place, let number = audiences[collection]?.fields[term.field] {
            audiences[collection]?.fields[term.field] = number > 1 ? number - 1 : nil
        }
        if audiences[collection]?.buckets.isEmpty == true { audiences[collection] = nil }
    }

    /// The watches that may want some of these events, with those events in order.
    func concerned(_ events: [StoreEvent]) -> [(watches: [StoreWatch], events: [StoreEvent])] {
        if audiences.isEmpty { return [] }
        var result: [(watches: [StoreWatch], events: [StoreEvent])] = []
        for (collection, events) in Dictionary(grouping: events, by: \.object.key.collection) {
            guard let audience = audiences[collection] else { continue }
            var places: [Place: [StoreEvent]] = [:]
            if audience.buckets[.everything] != nil { places[.everything] = events }
            for event in events {
                for place in Self.places(of: event, fields: audience.fields.keys) where audience.buckets[place] != nil {
                    places[place, default: []].append(event)
                }
            }
            for (place, events) in places {
                if let bucket = audience.buckets[place] { result.append((bucket.watches, events)) }
            }
        }
        return result
    }

    private static func places(of event: StoreEvent, fields: some Sequence<String>) -> [Place] {
        var places = [Place.namespace(event.object.key.namespace)]
        for field in fields {
            let after = FieldTerm(field, is: event.object.index.fields[field] ?? "")
            places.append(.term(after))
            // A change may take an object out of a watch's selection.
            if let previous = event.previous {
                let before = FieldTerm(field, is: previous.index.fields[field] ?? "")
                if before != after { places.append(.term(before)) }
            }
        }
        return places
    }
}
