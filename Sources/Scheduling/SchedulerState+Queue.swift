// Who is tried in a pass and in which order, and fairness: a unit that waited too long is not passed any more.

extension SchedulerState {
    /// What is placed in one step, in the order of the queue: priority, then who came first, then name.
    struct Unit {
        var key: UnitKey
        var priority: Int
        var arrival: Int64
        /// The pod whose name decides between equals.
        var first: PodID
    }

    func queue(everything: Bool) -> [Unit] {
        var units: [Unit] = []
        if everything {
            units.reserveCapacity(pendingAlone.count)
            for id in pendingAlone { units.append(unit(alone: id)) }
            for group in groups.known { if let unit = unit(group: group) { units.append(unit) } }
        } else {
            units.reserveCapacity(fresh.count)
            for key in fresh { if let unit = unit(key) { units.append(unit) } }
        }
        units.sort(by: precedes)
        return units
    }

    func unit(_ key: UnitKey) -> Unit? {
        switch key {
        case .pod(let id): pods[id].state == .pending ? unit(alone: id) : nil
        case .group(let group): unit(group: group)
        }
    }

    private func unit(alone id: PodID) -> Unit {
        Unit(key: .pod(id), priority: pods[id].priority, arrival: pods[id].arrival, first: id)
    }

    private func unit(group: Int32) -> Unit? {
        guard var first = groups[group].pending.first else { return nil }
        var unit = Unit(key: .group(group), priority: pods[first].priority, arrival: pods[first].arrival, first: first)
        for id in groups[group].pending {
            unit.priority = max(unit.priority, pods[id].priority)
            unit.arrival = min(unit.arrival, pods[id].arrival)
            if pods[id].key < pods[first].key { first = id }
        }
        unit.first = first
        return unit
    }

    private func precedes(_ left: Unit, _ right: Unit) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.arrival != right.arrival { return left.arrival < right.arrival }
        return pods.entries[Int(left.first)].key < pods.entries[Int(right.first)].key
    }

    /// The pending pods of a unit, largest first, which packs better and is the same in every run.
    func members(of key: UnitKey) -> [PodID] {
        switch key {
        case .pod(let id): pods[id].state == .pending ? [id] : []
        case .group(let group):
            groups[group].pending.sorted { left, right in
                let one = shapes[Int(pods[left].shape)].request
                let other = shapes[Int(pods[right].shape)].request
                if one.milliCPU != other.milliCPU { return one.milliCPU > other.milliCPU }
                if one.memory != other.memory { return one.memory > other.memory }
                return pods[left].key < pods[right].key
            }
        }
    }

    // MARK: Fairness

    mutating func waitOn(_ unit: UnitKey, now: Int64) {
        guard waiting[unit] == nil else { return }
        waiting[unit] = Waiting(since: now)
        patienceEnds = min(patienceEnds, now + Self.patience)
    }

    /// The first of those who waited too long, if an empty cluster could hold it, is next: its nodes run empty for it.
    mutating func formLine(now: Int64) {
        let overdue = waiting.filter { $0.value.since + Self.patience <= now && $0.value.hopelessAt != nodes.shapeGeneration }
        // One finding for all of a shape: many wait for the same reason.
        var hopeless: Set<Int32> = []
        for unit in overdue.keys.compactMap({ unit($0) }).sorted(by: precedes) {
            if case .pod(let id) = unit.key, hopeless.contains(pods[id].shape) {
                waiting[unit.key]?.hopelessAt = nodes.shapeGeneration
                continue
            }
            guard fitsEmptyCluster(unit.key) else {
                waiting[unit.key]?.hopelessAt = nodes.shapeGeneration
                if case .pod(let id) = unit.key, isLikeItsShape(id) { hopeless.insert(pods[id].shape) }
                continue
            }
            var wanted: Set<Int32> = []
            var seen: Set<Int> = []
            for id in members(of: unit.key) {
                let isAlike = !seen.insert(shapes[Int(pods[id].shape)].constraintClass).inserted
                if !isAlike || !pods[id].unboundClaims.isEmpty { wanted.formUnion(candidates(for: [id]).candidates) }
            }
            line = Line(unit: unit.key, priority: unit.priority, nodes: wanted, until: now + Self.lineLimit)
            break
        }
        patienceEnds = Int64.max
        for unit in waiting.values where unit.hopelessAt != nodes.shapeGeneration {
            patienceEnds = min(patienceEnds, max(unit.since + Self.patience, now + 1))
        }
    }

    mutating func stepBack(_ unit: UnitKey, now: Int64) {
        if waiting[unit] != nil {
            waiting[unit]?.since = now
            patienceEnds = min(patienceEnds, now + Self.patience)
        }
        releaseLine()
    }

    private mutating func fitsEmptyCluster(_ unit: UnitKey) -> Bool {
        var empty = nodes.emptied()
        var start = 0
        var homes: TriedHomes = [:]
        for bundle in bundles(of: members(of: unit)) {
            guard let needs = needs(of: bundle), let slot = empty.best(in: candidates(for: bundle, homes), for: needs, start: &start)
            else { return false }
            empty.take(needs, at: slot)
            note(bundle, at: slot, &homes)
        }
        return true
    }
}
