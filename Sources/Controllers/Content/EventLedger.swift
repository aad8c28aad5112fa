// Which events have lived long enough: a value. Events are kept for an hour after they were last written, as in Kubernetes,
// and there are never more than a fixed number of them.

/// I-EVENT-1: no event is dropped before its time unless there are more than `limit`, and then the oldest go first.
struct EventLedger: Sendable {
    struct Key: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    private struct Line: Sendable {
        var key: Key
        var written: Int64
    }

    private let lifetime: Int64
    private let limit: Int
    private var latest: [Key: Int64] = [:]
    /// Named as due and not yet seen to be gone.
    private var doomed: Set<Key> = []
    /// In order of writing; lines whose event was written again or is gone are skipped.
    private var lines: [Line] = []
    private var head = 0

    /// `lifetime` in seconds.
    init(lifetime: Int64 = 3600, limit: Int = 20_000) {
        self.lifetime = lifetime
        self.limit = limit
    }

    var count: Int { latest.count }

    /// `at` in seconds; a line that comes out of order counts as written with its predecessor, and one that claims to be from
    /// the future as written now: what a client writes into an event must not keep it, or those after it, for ever.
    mutating func note(_ key: Key, at time: Int64, now: Int64) {
        let written = max(min(time, now), lines.last?.written ?? .min)
        guard latest[key] != written else { return }
        doomed.remove(key)
        latest[key] = written
        lines.append(Line(key: key, written: written))
    }

    mutating func remove(_ key: Key) {
        latest[key] = nil
        doomed.remove(key)
    }

    /// At most `most` events that must go now. They stay in the ledger until they are seen to be gone.
    mutating func due(now: Int64, most: Int = 500) -> [Key] {
        var found: [Key] = []
        while head < lines.count, found.count < most {
            let line = lines[head]
            let isCurrent = latest[line.key] == line.written
            if isCurrent, line.written + lifetime > now, latest.count - doomed.count <= limit { break }
            if isCurrent, doomed.insert(line.key).inserted { found.append(line.key) }
            head += 1
        }
        if head > 64, head * 2 > lines.count {
            lines.removeFirst(head)
            head = 0
        }
        return found
    }
}
