// What waits for one of the `WorkThreads`: what has begun goes on before anything begins, and what nobody waits for comes last.

/// When a piece of work gets a thread.
public enum WorkTurn: Sendable, CaseIterable {
    /// As soon as one is free: something that goes on, or that tells of an end.
    case next
    /// Something begins. A hundred pods that begin at once are each as slow as all of them, so one after the other does.
    case fresh
    /// Nobody waits for it, and it is due all the same: it comes when nothing else waits, or after `WaitingWork.patienceNanoseconds`.
    case later
}

/// Three queues, each in the order in which work came.
struct WaitingWork {
    typealias Body = @Sendable () -> Void

    /// Without an end to other work, what comes later would never be done, and what it removes would pile up.
    static let patienceNanoseconds = 5_000_000_000

    private struct Queue {
        private var bodies: [(body: Body, since: Int)?] = []
        private var next = 0

        var count: Int { bodies.count - next }
        var since: Int? { next < bodies.count ? bodies[next]?.since : nil }

        mutating func append(_ body: @escaping Body, _ now: Int) { bodies.append((body, now)) }

        mutating func take() -> Body? {
            guard next < bodies.count, let taken = bodies[next] else { return nil }
            bodies[next] = nil
            next += 1
            // Taken from the front without moving the rest each time.
            if next == bodies.count {
                bodies.removeAll(keepingCapacity: bodies.capacity <= 1024)
                next = 0
            } else if next >= 1024, next * 2 > bodies.count {
                bodies.removeFirst(next)
                next = 0
            }
            return taken.body
        }
    }

    /// So much goes on before something begins, however much more there is: what never ends must not keep pods from beginning.
    static let goingBeforeFresh = 64

    private var (going, fresh, later) = (Queue(), Queue(), Queue())
    private var sinceFresh = 0

    var count: Int { going.count + fresh.count + later.count }

    func count(of turn: WorkTurn) -> Int {
        switch turn {
        case .next: going.count
        case .fresh: fresh.count
        case .later: later.count
        }
    }

    /// `now`: nanoseconds of any clock that goes on, asked for `later` alone.
    mutating func append(_ body: @escaping Body, _ turn: WorkTurn, now: Int) {
        switch turn {
        case .next: going.append(body, now)
        case .fresh: fresh.append(body, now)
        case .later: later.append(body, now)
        }
    }

    mutating func take(now: Int) -> Body? {
        if let since = later.since, now - since > Self.patienceNanoseconds { return later.take() }
        sinceFresh = fresh.count > 0 ? sinceFresh + 1 : 0
        if sinceFresh <= Self.goingBeforeFresh, let next = going.take() { return next }
        sinceFresh = 0
        return fresh.take() ?? going.take() ?? later.take()
    }
}
