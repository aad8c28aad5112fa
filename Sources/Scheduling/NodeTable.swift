// The nodes as rows of plain numbers: a placement scans one dense array, in one pass, without touching a dictionary.
// `NodeTable+Scan.swift` does the scan.

/// I-SCHED-1: for every node, what is used never exceeds what is allocatable through a decision of the scheduler.
/// A slot belongs to a name for ever: pods may be bound to a node that is not (or no longer) known.
struct NodeTable: Sendable {
    /// Free = allocatable - used; negative when pods were bound by others, or room is kept for a pod whose victims still end.
    struct Row: Sendable {
        var freeCPU: Int64 = 0
        var freeMemory: Int64 = 0
        var freePods: Int64 = 0
        // 1/allocatable, so that scoring multiplies instead of dividing.
        var inverseCPU: Float = 0
        var inverseMemory: Float = 0
    }

    private(set) var names: [String] = []
    private var slots: [String: Int] = [:]
    /// nil while only pods speak of the node.
    private(set) var descriptions: [NodeDescription?] = []
    /// What the scan reads, a few words a node: a placement touches nothing else.
    private(set) var rows: [Row] = []
    private(set) var usedExtended: [[String: Int64]] = []
    /// How many pods hold each port: more than one only where pods were bound by others.
    private(set) var usedPorts: [[HostPort: Int]] = []
    /// Changes whenever the set of eligible nodes of some pod may have changed.
    private(set) var shapeGeneration = 0
    private(set) var knownCount = 0
    private var sortedSlots: [Int32] = []

    var count: Int { names.count }

    /// All slots in order of their nodes' names.
    var slotsByName: [Int32] { sortedSlots }

    func slot(of name: String) -> Int? { slots[name] }

    mutating func slotForPod(on name: String) -> Int {
        if let slot = slots[name] { return slot }
        let slot = names.count
        slots[name] = slot
        names.append(name)
        descriptions.append(nil)
        rows.append(Row())
        usedExtended.append([:])
        usedPorts.append([:])
        let place = sortedSlots.withUnsafeBufferPointer { sorted in
            var low = 0
            var high = sorted.count
            while low < high {
                let middle = (low + high) / 2
                if names[Int(sorted[middle])] < name { low = middle + 1 } else { high = middle }
            }
            return low
        }
        sortedSlots.insert(Int32(slot), at: place)
        return slot
    }

    /// Adds, changes or (nil) forgets a node; false when nothing changed (a heartbeat).
    mutating func set(_ name: String, to description: NodeDescription?) -> Bool {
        if description == nil, slots[name] == nil { return false }
        let slot = slotForPod(on: name)
        let before = descriptions[slot]
        if before == description { return false }
        let old = before?.allocatable ?? ResourceAmounts()
        let new = description?.allocatable ?? ResourceAmounts()
        rows[slot].freeCPU &+= new.milliCPU - old.milliCPU
        rows[slot].freeMemory &+= new.memory - old.memory
        rows[slot].freePods &+= new.pods - old.pods
        rows[slot].inverseCPU = new.milliCPU > 0 ? 1 / Float(new.milliCPU) : 0
        rows[slot].inverseMemory = new.memory > 0 ? 1 / Float(new.memory) : 0
        knownCount += (description == nil ? 0 : 1) - (before == nil ? 0 : 1)
        descriptions[slot] = description
        shapeGeneration += 1
        return true
    }

    mutating func take(_ needs: PodNeeds, at slot: Int) { add(needs, times: 1, at: slot) }
    mutating func giveBack(_ needs: PodNeeds, at slot: Int) { add(needs, times: -1, at: slot) }

    private mutating func add(_ needs: PodNeeds, times sign: Int64, at slot: Int) {
        // Amounts are bounded (ResourceAmounts.maximum), so only thousands of pods that others bound to one node could go beyond: wrapping
        // then gives back exactly what was taken, where a trap would take the master along.
        rows[slot].freeCPU &-= sign * needs.milliCPU
        rows[slot].freeMemory &-= sign * needs.memory
        rows[slot].freePods &-= sign * needs.places
        for (name, amount) in needs.extended { usedExtended[slot][name, default: 0] &+= sign * amount }
        for port in needs.hostPorts {
            let held = (usedPorts[slot][port] ?? 0) + Int(sign)
            usedPorts[slot][port] = held > 0 ? held : nil
        }
    }

    func freeExtended(_ name: String, at slot: Int) -> Int64 {
        (descriptions[slot]?.allocatable.extended[name] ?? 0) &- (usedExtended[slot][name] ?? 0)
    }

    /// Whether the node has this much free now, whether or not the pod may go there.
    func fits(_ needs: PodNeeds, at slot: Int) -> Bool {
        let row = rows[slot]
        return row.freeCPU >= needs.milliCPU && row.freeMemory >= needs.memory && row.freePods >= needs.places
            && extrasFit(needs, at: slot)
    }

    func extrasFit(_ needs: PodNeeds, at slot: Int) -> Bool {
        needs.extended.allSatisfy { $0.value <= freeExtended($0.key, at: slot) } && portsFit(needs.hostPorts, at: slot)
    }

    func portsFit(_ ports: [HostPort], at slot: Int) -> Bool {
        if ports.isEmpty || usedPorts[slot].isEmpty { return true }
        return !ports.contains { port in usedPorts[slot].keys.contains { $0.meets(port) } }
    }

    /// Nothing is overdrawn: what a spared victim must leave behind.
    func isCovered(at slot: Int, by needs: PodNeeds) -> Bool {
        let row = rows[slot]
        return row.freeCPU >= 0 && row.freeMemory >= 0 && row.freePods >= 0
            && needs.extended.allSatisfy { freeExtended($0.key, at: slot) >= 0 }
    }

    /// The same nodes with nothing running: a group that would not fit there is never waited for.
    func emptied() -> NodeTable {
        var empty = self
        for slot in names.indices {
            let whole = descriptions[slot]?.allocatable ?? ResourceAmounts()
            empty.rows[slot].freeCPU = whole.milliCPU
            empty.rows[slot].freeMemory = whole.memory
            empty.rows[slot].freePods = whole.pods
            empty.usedExtended[slot] = [:]
            empty.usedPorts[slot] = [:]
        }
        return empty
    }
}

/// What a pod, or several together, take of a node.
struct PodNeeds: Sendable, Hashable {
    var milliCPU: Int64
    var memory: Int64
    var extended: [String: Int64]
    var hostPorts: [HostPort]
    /// One for each pod.
    var places: Int64 = 1

    init(_ request: ResourceAmounts, hostPorts: [HostPort]) {
        milliCPU = request.milliCPU
        memory = request.memory
        extended = request.extended
        self.hostPorts = hostPorts
    }

    static func + (left: PodNeeds, right: PodNeeds) -> PodNeeds {
        var sum = left
        // Amounts are bounded (ResourceAmounts.maximum), so that wrapping takes more pods than a gang has.
        sum.milliCPU &+= right.milliCPU
        sum.memory &+= right.memory
        sum.extended.merge(right.extended, uniquingKeysWith: &+)
        sum.hostPorts += right.hostPorts
        sum.places += right.places
        return sum
    }
}
