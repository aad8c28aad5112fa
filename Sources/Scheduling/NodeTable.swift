// The nodes as rows of plain numbers: a placement scans one dense array, in one pass, without touching a dictionary.

/// I-SCHED-1: for every node, what is used never exceeds what is allocatable through a decision of the scheduler.
/// A slot belongs to a name for ever: pods may be bound to a node that is not (or no longer) known.
struct NodeTable {
    /// Free = allocatable - used; negative when pods were bound by others.
    struct Row {
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
    /// Changes whenever the set of eligible nodes of some pod may have changed.
    private(set) var shapeGeneration = 0

    var count: Int { names.count }
    var knownCount: Int { descriptions.count { $0 != nil } }

    func slot(of name: String) -> Int? { slots[name] }

    mutating func slotForPod(on name: String) -> Int {
        if let slot = slots[name] { return slot }
        let slot = names.count
        slots[name] = slot
        names.append(name)
        descriptions.append(nil)
        rows.append(Row())
        usedExtended.append([:])
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
        rows[slot].freeCPU += new.milliCPU - old.milliCPU
        rows[slot].freeMemory += new.memory - old.memory
        rows[slot].freePods += new.pods - old.pods
        rows[slot].inverseCPU = new.milliCPU > 0 ? 1 / Float(new.milliCPU) : 0
        rows[slot].inverseMemory = new.memory > 0 ? 1 / Float(new.memory) : 0
        descriptions[slot] = description
        shapeGeneration += 1
        return true
    }

    mutating func take(_ request: ResourceAmounts, at slot: Int) { add(request, times: 1, at: slot) }
    mutating func giveBack(_ request: ResourceAmounts, at slot: Int) { add(request, times: -1, at: slot) }

    private mutating func add(_ request: ResourceAmounts, times sign: Int64, at slot: Int) {
        rows[slot].freeCPU -= sign * request.milliCPU
        rows[slot].freeMemory -= sign * request.memory
        rows[slot].freePods -= sign
        for (name, amount) in request.extended { usedExtended[slot][name, default: 0] += sign * amount }
    }

    func freeExtended(_ name: String, at slot: Int) -> Int64 {
        (descriptions[slot]?.allocatable.extended[name] ?? 0) - (usedExtended[slot][name] ?? 0)
    }

    private func extendedFits(_ request: ResourceAmounts, at slot: Int) -> Bool {
        request.extended.allSatisfy { $0.value <= freeExtended($0.key, at: slot) }
    }

    /// The slots that these constraints admit, in order of name so that equal scores always fall to the same node.
    func eligible(for constraints: PodConstraints) -> [Int32] {
        descriptions.indices
            .filter { slot in descriptions[slot].map { constraints.obstacle(on: $0) == nil } ?? false }
            .sorted { names[$0] < names[$1] }
            .map(Int32.init)
    }

    /// So many fitting nodes are always compared; beyond them kube-scheduler's share (percentageOfNodesToScore: 50 % minus
    /// one per 125 nodes, at least 5 %), because the best of hundreds is hardly better than the best of thousands.
    static let fewestCompared = 100

    static func compared(of count: Int) -> Int { max(fewestCompared, count * max(50 - count / 125, 5) / 100) }

    /// The best of `candidates` with room for `request`: most left free (LeastAllocated), and cpu and memory evenly
    /// used (BalancedAllocation), each weighing the same as in kube-scheduler. `start` says where in `candidates` to begin
    /// and is moved on, so that in a large cluster all nodes get their turn. Nil when it fits nowhere.
    func best(among candidates: [Int32], for request: ResourceAmounts, avoiding avoided: Set<Int32>? = nil, start: inout Int)
        -> Int?
    {
        let count = candidates.count
        guard count > 0 else { return nil }
        let enough = Self.compared(of: count)
        let from = count > enough ? start % count : 0
        var search = Search(request: request, missing: enough)
        scan(candidates, from..<count, &search, avoided)
        if search.missing > 0 { scan(candidates, 0..<from, &search, avoided) }
        start = search.next
        return search.best < 0 ? nil : Int(search.best)
    }

    private struct Search {
        var request: ResourceAmounts
        /// Fitting nodes still to be compared.
        var missing: Int
        var best: Int32 = -1
        var bestScore = -Float.infinity
        var next = 0
    }

    private func scan(_ candidates: [Int32], _ range: Range<Int>, _ search: inout Search, _ avoided: Set<Int32>?) {
        let special = !search.request.extended.isEmpty || avoided != nil
        let cpu = search.request.milliCPU
        let memory = search.request.memory
        var missing = search.missing
        var best = search.best
        var bestScore = search.bestScore
        var index = range.lowerBound
        candidates.withUnsafeBufferPointer { candidates in
            rows.withUnsafeBufferPointer { rows in
                while index < range.upperBound, missing > 0 {
                    let candidate = candidates[index]
                    index &+= 1
                    let node = rows[Int(truncatingIfNeeded: candidate)]
                    let cpuLeft = node.freeCPU &- cpu
                    let memoryLeft = node.freeMemory &- memory
                    // One test for "all three are not negative": the sign bits joined.
                    if (cpuLeft | memoryLeft | (node.freePods &- 1)) < 0 { continue }
                    if special, !allowed(candidate, search.request, avoided) { continue }
                    missing &-= 1
                    let cpuFree = Float(cpuLeft) * node.inverseCPU
                    let memoryFree = Float(memoryLeft) * node.inverseMemory
                    let score = (cpuFree + memoryFree) - abs(cpuFree - memoryFree)
                    if score > bestScore {
                        bestScore = score
                        best = candidate
                    }
                }
            }
        }
        search.missing = missing
        search.best = best
        search.bestScore = bestScore
        search.next = index
    }

    private func allowed(_ candidate: Int32, _ request: ResourceAmounts, _ avoided: Set<Int32>?) -> Bool {
        if let avoided, avoided.contains(candidate) { return false }
        return extendedFits(request, at: Int(candidate))
    }

    /// Whether the requests could be met if nothing else ran: a group that cannot is never waited for.
    func emptied() -> NodeTable {
        var empty = self
        for slot in names.indices {
            let whole = descriptions[slot]?.allocatable ?? ResourceAmounts()
            empty.rows[slot].freeCPU = whole.milliCPU
            empty.rows[slot].freeMemory = whole.memory
            empty.rows[slot].freePods = whole.pods
            empty.usedExtended[slot] = [:]
        }
        return empty
    }
}
