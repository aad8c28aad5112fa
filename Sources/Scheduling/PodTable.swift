// The pods that the scheduler knows, as rows under small numbers: a name is hashed once when a fact comes in, and not again
// while the pod is queued, placed and bound.

/// A pod's row while it is known; reused afterwards.
typealias PodID = Int32

struct PodEntry: Sendable {
    ///     pending ──schedule──▶ assumed (room taken) ──bind written, seen again──▶ bound
    ///        ▲                     │ bindingFailed
    ///        └─────────────────────┘
    enum State: UInt8, Sendable { case vacant, pending, assumed, bound }

    var key: PodKey
    var uid: String
    var state: State
    var terminating: Bool
    var mayPreempt: Bool
    /// The node's slot; -1 while pending.
    var slot: Int32 = -1
    var shape: Int32
    /// -1: placed alone.
    var group: Int32
    var priority: Int
    var arrival: Int64
    var hostPorts: [HostPort]
    var unboundClaims: [String]
    /// What was last said about it, so that it is said once.
    var message: String?

    var isPlaced: Bool { state == .assumed || state == .bound }
}

/// Pods of one shape ask for the same and may go to the same nodes: they share every finding.
struct Shape: Sendable {
    /// Index of the constraint class.
    var constraintClass: Int
    var request: ResourceAmounts
    /// Known pods of this shape; at 0 the shape may be forgotten.
    var uses = 0
}

struct PodTable: Sendable {
    private(set) var ids: [PodKey: PodID] = [:]
    var entries: [PodEntry] = []
    private var vacant: [PodID] = []
    private(set) var pendingCount = 0
    private(set) var placedCount = 0

    subscript(id: PodID) -> PodEntry {
        get { entries[Int(id)] }
        _modify { yield &entries[Int(id)] }
    }

    func id(of key: PodKey) -> PodID? { ids[key] }

    mutating func insert(_ entry: PodEntry) -> PodID {
        let id: PodID
        if let free = vacant.popLast() {
            id = free
            entries[Int(id)] = entry
        } else {
            id = PodID(entries.count)
            entries.append(entry)
        }
        ids[entry.key] = id
        count(entry.state, 1)
        return id
    }

    mutating func remove(_ id: PodID) {
        let entry = entries[Int(id)]
        count(entry.state, -1)
        ids[entry.key] = nil
        entries[Int(id)].state = .vacant
        entries[Int(id)].message = nil
        vacant.append(id)
    }

    mutating func set(_ id: PodID, to state: PodEntry.State) {
        count(entries[Int(id)].state, -1)
        entries[Int(id)].state = state
        count(state, 1)
    }

    private mutating func count(_ state: PodEntry.State, _ sign: Int) {
        switch state {
        case .pending: pendingCount += sign
        case .assumed, .bound: placedCount += sign
        case .vacant: break
        }
    }

    /// Priority, then who came first, then name: the order of the queue.
    static func precedes(_ left: PodEntry, _ right: PodEntry) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.arrival != right.arrival { return left.arrival < right.arrival }
        return left.key < right.key
    }
}

/// A gang. Known while any of its pods is.
struct GroupEntry: Sendable {
    var name: String
    var pending: Set<PodID> = []
    /// Members that have a node.
    var placed = 0
    var minMembers = 1
}

struct GroupTable: Sendable {
    private var ids: [String: Int32] = [:]
    private var entries: [GroupEntry] = []
    private var vacant: [Int32] = []

    subscript(id: Int32) -> GroupEntry {
        get { entries[Int(id)] }
        _modify { yield &entries[Int(id)] }
    }

    var known: [Int32] { Array(ids.values) }

    /// The group's number; a new one starts empty.
    mutating func intern(_ group: PodGroup) -> Int32 {
        if let known = ids[group.name] { return known }
        let id: Int32
        if let free = vacant.popLast() {
            id = free
            entries[Int(id)] = GroupEntry(name: group.name)
        } else {
            id = Int32(entries.count)
            entries.append(GroupEntry(name: group.name))
        }
        ids[group.name] = id
        return id
    }

    /// True when that was the group's last pod: its number may now mean another.
    mutating func forgetIfEmpty(_ id: Int32) -> Bool {
        let entry = entries[Int(id)]
        guard entry.pending.isEmpty, entry.placed == 0 else { return false }
        ids[entry.name] = nil
        vacant.append(id)
        return true
    }
}
