// The scheduler's memory: nodes, the room that bound pods take, and the pods that wait. `SchedulerState+Schedule.swift`
// decides; here facts come in. A value: the same calls give the same decisions.

/// Facts are told with `set…`/`remove…` in any order and as often as one likes; `schedule(now:)` then decides.
public struct SchedulerState: Sendable {
    /// A waiting unit that stays unplaced for so long is next in line: nothing that could use its nodes passes it any more.
    public static let patience: Int64 = 30_000
    /// A unit holds the line no longer than this, then others pass again for a while; both in milliseconds.
    public static let lineLimit: Int64 = 120_000
    /// Shapes kept though no pod has them now; then they are swept. Bounds what a stream of ever different pods leaves behind.
    static let maximumShapes = 4096

    /// A pod alone or a group: what is placed in one step.
    enum UnitKey: Hashable, Sendable {
        case pod(PodID)
        case group(Int32)
    }

    struct Waiting: Sendable {
        /// Since when it waits (restarted when it gave up the line).
        var since: Int64
        /// The nodes' shape for which it was found that even an empty cluster is too small.
        var hopelessAt = -1
        /// `roomGeneration` for which it was found that ending others does not help.
        var vainAt = -1
    }

    /// The unit that nothing may pass on its nodes.
    struct Line: Sendable {
        var unit: UnitKey
        var priority: Int
        var nodes: Set<Int32>
        var until: Int64
    }

    private struct ShapeKey: Hashable, Sendable {
        var constraints: PodConstraints
        var request: ResourceAmounts
    }

    var nodes = NodeTable()
    var pods = PodTable()
    var groups = GroupTable()
    /// Where the next scan of a large cluster begins.
    var scanStart = 0
    /// Placed pods of each slot, for preemption.
    var podsOn: [Int32: Set<PodID>] = [:]
    /// Claims that will have their volume where their placed pods are.
    var claimHomes: [String: ClaimHome] = [:]
    /// How many placed pods have each priority.
    var placedPriorities: [Int: Int] = [:]
    /// Pods that wait and belong to no group.
    var pendingAlone: Set<PodID> = []
    /// Units that were tried and did not fit.
    var waiting: [UnitKey: Waiting] = [:]
    /// Units that came or changed since the last pass.
    var fresh: Set<UnitKey> = []
    /// No waiting unit runs out of patience before this.
    var patienceEnds = Int64.max
    var line: Line?
    /// Room kept for units whose victims still end.
    var nominations: [UnitKey: Nomination] = [:]
    /// The last pass left preemptions to the next one.
    var preemptionsLeft = false
    var classes: [ConstraintClass] = []
    private var classIDs: [PodConstraints: Int] = [:]
    var shapes: [Shape] = []
    private var shapeIDs: [ShapeKey: Int32] = [:]
    private var sweepAt = SchedulerState.maximumShapes
    var domains: Set<String> = []
    /// Counts every event that can make a pod fit that did not fit before.
    var roomGeneration = 0
    /// `roomGeneration` at the end of the last pass.
    var passedGeneration = 0

    public init() {}

    public var pendingCount: Int { pods.pendingCount }
    public var boundCount: Int { pods.placedCount }

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
        let changed = domains.symmetricDifference(self.domains)
        self.domains = domains
        for index in pods.entries.indices where pods.entries[index].state == .pending {
            let entry = pods.entries[index]
            guard changed.contains(entry.key.namespace) else { continue }
            var key = ShapeKey(
                constraints: classes[shapes[Int(entry.shape)].constraintClass].constraints,
                request: shapes[Int(entry.shape)].request)
            key.constraints.isDomain = domains.contains(entry.key.namespace)
            let shape = intern(key)
            use(shape, 1)
            // Read again: making the new shape may have renumbered the old one.
            use(pods.entries[index].shape, -1)
            pods.entries[index].shape = shape
        }
        roomGeneration += 1
    }

    /// A pod that waits for a node or runs on one. Pods that ended (Succeeded, Failed) and pods of other schedulers
    /// that are not bound are not told, or removed.
    public mutating func setPod(_ pod: PodDescription) {
        let shape = intern(
            ShapeKey(constraints: PodConstraints(pod, isDomain: domains.contains(pod.key.namespace)), request: pod.request))
        if let id = pods.id(of: pod.key) {
            if isKnown(pod, shape, as: id) { return }
            forget(id)
        }
        use(shape, 1)
        let group = pod.group.map { groups.intern($0) } ?? -1
        if let wanted = pod.group?.minMembers, group >= 0 { groups[group].minMembers = wanted }
        let id = pods.insert(
            PodEntry(
                key: pod.key, uid: pod.uid, state: .pending, terminating: pod.terminating, mayPreempt: pod.mayPreempt,
                shape: shape,
                group: group, priority: pod.priority, arrival: pod.arrival, hostPorts: pod.hostPorts, unboundClaims: pod.unboundClaims))
        if let node = pod.nodeName {
            take(id, at: nodes.slotForPod(on: node), as: .bound)
        } else {
            joinQueue(id)
        }
    }

    /// Nothing that matters here is new; small changes are taken over on the spot.
    private mutating func isKnown(_ pod: PodDescription, _ shape: Int32, as id: PodID) -> Bool {
        let entry = pods[id]
        guard entry.uid == pod.uid else { return false }
        // Where it is, where it might have gone says nothing.
        let alike = entry.state == .pending ? entry.shape == shape : shapes[Int(entry.shape)].request == pod.request
        let same =
            alike && entry.hostPorts == pod.hostPorts && entry.priority == pod.priority
            && (entry.group < 0 ? nil : groups[entry.group].name) == pod.group?.name
        switch entry.state {
        case .vacant: return false
        case .pending:
            return same && pod.nodeName == nil && entry.arrival == pod.arrival && entry.mayPreempt == pod.mayPreempt
                && entry.unboundClaims == pod.unboundClaims
        case .assumed where pod.nodeName == nil:
            // An echo from before the binding. What it says of claims is news all the same: they go where this pod goes.
            for claim in pod.unboundClaims where !entry.unboundClaims.contains(claim) {
                pods[id].unboundClaims.append(claim)
                claimHomes[claim, default: ClaimHome(slot: Int(entry.slot), pods: 0)].pods += 1
            }
            return true
        case .assumed, .bound:
            guard same, let node = pod.nodeName, nodes.slot(of: node) == Int(entry.slot) else { return false }
            if entry.state == .assumed { pods.set(id, to: .bound) }
            if entry.terminating != pod.terminating { pods[id].terminating = pod.terminating }
            return true
        }
    }

    public mutating func removePod(_ key: PodKey) {
        if let id = pods.id(of: key) { forget(id) }
    }

    /// The store refused the binding: the pods wait again, with the arrival they had.
    public mutating func bindingFailed(_ placements: [PodPlacement]) {
        for placement in placements {
            guard let id = pods.id(of: placement.pod), pods[id].uid == placement.uid, pods[id].state == .assumed else { continue }
            release(id)
            pods.set(id, to: .pending)
            joinQueue(id)
        }
    }

    private mutating func forget(_ id: PodID) {
        let entry = pods[id]
        if entry.state == .pending { leaveQueue(id) } else { release(id) }
        use(entry.shape, -1)
        pods.remove(id)
        let alone = UnitKey.pod(id)
        fresh.remove(alone)
        waiting[alone] = nil
        if entry.group >= 0, groups.forgetIfEmpty(entry.group) {
            fresh.remove(.group(entry.group))
            waiting[.group(entry.group)] = nil
        }
    }

    // MARK: Queue

    private mutating func joinQueue(_ id: PodID) {
        let group = pods[id].group
        if group >= 0 { groups[group].pending.insert(id) } else { pendingAlone.insert(id) }
        fresh.insert(unitKey(of: id))
    }

    /// The pod's unit is judged anew: its other members may fit now, or not count any more.
    private mutating func leaveQueue(_ id: PodID) {
        dequeue(id)
        let unit = unitKey(of: id)
        waiting[unit] = nil
        dropNomination(of: unit)
        if case .group(let group) = unit, !groups[group].pending.isEmpty { fresh.insert(unit) } else { fresh.remove(unit) }
        if line?.unit == unit { releaseLine() }
    }

    mutating func dequeue(_ id: PodID) {
        let group = pods[id].group
        if group >= 0 { groups[group].pending.remove(id) } else { pendingAlone.remove(id) }
    }

    mutating func releaseLine() {
        line = nil
        roomGeneration += 1
    }

    func unitKey(of id: PodID) -> UnitKey {
        let group = pods[id].group
        return group >= 0 ? .group(group) : .pod(id)
    }

    // MARK: Room

    func needs(of id: PodID) -> PodNeeds {
        let entry = pods[id]
        return PodNeeds(shapes[Int(entry.shape)].request, hostPorts: entry.hostPorts)
    }

    mutating func take(_ id: PodID, at slot: Int, as state: PodEntry.State) {
        nodes.take(needs(of: id), at: slot)
        pods.set(id, to: state)
        pods[id].slot = Int32(slot)
        pods[id].message = nil
        podsOn[Int32(slot), default: []].insert(id)
        settle(claimsOf: id, at: slot)
        placedPriorities[pods[id].priority, default: 0] += 1
        let group = pods[id].group
        if group >= 0 { groups[group].placed += 1 }
    }

    mutating func release(_ id: PodID) {
        let entry = pods[id]
        nodes.giveBack(needs(of: id), at: Int(entry.slot))
        podsOn[entry.slot]?.remove(id)
        if podsOn[entry.slot]?.isEmpty ?? false { podsOn[entry.slot] = nil }
        let left = (placedPriorities[entry.priority] ?? 1) - 1
        placedPriorities[entry.priority] = left > 0 ? left : nil
        leave(claimsOf: id)
        pods[id].slot = -1
        if entry.group >= 0 { groups[entry.group].placed -= 1 }
        roomGeneration += 1
    }

    // MARK: Shapes

    private mutating func use(_ shape: Int32, _ count: Int) { shapes[Int(shape)].uses += count }

    private mutating func intern(_ key: ShapeKey) -> Int32 {
        if let known = shapeIDs[key] { return known }
        if shapes.count >= sweepAt { sweepShapes() }
        let id = Int32(shapes.count)
        shapeIDs[key] = id
        shapes.append(Shape(constraintClass: intern(key.constraints), request: key.request))
        return id
    }

    private mutating func intern(_ constraints: PodConstraints) -> Int {
        if let known = classIDs[constraints] { return known }
        let id = classes.count
        classIDs[constraints] = id
        classes.append(ConstraintClass(constraints: constraints))
        return id
    }

    /// Forgets shapes and classes that no pod has; numbers change, so every pod's is rewritten.
    private mutating func sweepShapes() {
        let old = (shapes: shapes, classes: classes)
        shapes = []
        classes = []
        shapeIDs = [:]
        classIDs = [:]
        var moved: [Int32] = Array(repeating: -1, count: old.shapes.count)
        for (index, shape) in old.shapes.enumerated() where shape.uses > 0 {
            let constraints = old.classes[shape.constraintClass].constraints
            let id = Int32(shapes.count)
            let known = classIDs[constraints]
            let constraintClass = intern(constraints)
            if known == nil { classes[constraintClass] = old.classes[shape.constraintClass] }
            shapeIDs[ShapeKey(constraints: constraints, request: shape.request)] = id
            shapes.append(Shape(constraintClass: constraintClass, request: shape.request, uses: shape.uses))
            moved[index] = id
        }
        for index in pods.entries.indices where pods.entries[index].state != .vacant {
            pods.entries[index].shape = moved[Int(pods.entries[index].shape)]
        }
        // Twice as many as are needed, so that sweeping costs each new shape little.
        sweepAt = max(Self.maximumShapes, 2 * shapes.count)
    }

    /// Brings a class's list of nodes up to date: found anew only after nodes changed.
    mutating func prepare(_ id: Int) {
        if classes[id].builtAt != nodes.shapeGeneration { classes[id].build(from: nodes) }
    }
}
