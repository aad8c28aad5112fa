// The search for the best node: one pass over dense rows (1.1-1.6 ns a node), and for a large cluster not over all of them.

extension NodeTable {
    /// So many fitting nodes are always compared; beyond them kube-scheduler's share (percentageOfNodesToScore: 50 % minus
    /// one per 125 nodes, at least 5 %), because the best of hundreds is hardly better than the best of thousands.
    static let fewestCompared = 100

    static func compared(of count: Int) -> Int { max(fewestCompared, count * max(50 - count / 125, 5) / 100) }

    /// The best of a class's candidates with room for `needs`: most left free (LeastAllocated), and cpu and memory evenly
    /// used (BalancedAllocation), each weighing the same as in kube-scheduler, plus what the pod prefers. `start` says where
    /// to begin and is moved on, so that in a large cluster all nodes get their turn. Nil when it fits nowhere.
    func best(in group: ConstraintClass, for needs: PodNeeds, avoiding avoided: Set<Int32>? = nil, start: inout Int) -> Int? {
        let count = group.candidates.count
        guard count > 0 else { return nil }
        let enough = Self.compared(of: count)
        let from = count > enough ? start % count : 0
        var search = Search(needs: needs, avoided: avoided, missing: enough)
        scan(group, from..<count, &search)
        if search.missing > 0, from > 0 { scan(group, 0..<from, &search) }
        start = search.next
        return search.best < 0 ? nil : Int(search.best)
    }

    private struct Search {
        var needs: PodNeeds
        var avoided: Set<Int32>?
        /// Fitting nodes still to be compared.
        var missing: Int
        var best: Int32 = -1
        var bestScore = -Float.infinity
        var next = 0
    }

    private func scan(_ group: ConstraintClass, _ range: Range<Int>, _ search: inout Search) {
        let special = !search.needs.extended.isEmpty || !search.needs.hostPorts.isEmpty || search.avoided != nil
        let cpu = search.needs.milliCPU
        let memory = search.needs.memory
        let places = search.needs.places
        var missing = search.missing
        var best = search.best
        var bestScore = search.bestScore
        var index = range.lowerBound
        group.candidates.withUnsafeBufferPointer { candidates in
            group.bonus.withUnsafeBufferPointer { bonus in
                rows.withUnsafeBufferPointer { rows in
                    while index < range.upperBound, missing > 0 {
                        let place = index
                        let candidate = candidates[place]
                        index &+= 1
                        let node = rows[Int(truncatingIfNeeded: candidate)]
                        let cpuLeft = node.freeCPU &- cpu
                        let memoryLeft = node.freeMemory &- memory
                        // One test for "all three are not negative": the sign bits joined.
                        if (cpuLeft | memoryLeft | (node.freePods &- places)) < 0 { continue }
                        if special, !allowed(candidate, search) { continue }
                        missing &-= 1
                        let cpuFree = Float(cpuLeft) * node.inverseCPU
                        let memoryFree = Float(memoryLeft) * node.inverseMemory
                        var score = (cpuFree + memoryFree) - abs(cpuFree - memoryFree)
                        if !bonus.isEmpty { score += bonus[place] }
                        if score > bestScore {
                            bestScore = score
                            best = candidate
                        }
                    }
                }
            }
        }
        search.missing = missing
        search.best = best
        search.bestScore = bestScore
        search.next = index
    }

    private func allowed(_ candidate: Int32, _ search: Search) -> Bool {
        if let avoided = search.avoided, avoided.contains(candidate) { return false }
        return extrasFit(search.needs, at: Int(candidate))
    }
}
