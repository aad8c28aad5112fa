// The scheduler's memory: nodes, the room that bound pods take, and the pods that wait. `SchedulerState+Schedule.swift`
// decides; here facts come in. A value: the same calls give the same decisions.

/// Facts are told with `set…`/`remove…` in any order and as often as one likes; `schedule(now:)` then decides.
///
///     pending ──schedule──▶ assumed (room taken) ──bind written, seen again──▶ bound ──removed──▶ gone
///        ▲                     │ bindingFailed
///        └─────────────────────┘
public struct SchedulerState: Sendable {
    /// A waiting unit that stays unplaced for so long is next in line: nothing that could use its nodes passes it any more.
    public static let patience: Int64 = 30_000
    /// A unit holds the line no longer than this, then others pass again for a while; both in milliseconds.
    public static let lineLimit: Int64 = 120_000

    struct BoundPod: Sendable {
        var slot: Int
        var request: ResourceAmounts
        var uid: String
        var group: String?
        /// What to put back into the queue if the binding fails; nil once the binding was seen.
        var assumed: PodDescription?
    }

    struct PendingPod: Sendable {
        var pod: PodDescription
        var constraintClass: Int
        /// What was last said about it, so that it is said once.
        var message: String?
    }

    /// A pod alone or a group: what is placed in one step.
    enum UnitKey: Hashable, Sendable {
        case pod(PodKey)
        case group(String)
    }

    struct Waiting: Sendable {
        /// Since when it waits (restarted when it gave up the line).
        var since: Int64
        /// The nodes' shape for which it was found that even an empty cluster is too small.
        var hopelessAt = -1
    }

    struct ConstraintClass: Sendable {
        var constraints: PodConstraints
        var candidates: [Int32] = []
        var builtAt = -1
    }

    /// The unit that nothing may pass on its nodes.
    struct Line: Sendable {
        var unit: UnitKey
        var priority: Int
        var nodes: Set<Int32>
        var until: Int64
    }

    var nodes = NodeTable()
    /// Where the next scan of a large cluster begins.
    var scanStart = 0
    var bound: [PodKey: BoundPod] = [:]
    var pending: [PodKey: PendingPod] = [:]
    var groupsPlaced: [String: Int] = [:]
    var groupMembers: [String: Set<PodKey>] = [:]
    /// Units that were tried and did not fit.
    var waiting: [UnitKey: Waiting] = [:]
    /// Units that came or changed since the last pass.
    var fresh: Set<UnitKey> = []
    /// No waiting unit runs out of patience before this.
    var patienceEnds = Int64.max
    var line: Line?
    var classes: [ConstraintClass] = []
    var classIDs: [PodConstraints: Int] = [:]
    var domains: Set<String> = []
    /// Counts every event that can make a pod fit that did not fit before.
    var roomGeneration = 0
    /// `roomGeneration` at the end of the last pass.
    var passedGeneration = 0

    public init() {}

    public var pendingCount: Int { pending.count }
    public var boundCount: Int { bound.count }

    // MARK: Facts

    public mutating func setNode(_ node: NodeDescription) {
        if nodes.set(node.name, to: node) { shapeChanged() }
    }

    /// The node left; what its pods use is remembered in case it comes back before they are gone.
    public mutating func removeNode(named name: String) {
        if nodes.set(name, to: nil) { shapeChanged() }
    }

    /// What was hopeless may have become possible, and what a line keeps free may not be the right nodes any more.
    private mutating func shapeChanged() {
        patienceEnds = waiting.isEmpty ? Int64.max : 0
        releaseLine()
    }

    /// Namespaces that are domains: their pods go only to the domain's own nodes.
    public mutating func setDomains(_ domains: Set<String>) {
        guard domains != self.domains else { return }
        self.domains = domains
        for (key, entry) in pending {
            let constraintClass = intern(entry.pod)
            pending[key]?.constraintClass = constraintClass
        }
        roomGeneration += 1
    }

    /// A pod that waits for a node or runs on one. Pods that ended (Succeeded, Failed) and pods of other schedulers
    /// that are not bound are not told, or removed.
    public mutating func setPod(_ pod: PodDescription) {
        if let node = pod.nodeName {
            bind(pod, to: node)
        } else {
            // A pending view of an assumed pod is an echo from before the binding.
            if let known = bound[pod.key], known.uid == pod.uid, known.assumed != nil { return }
            if bound[pod.key] != nil { release(pod.key) }
            if let old = pending[pod.key] {
                if old.pod == pod { return }
                leaveQueue(old.pod)
            }
            joinQueue(pod)
        }
    }

    public mutating func removePod(_ key: PodKey) {
        if let entry = pending[key] {
            leaveQueue(entry.pod)
            return
        }
        if bound[key] != nil { release(key) }
    }

    /// The store refused the binding: the pods wait again, with the arrival they had.
    public mutating func bindingFailed(_ placements: [PodPlacement]) {
        for placement in placements {
            guard let entry = bound[placement.pod], entry.uid == placement.uid, let pod = entry.assumed else { continue }
            release(placement.pod)
            joinQueue(pod)
        }
    }

    // MARK: Queue

    private mutating func joinQueue(_ pod: PodDescription) {
        pending[pod.key] = PendingPod(pod: pod, constraintClass: intern(pod))
        if let group = pod.group { groupMembers[group.name, default: []].insert(pod.key) }
        fresh.insert(unitKey(of: pod))
    }

    /// The pod's unit is judged anew: its other members may fit now, or not count any more.
    private mutating func leaveQueue(_ pod: PodDescription) {
        dequeue(pod)
        let unit = unitKey(of: pod)
        waiting[unit] = nil
        if pod.group.map({ groupMembers[$0.name] != nil }) ?? false { fresh.insert(unit) } else { fresh.remove(unit) }
        if line?.unit == unit { releaseLine() }
    }

    mutating func dequeue(_ pod: PodDescription) {
        pending[pod.key] = nil
        guard let group = pod.group?.name else { return }
        groupMembers[group]?.remove(pod.key)
        if groupMembers[group]?.isEmpty ?? false { groupMembers[group] = nil }
    }

    mutating func releaseLine() {
        line = nil
        roomGeneration += 1
    }

    // MARK: Room

    private mutating func bind(_ pod: PodDescription, to node: String) {
        if let waiting = pending[pod.key] { leaveQueue(waiting.pod) }
        let slot = nodes.slotForPod(on: node)
        if let known = bound[pod.key] {
            if known.uid == pod.uid, known.slot == slot, known.request == pod.request {
                bound[pod.key]?.assumed = nil
                return
            }
            release(pod.key)
        }
        take(pod, at: slot, assumed: false)
    }

    mutating func take(_ pod: PodDescription, at slot: Int, assumed: Bool) {
        nodes.take(pod.request, at: slot)
        bound[pod.key] = BoundPod(
            slot: slot, request: pod.request, uid: pod.uid, group: pod.group?.name, assumed: assumed ? pod : nil)
        if let group = pod.group?.name { groupsPlaced[group, default: 0] += 1 }
    }

    mutating func release(_ key: PodKey) {
        guard let entry = bound.removeValue(forKey: key) else { return }
        nodes.giveBack(entry.request, at: entry.slot)
        if let group = entry.group {
            let left = (groupsPlaced[group] ?? 1) - 1
            groupsPlaced[group] = left > 0 ? left : nil
        }
        roomGeneration += 1
    }

    func unitKey(of pod: PodDescription) -> UnitKey { pod.group.map { .group($0.name) } ?? .pod(pod.key) }

    // MARK: Constraint classes

    private mutating func intern(_ pod: PodDescription) -> Int {
        let constraints = PodConstraints(
            namespace: pod.key.namespace, isDomain: domains.contains(pod.key.namespace), nodeSelector: pod.nodeSelector,
            tolerations: pod.tolerations)
        if let known = classIDs[constraints] { return known }
        let id = classes.count
        classIDs[constraints] = id
        classes.append(ConstraintClass(constraints: constraints))
        return id
    }

    /// The nodes of a class, found anew only after nodes changed.
    mutating func candidates(ofClass id: Int) -> [Int32] {
        if classes[id].builtAt != nodes.shapeGeneration {
            classes[id].candidates = nodes.eligible(for: classes[id].constraints)
            classes[id].builtAt = nodes.shapeGeneration
        }
        return classes[id].candidates
    }
}
