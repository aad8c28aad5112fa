// When the watches of a loop are written to again. Pure.
import NIOCore

/// After writing to watches the loop does other work for as long before it writes to them again, for four times as long when they are
/// many, at most for `longestPause`: events that come meanwhile share a record and a system call per watch, and requests are not kept
/// waiting by them. Of few watches each event goes out at once. Of many it waits for its like: each piece costs a watch a record, a
/// system call and a segment, and the last of a thousand would wait for the others anyway.
struct DrainPace: Sendable {
    static let longestPause = TimeAmount.milliseconds(20)
    static let manyWatches = 64

    /// What came during the last drain is written then.
    private(set) var next = NIODeadline.uptimeNanoseconds(0)
    /// An event after a quiet while waits so long for others.
    private var gathering = TimeAmount.zero

    /// For an event that finds no drain due.
    func due(_ now: NIODeadline) -> NIODeadline { max(next, now + gathering) }

    mutating func drained(_ watches: Int, from began: NIODeadline, until ended: NIODeadline) {
        let areMany = watches > Self.manyWatches
        let pause = min(Self.longestPause, .nanoseconds((areMany ? 4 : 1) * (ended - began).nanoseconds))
        next = ended + pause
        gathering = areMany ? pause : .zero
    }
}
