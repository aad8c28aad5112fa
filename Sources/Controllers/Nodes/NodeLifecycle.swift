// Decides which nodes have fallen silent and which of them lose their pods. A value: time comes in as an argument.
//
// A heartbeat is judged by when *this* master last saw lease or status change, not by the time written in it, so that a node
// with a wrong clock is not declared dead, and a master that was away itself first waits a full grace period.
import KubernetesModel

/// I-NODE-1: a node is called silent only after a full grace period without a change of its lease and of its heartbeat.
/// I-NODE-2: a node that reports is never evicted from, and what was held against it is taken back at once.
/// I-NODE-3: when most nodes fall silent at once, the fault is rather here: eviction slows down, or stops when all are silent.
public struct NodeLifecycle: Sendable {
    /// kube-controller-manager's node-monitor-grace-period.
    public static let gracePeriod = Duration.seconds(40)
    /// A node that never said anything gets longer to begin (node-startup-grace-period).
    public static let startupGracePeriod = Duration.seconds(60)
    /// One node more may be evicted from every ten seconds (node-eviction-rate 0.1).
    static let evictionInterval = Duration.seconds(10)
    /// When most are silent in a large cluster (secondary-node-eviction-rate 0.01); a small one waits.
    static let slowEvictionInterval = Duration.seconds(100)
    static let largeCluster = 50
    /// unhealthy-zone-threshold, in percent.
    static let mostNodes = 55

    public enum Action: Sendable, Hashable {
        /// Nothing was heard for the grace period: Ready becomes Unknown.
        case markUnknown(node: String, neverReported: Bool)
        /// Its pods may be evicted from now on: the NoExecute taint is due.
        case evict(node: String)
    }

    enum Readiness: Sendable, Hashable { case ready, notReady, silent }

    private struct Entry: Sendable {
        var lease: MicroTimestamp?
        var heartbeat: Timestamp?
        var reported: Bool
        var status: ConditionStatus?
        /// Since when nothing changed, in this master's monotonic time.
        var since: Duration
        /// It has the NoExecute taint, or was given up.
        var evicted: Bool
        /// Since when it is not ready.
        var unreadySince: Duration?
    }

    private var entries: [String: Entry] = [:]
    private var nextEviction = Duration.zero

    public init() {}

    // MARK: Facts

    /// `evicted`: it has a NoExecute taint of ours already.
    public mutating func observe(node: String, ready: NodeCondition?, evicted: Bool, now: Duration) {
        let isNew = entries[node] == nil
        var entry =
            entries[node]
            ?? Entry(reported: ready != nil, status: ready?.status, since: now, evicted: evicted, unreadySince: nil)
        // Unknown is written here, not by the node: no sign of life.
        let spoke = ready?.status != .unknown && (entry.heartbeat != ready?.lastHeartbeatTime || entry.status != ready?.status)
        if isNew || spoke { entry.since = now }
        if ready?.status != .unknown { entry.heartbeat = ready?.lastHeartbeatTime }
        entry.reported = ready != nil
        entry.status = ready?.status
        entry.evicted = evicted
        entry.unreadySince = ready?.status == .true ? nil : entry.unreadySince ?? now
        entries[node] = entry
    }

    /// False when that is no news.
    @discardableResult
    public mutating func observe(lease renewed: MicroTimestamp?, of node: String, now: Duration) -> Bool {
        guard let entry = entries[node], entry.lease != renewed else { return false }
        entries[node]?.lease = renewed
        entries[node]?.since = now
        return true
    }

    public mutating func forget(node: String) { entries[node] = nil }

    // MARK: Decisions

    /// What is due now. To be called every few seconds; costs a few words a node.
    public mutating func tick(now: Duration) -> [Action] {
        var actions: [Action] = []
        var due: [(node: String, since: Duration)] = []
        var unready = 0
        for (node, entry) in entries {
            let grace = entry.reported ? Self.gracePeriod : Self.startupGracePeriod
            let isSilent = now - entry.since > grace
            if isSilent, entry.status != .unknown { actions.append(.markUnknown(node: node, neverReported: !entry.reported)) }
            guard entry.status != .true || isSilent else { continue }
            if !entry.reported, !isSilent { continue }
            unready += 1
            if !entry.evicted, entry.status == .false || isSilent { due.append((node, entry.unreadySince ?? entry.since)) }
        }
        actions.sort { Self.name($0) < Self.name($1) }
        guard let interval = pace(unready: unready, of: entries.count) else { return actions }
        due.sort { ($0.since, $0.node) < ($1.since, $1.node) }
        for one in due where nextEviction <= now {
            actions.append(.evict(node: one.node))
            nextEviction = now + interval
        }
        return actions
    }

    /// How far evictions must be apart; nil stops them. One or two nodes are no crowd: each is judged by itself.
    private func pace(unready: Int, of total: Int) -> Duration? {
        guard unready > 2, unready * 100 >= total * Self.mostNodes else { return Self.evictionInterval }
        if unready == total { return nil }
        return total > Self.largeCluster ? Self.slowEvictionInterval : nil
    }

    private static func name(_ action: Action) -> String {
        switch action {
        case .markUnknown(let node, _), .evict(let node): node
        }
    }
}
