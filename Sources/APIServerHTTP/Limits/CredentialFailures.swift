// How often tokens that nobody knows may come from one address, so that looking them up is no way to keep the server busy. Pure.

public struct CredentialFailures: Sendable {
    public struct Configuration: Sendable, Hashable {
        /// Unknown tokens that an address may bring at once: a pod full of clients that were all given the same wrong one.
        public var burst: Double
        /// And from then on.
        public var perSecond: Double

        public init(burst: Double = 60, perSecond: Double = 2) {
            self.burst = burst
            self.perSecond = perSecond
        }
    }

    /// What an address has used of its burst, at a time; it becomes less as time passes.
    private struct Debt: Sendable {
        var amount: Double
        /// Milliseconds of a clock that only goes on.
        var time: Int64
    }

    /// Addresses and tokens that are remembered, twice over: an attacker with more addresses than this has other ways.
    static let remembered = 4096

    private let configuration: Configuration
    private var debts = RecentEntries<SourceAddress, Debt>(bound: remembered)
    /// Who has shown one of these is not kept out by whoever else calls from the same address. Hashes with this process's secret seed:
    /// a token that only looks like one is looked up, no more.
    private var known = RecentEntries<Int, Bool>(bound: remembered)

    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    /// Whether the token may be looked up. Every attempt counts as failed until `succeeded` says otherwise, so that attempts side by
    /// side are bounded too.
    mutating func attempt(_ token: String, from source: SourceAddress, now: Int64) -> Bool {
        if known[token.hashValue] != nil { return true }
        var debt = current(source, now)
        guard debt.amount + 1 <= configuration.burst else { return false }
        debt.amount += 1
        debts[source] = debt
        return true
    }

    /// The token is somebody's, or could not be looked up: the attempt does not count.
    mutating func forgive(_ token: String, from source: SourceAddress, now: Int64, isKnown: Bool) {
        guard known[token.hashValue] == nil else { return }
        if isKnown { known[token.hashValue] = true }
        var debt = current(source, now)
        debt.amount = max(0, debt.amount - 1)
        debts[source] = debt
    }

    /// Seconds until the next attempt, at least one.
    func secondsToWait() -> Int { max(1, Int((1 / max(configuration.perSecond, 0.001)).rounded(.up))) }

    private func current(_ source: SourceAddress, _ now: Int64) -> Debt {
        guard let debt = debts[source] else { return Debt(amount: 0, time: now) }
        let repaid = Double(max(0, now - debt.time)) / 1000 * configuration.perSecond
        return Debt(amount: max(0, debt.amount - repaid), time: now)
    }
}

/// A dictionary of bounded size: what was not written lately is forgotten first.
struct RecentEntries<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let bound: Int
    private var young: [Key: Value] = [:]
    private var old: [Key: Value] = [:]

    init(bound: Int) { self.bound = bound }

    var count: Int { young.count + old.count }

    subscript(key: Key) -> Value? {
        get { young[key] ?? old[key] }
        set {
            if young.count >= bound { (old, young) = (young, [:]) }
            young[key] = newValue
        }
    }
}
