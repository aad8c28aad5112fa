// The history in memory holds what its bounds allow, and lets go of the rest.
import Testing

@testable import ResourceStore

@Suite("Event log")
struct EventLogTests {
    private struct Weak {
        weak var event: StoreEvent?
    }

    @Test("what the history has dropped does not stay in memory, however many events it may hold")
    func released() {
        let limits = HistoryLimits(events: 50_000, supersededBytes: 100_000, leastSupersededBytes: 100_000)
        var log = EventLog(limits: limits, floor: 0)
        var unneeded: [UInt64] = []
        var seen: [Weak] = []
        var previous: StoredObject?
        for revision in UInt64(1)...5000 {
            let object = StoredObject(
                key: pod("a"), revision: revision, bytes: Array(repeating: 32, count: 1000), index: ObjectIndex())
            let event = StoreEvent(kind: previous == nil ? .added : .modified, object: object, previous: previous)
            seen.append(Weak(event: event))
            log.append(event, presentBytes: 1000, unneeded: &unneeded)
            previous = object
        }
        let alive = seen.count { $0.event != nil }
        #expect(log.count == 100, "a hundred states of 1,000 bytes")
        #expect(alive <= 2 * log.count, "\(alive) events are in memory")
        #expect(log.after(4950, in: pod("a").collection).map(\.revision) == Array(4951...5000))
        #expect(log.floor == 4900)
    }

    @Test("the events of a collection are those that happened to it, whatever else happened and was dropped")
    func collections() {
        let limits = HistoryLimits(events: 1000, supersededBytes: 1 << 30, leastSupersededBytes: 1 << 30)
        var log = EventLog(limits: limits, floor: 0)
        var unneeded: [UInt64] = []
        var generator = SeededGenerator(seed: 4)
        let groups = ["", "coordination.k8s.io", "rare"]
        var told: [String: [UInt64]] = [:]
        for revision in UInt64(1)...5000 {
            // One in a hundred is rare; its run is empty now and then, and begins anew.
            let draw = Int.random(in: 0..<100, using: &generator)
            let group = groups[draw == 0 ? 2 : draw % 2]
            let key = ResourceKey(group: group, resource: "things", namespace: "", name: "n\(revision)")
            let object = StoredObject(key: key, revision: revision, bytes: [32], index: ObjectIndex())
            log.append(StoreEvent(kind: .added, object: object, previous: nil), presentBytes: 1, unneeded: &unneeded)
            told[group, default: []].append(revision)
            for group in groups where revision % 10 == 0 {
                let from = UInt64.random(in: log.floor...revision, using: &generator)
                let found = log.after(from, in: CollectionID(group: group, resource: "things")).map(\.revision)
                guard found == Array((told[group] ?? []).suffix(found.count)), found.first ?? .max > from,
                    told[group]?.dropLast(found.count).last ?? 0 <= from
                else {
                    Issue.record("after \(from) in \(group) at \(revision): \(found)")
                    return
                }
            }
        }
        #expect(log.floor == 4000)
        #expect(log.count == 1000)
    }
}
