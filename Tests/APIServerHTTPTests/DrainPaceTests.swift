// When watches are written to: at once while they are few, together while they are many.
import NIOCore
import Testing

@testable import APIServerHTTP

@Suite("The pace at which watches are written to")
struct DrainPaceTests {
    private func at(_ milliseconds: UInt64) -> NIODeadline { .uptimeNanoseconds(milliseconds * 1_000_000) }

    @Test("of few watches an event after a pause goes out at once; during the pause it waits for its end") func few() {
        var pace = DrainPace()
        #expect(pace.due(at(5)) == at(5))
        pace.drained(3, from: at(5), until: at(7))
        #expect(pace.next == at(9) && pace.due(at(8)) == at(9) && pace.due(at(20)) == at(20))
    }

    @Test("of many watches an event waits for others, also after a quiet while") func many() {
        var pace = DrainPace()
        pace.drained(DrainPace.manyWatches + 1, from: at(0), until: at(3))
        #expect(pace.next == at(15) && pace.due(at(4)) == at(16) && pace.due(at(100)) == at(112))
        pace.drained(1, from: at(112), until: at(112))
        #expect(pace.due(at(113)) == at(113))
    }

    @Test("no event waits longer than the longest pause, however long the last drain took") func bounded() {
        var pace = DrainPace()
        pace.drained(1000, from: at(0), until: at(500))
        #expect(pace.next == at(500) + DrainPace.longestPause && pace.due(at(1000)) == at(1000) + DrainPace.longestPause)
    }
}
