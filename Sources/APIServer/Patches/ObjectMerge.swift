// Many members of an object changed at once: each is found by an index, so that a large patch of a large object costs the sum of
// their sizes and not the product.
import JSON

extension JSONObject {
    /// Up to so many changes a search from the front is cheaper than an index.
    static let fewChanges = 16

    /// Gives each member that `changes` names the value that `merged` makes of the change and of what is there; nil takes it
    /// away. Members keep their places, new ones come last.
    mutating func change<Failure: Error>(
        _ changes: [Element], _ merged: (_ change: Element, _ present: JSONValue?) throws(Failure) -> JSONValue?
    ) throws(Failure) {
        guard changes.count > Self.fewChanges else {
            for change in changes { self[change.key] = try merged(change, self[change.key]) }
            return
        }
        var names = keys
        var slots = values.map(Optional.some)
        var places: [String: Int] = Dictionary(zip(names, names.indices), uniquingKeysWith: { first, _ in first })
        for change in changes {
            if let place = places[change.key] {
                slots[place] = try merged(change, slots[place])
            } else if let value = try merged(change, nil) {
                places[change.key] = slots.count
                names.append(change.key)
                slots.append(value)
            }
        }
        self = JSONObject(zip(names, slots).compactMap { name, slot in slot.map { (name, $0) } })
    }

    /// Only these members stay.
    mutating func keep(only names: Set<String>) {
        self = JSONObject(filter { names.contains($0.key) }.map { ($0.key, $0.value) })
    }
}
