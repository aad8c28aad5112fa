// When a process gives memory back: after work, at rest, once.
import Testing

@testable import Swiftlet

@Suite("Memory at rest")
struct RestingMemoryTests {
    @Test("memory is given back once after work, when the work is over, and not while nothing is done") func pace() {
        var pace = RestingPace(cpuSeconds: 1)
        let looks: [(cpuSeconds: Double, isTime: Bool)] = [
            (1.1, false),  // nothing was done yet
            (4.0, false),  // at work
            (6.0, false), (6.1, true),  // over
            (6.2, false), (6.3, false),  // nothing since
            (6.5, false), (6.7, true),  // little by little
        ]
        for look in looks {
            let isTime = pace.isTime(cpuSeconds: look.cpuSeconds)
            #expect(isTime == look.isTime, "\(look.cpuSeconds)")
        }
    }
}
