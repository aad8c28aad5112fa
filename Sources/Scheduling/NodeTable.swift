// The nodes as columns: a placement scans plain integer arrays, one pass, without touching a dictionary.

/// I-SCHED-1: for every node, what is used never exceeds what is allocatable through a decision of the scheduler.
/// A slot belongs to a name for ever: pods may be bound to a node that is not (or no longer) known.
struct NodeTable {
    private(set) var names: [String] = []
    private var slots: [String: Int] = [:]
    /// nil while only pods speak of the node.
    private(set) var descriptions: [NodeDescription?] = []
    // Free = allocatable - used; negative when pods were bound by others.
    private(set) var freeCPU: [Int64] = []
    private(set) var freeMemory: [Int64] = []
    private(set) var freePods: [Int64] = []
    private(set) var usedExtended: [[String: Int64]] = []
    // 1/allocatable, so that scoring multiplies instead of dividing.
    private var inverseCPU: [Float] = []
    private var inverseMemory: [Float] = []
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
        freeCPU.append(0)
        freeMemory.append(0)
        freePods.append(0)
        usedExtended.append([:])
        inverseCPU.append(0)
        inverseMemory.append(0)
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
        freeCPU[slot] += new.milliCPU - old.milliCPU
        freeMemory[slot] += new.memory - old.memory
        freePods[slot] += new.pods - old.pods
        inverseCPU[slot] = new.milliCPU > 0 ? 1 / Float(new.milliCPU) : 0
        inverseMemory[slot] = new.memory > 0 ? 1 / Float(new.memory) : 0
        descriptions[slot] = description
        shapeGeneration += 1
        return true
    }

    mutating func take(_ request: ResourceAmounts, at slot: Int) { add(request, times: 1, at: slot) }
    mutating func giveBack(_ request: ResourceAmounts, at slot: Int) { add(request, times: -1, at: slot) }

    private mutating func add(_ request: ResourceAmounts, times sign: Int64, at slot: Int) {
        freeCPU[slot] -= sign * request.milliCPU
        freeMemory[slot] -= sign * request.memory
        freePods[slot] -= sign
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

    /// The best of `candidates` with room for `request`: most left free (LeastAllocated), and cpu and memory evenly
    /// used (BalancedAllocation), each weighing the same as in kube-scheduler. Nil when it fits nowhere.
    func best(among candidates: [Int32], for request: ResourceAmounts, avoiding avoided: Set<Int32>? = nil) -> Int? {
        let special = !request.extended.isEmpty || avoided != nil
        let cpu = request.milliCPU
        let memory = request.memory
        var best: Int32 = -1
        var bestScore = -Float.infinity
        candidates.withUnsafeBufferPointer { candidates in
            freeCPU.withUnsafeBufferPointer { freeCPU in
                freeMemory.withUnsafeBufferPointer { freeMemory in
                    freePods.withUnsafeBufferPointer { freePods in
                        inverseCPU.withUnsafeBufferPointer { inverseCPU in
                            inverseMemory.withUnsafeBufferPointer { inverseMemory in
                                for candidate in candidates {
                                    let slot = Int(truncatingIfNeeded: candidate)
                                    let cpuLeft = freeCPU[slot] &- cpu
                                    let memoryLeft = freeMemory[slot] &- memory
                                    // One test for "all three are not negative": the sign bits joined.
                                    if (cpuLeft | memoryLeft | (freePods[slot] &- 1)) < 0 { continue }
                                    let cpuFree = Float(cpuLeft) * inverseCPU[slot]
                                    let memoryFree = Float(memoryLeft) * inverseMemory[slot]
                                    let score = (cpuFree + memoryFree) * 0.5 - abs(cpuFree - memoryFree) * 0.5
                                    if score > bestScore {
                                        if special {
                                            if let avoided, avoided.contains(candidate) { continue }
                                            if !extendedFits(request, at: slot) { continue }
                                        }
                                        bestScore = score
                                        best = candidate
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        return best < 0 ? nil : Int(best)
    }

    /// Whether the requests could be met if nothing else ran: a group that cannot is never waited for.
    func emptied() -> NodeTable {
        var empty = self
        for slot in names.indices {
            let whole = descriptions[slot]?.allocatable ?? ResourceAmounts()
            empty.freeCPU[slot] = whole.milliCPU
            empty.freeMemory[slot] = whole.memory
            empty.freePods[slot] = whole.pods
            empty.usedExtended[slot] = [:]
        }
        return empty
    }
}
