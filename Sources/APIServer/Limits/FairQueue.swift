// Which request runs next, when more are there than the server takes at once: a value that decides, without clock or task.
// Deficit round robin twice (Shreedhar, Varghese 1995): among levels by weight, among a level's callers evenly. A caller who
// sends a thousand requests waits behind himself, not others behind him.
//
// Invariants, each held by a property test of this name:
//   I-LIMIT-1  never more run than there are seats, never more of one caller than his share, never more wait than the queues hold
//   I-LIMIT-2  no seat is free while somebody waits who may have it
//   I-LIMIT-3  whoever waits is served after a number of departures that does not depend on how much others send
//   I-LIMIT-4  two callers of one level that always want more get equally much, up to one quantum

public struct FairQueue: Sendable {
    /// Bounds; each has its overflow behaviour: refused at once.
    public struct Configuration: Sendable, Hashable {
        /// Requests that run at once (kube-apiserver: 400 reading and 200 writing).
        public var seats = 600
        /// Of these, one caller's: others always find some.
        public var seatsPerCaller = 200
        public var waitingPerCaller = 128
        public var waiting = 4096
        /// Whoever has waited so long is refused; his client will come again.
        public var maximumWaitMilliseconds: Int64 = 15_000
        /// A caller's requests in the long run, and at once.
        public var requestsPerSecond: Int64 = 1000
        public var burst: Int64 = 2000
        /// Callers that are remembered; more than that are refused until one is idle.
        public var callers = 50_000

        public init() {}
    }

    /// Who comes first. The weight is the share of seats while all levels want more.
    public enum Level: Int, Sendable, CaseIterable {
        /// Nodes and the cluster's own programs.
        case system
        case workload
        /// Callers that have yet to become somebody: deploy tokens, strangers.
        case guest

        var weight: Int {
            switch self {
            case .system: 4
            case .workload: 2
            case .guest: 1
            }
        }
    }

    public enum Outcome: Sendable, Hashable {
        case run
        case wait
        case refuse(RefusalReason)
    }

    public enum RefusalReason: String, Sendable, Hashable {
        case rate = "too many requests in a short time"
        case queueFull = "too many requests are waiting"
        case waitedTooLong = "the server was too busy for too long"
    }

    /// Largest cost of a request, and what a caller may spend per turn.
    public static let quantum = 4

    private struct Waiting: Sendable {
        var id: UInt64
        var cost: Int
        var deadline: Int64
    }

    private struct Caller: Sendable {
        var level: Level
        var waiting: [Waiting] = []
        var running = 0
        var deficit = 0
        /// In its level's ring: has somebody waiting, and a share of seats left.
        var isInTurn = false
        /// Thousandths of requests that may come now, as of `refilled`.
        var tokens: Int64
        var refilled: Int64
    }

    private struct Ring: Sendable {
        var callers = RingBuffer()
        var deficit = 0
    }

    public let configuration: Configuration
    private var callers: [String: Caller] = [:]
    private var rings: [Ring] = Level.allCases.map { _ in Ring() }
    /// The level whose turn it is.
    private var turn = 0
    private var ownerOfRunning: [UInt64: String] = [:]
    private var ownerOfWaiting: [UInt64: String] = [:]

    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    public var runningCount: Int { ownerOfRunning.count }
    public var waitingCount: Int { ownerOfWaiting.count }

    // MARK: Inputs

    /// `cost` in 1...quantum; `now` in milliseconds of any steady clock; `id` is not in use.
    public mutating func enter(_ id: UInt64, caller name: String, level: Level, cost: Int, now: Int64) -> Outcome {
        if callers[name] == nil {
            if callers.count >= configuration.callers { forgetIdle(now) }
            guard callers.count < configuration.callers else { return .refuse(.queueFull) }
        }
        var caller = callers.removeValue(forKey: name) ?? Caller(level: level, tokens: configuration.burst * 1000, refilled: now)
        defer { callers[name] = caller }
        refill(&caller, now)
        guard caller.tokens >= 1000 else { return .refuse(.rate) }
        if caller.waiting.isEmpty, caller.running < configuration.seatsPerCaller, ownerOfRunning.count < configuration.seats {
            caller.tokens -= 1000
            caller.running += 1
            ownerOfRunning[id] = name
            return .run
        }
        guard caller.waiting.count < configuration.waitingPerCaller, ownerOfWaiting.count < configuration.waiting else {
            return .refuse(.queueFull)
        }
        caller.tokens -= 1000
        caller.waiting.append(
            Waiting(id: id, cost: min(max(cost, 1), Self.quantum), deadline: now + configuration.maximumWaitMilliseconds))
        ownerOfWaiting[id] = name
        putInTurn(&caller, name)
        return .wait
    }

    /// A running request has ended. The ids of those that run now.
    public mutating func leave(_ id: UInt64) -> [UInt64] {
        guard let name = ownerOfRunning.removeValue(forKey: id) else { return [] }
        if var caller = callers[name] {
            caller.running -= 1
            putInTurn(&caller, name)
            callers[name] = caller
        }
        return fillSeats()
    }

    /// A waiting request's client has gone. False when it does not wait (any more).
    public mutating func abandon(_ id: UInt64) -> Bool {
        guard let name = ownerOfWaiting.removeValue(forKey: id) else { return false }
        callers[name]?.waiting.removeAll { $0.id == id }
        return true
    }

    /// Those that have waited too long; they wait no more.
    public mutating func expire(now: Int64) -> [UInt64] {
        var over: [UInt64] = []
        for name in Set(ownerOfWaiting.values) {
            let late = callers[name]?.waiting.prefix { $0.deadline <= now }.map(\.id) ?? []
            callers[name]?.waiting.removeFirst(late.count)
            over += late
        }
        for id in over { ownerOfWaiting[id] = nil }
        return over
    }

    /// Callers of whom nothing is left to remember go.
    public mutating func forgetIdle(_ now: Int64) {
        let full = configuration.burst * 1000
        callers = callers.filter { _, caller in
            var caller = caller
            refill(&caller, now)
            return caller.running > 0 || !caller.waiting.isEmpty || caller.tokens < full
        }
        for level in Level.allCases { rings[level.rawValue].callers.keep { callers[$0] != nil } }
    }

    // MARK: Turns

    private mutating func fillSeats() -> [UInt64] {
        var started: [UInt64] = []
        while ownerOfRunning.count < configuration.seats, let next = takeNext() {
            ownerOfRunning[next.id] = next.caller
            started.append(next.id)
        }
        return started
    }

    /// The next one by levels: a level spends its deficit, then the next level has its turn.
    private mutating func takeNext() -> (id: UInt64, caller: String)? {
        // Twice around: the first time a level may only get its deficit.
        for _ in 0..<(2 * Level.allCases.count) {
            if let taken = takeNext(of: turn) { return taken }
            turn = (turn + 1) % Level.allCases.count
            rings[turn].deficit = Level.allCases[turn].weight * Self.quantum
        }
        return nil
    }

    private mutating func takeNext(of level: Int) -> (id: UInt64, caller: String)? {
        while let name = rings[level].callers.first {
            guard var caller = callers[name], let first = caller.waiting.first, caller.running < configuration.seatsPerCaller
            else {
                // Abandoned, or at the end of its share: comes back by putInTurn.
                rings[level].callers.removeFirst()
                callers[name]?.isInTurn = false
                callers[name]?.deficit = 0
                continue
            }
            if caller.deficit < first.cost {
                // The turn is over; the next one begins with a new quantum.
                caller.deficit += Self.quantum
                callers[name] = caller
                rings[level].callers.rotate()
                continue
            }
            guard rings[level].deficit >= first.cost else { return nil }
            rings[level].deficit -= first.cost
            caller.deficit -= first.cost
            caller.running += 1
            caller.waiting.removeFirst()
            callers[name] = caller
            ownerOfWaiting[first.id] = nil
            return (first.id, name)
        }
        rings[level].deficit = 0
        return nil
    }

    private mutating func putInTurn(_ caller: inout Caller, _ name: String) {
        guard !caller.isInTurn, !caller.waiting.isEmpty, caller.running < configuration.seatsPerCaller else { return }
        caller.isInTurn = true
        caller.deficit = Self.quantum
        rings[caller.level.rawValue].callers.append(name)
    }

    private func refill(_ caller: inout Caller, _ now: Int64) {
        let passed = min(max(now - caller.refilled, 0), 3_600_000)
        caller.tokens = min(caller.tokens + passed * configuration.requestsPerSecond, configuration.burst * 1000)
        caller.refilled = max(now, caller.refilled)
    }

    // MARK: For tests

    func waiting(of name: String) -> Int { callers[name]?.waiting.count ?? 0 }
    func running(of name: String) -> Int { callers[name]?.running ?? 0 }
    /// Somebody who waits although he might run.
    var hasEligible: Bool {
        callers.values.contains { !$0.waiting.isEmpty && $0.running < configuration.seatsPerCaller }
    }
}

/// Names in turn; taking from the front costs the same however many there are.
struct RingBuffer: Sendable {
    private var names: [String] = []
    private var head = 0

    var first: String? { head < names.count ? names[head] : nil }

    mutating func append(_ name: String) { names.append(name) }

    mutating func removeFirst() {
        head += 1
        if head > 64, head * 2 > names.count {
            names.removeFirst(head)
            head = 0
        }
    }

    mutating func rotate() {
        guard let name = first else { return }
        removeFirst()
        append(name)
    }

    mutating func keep(_ isKept: (String) -> Bool) {
        names = names[head...].filter(isKept)
        head = 0
    }
}
