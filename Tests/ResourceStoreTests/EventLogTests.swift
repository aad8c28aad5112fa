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
        #expect(log.after(4950).map(\.revision) == Array(4951...5000))
        #expect(log.floor == 4900)
    }
}
