// One pass of the scheduler: queue, place, fairness. Groups are placed whole or not at all, and nothing is held for a
// group that waits, so two groups can never block each other with halves.

extension SchedulerState {
    /// What is placed in one step, in the order of the queue: priority, then who came first, then name.
    struct Unit {
        var key: UnitKey
        var priority: Int
        var arrival: Int64
        var pods: [PodKey]

        static func precedes(_ left: Unit, _ right: Unit) -> Bool {
            if left.priority != right.priority { return left.priority > right.priority }
            if left.arrival != right.arrival { return left.arrival < right.arrival }
            return left.pods[0] < right.pods[0]
        }
    }

    /// Pods of one shape share the finding that there is no room, for as long as room only shrinks: within one pass.
    struct Shape: Hashable {
        var constraintClass: Int
        var request: ResourceAmounts
        var avoiding: Bool
    }

    /// Tries everything that may fit by now. `now` is in milliseconds since 1970 and only decides about patience.
    public mutating func schedule(now: Int64) -> [SchedulingDecision] {
        if let line, line.until <= now { stepBack(line.unit, now: now) }
        var decisions: [SchedulingDecision] = []
        var noRoom: [Shape: String] = [:]
        let everything = roomGeneration != passedGeneration
        passedGeneration = roomGeneration
        for unit in queue(everything: everything) {
            attempt(unit, now: now, noRoom: &noRoom, decisions: &decisions)
        }
        fresh = []
        if line == nil, patienceEnds <= now { formLine(now: now) }
        return decisions
    }

    /// When `schedule` should be called again though nothing happens; nil: not before something does.
    public func nextPass(now: Int64) -> Int64? {
        if roomGeneration != passedGeneration && !pending.isEmpty || !fresh.isEmpty { return now }
        if let line { return line.until }
        return patienceEnds == Int64.max ? nil : patienceEnds
    }

    // MARK: Queue

    private func queue(everything: Bool) -> [Unit] {
        var units: [Unit] = []
        if everything {
            for entry in pending.values where entry.pod.group == nil {
                units.append(
                    Unit(
                        key: .pod(entry.pod.key), priority: entry.pod.priority, arrival: entry.pod.arrival, pods: [entry.pod.key])
                )
            }
            units += groupMembers.keys.compactMap { unit(.group($0)) }
        } else {
            units = fresh.compactMap { unit($0) }
        }
        return units.sorted(by: Unit.precedes)
    }

    /// The pending pods of a unit, largest first, which packs better and is the same in every run.
    private func unit(_ key: UnitKey) -> Unit? {
        switch key {
        case .pod(let pod):
            guard let entry = pending[pod], entry.pod.group == nil else { return nil }
            return Unit(key: key, priority: entry.pod.priority, arrival: entry.pod.arrival, pods: [pod])
        case .group(let name):
            let members = (groupMembers[name] ?? []).compactMap { pending[$0]?.pod }
            guard !members.isEmpty else { return nil }
            let ordered = members.sorted {
                let left = ($0.request.milliCPU, $0.request.memory)
                let right = ($1.request.milliCPU, $1.request.memory)
                return left == right ? $0.key < $1.key : left > right
            }
            return Unit(
                key: key, priority: members.map(\.priority).max() ?? 0, arrival: members.map(\.arrival).min() ?? 0,
                pods: ordered.map(\.key))
        }
    }

    // MARK: Placing

    private mutating func attempt(
        _ unit: Unit, now: Int64, noRoom: inout [Shape: String], decisions: inout [SchedulingDecision]
    ) {
        if case .group(let name) = unit.key, let message = incomplete(name, unit) {
            for pod in unit.pods { say(message, about: pod, in: &decisions) }
            return
        }
        let avoided = line.flatMap { $0.unit != unit.key && unit.priority <= $0.priority ? $0.nodes : nil }
        var placed: [(pod: PodDescription, slot: Int)] = []
        var refused: [(pod: PodKey, message: String)] = []
        for key in unit.pods {
            guard let entry = pending[key] else { continue }
            let shape = Shape(constraintClass: entry.constraintClass, request: entry.pod.request, avoiding: avoided != nil)
            if let known = noRoom[shape] {
                refused.append((key, known))
                continue
            }
            let candidates = candidates(ofClass: entry.constraintClass)
            if let slot = nodes.best(among: candidates, for: entry.pod.request, avoiding: avoided, start: &scanStart) {
                nodes.take(entry.pod.request, at: slot)
                placed.append((entry.pod, slot))
            } else {
                let message = explain(entry.pod, candidates: candidates, avoiding: avoided)
                // Only what a lone pod finds is true for others: a group's own members took room that they give back.
                if placed.isEmpty { noRoom[shape] = message }
                refused.append((key, message))
            }
        }
        for one in placed { nodes.giveBack(one.pod.request, at: one.slot) }
        if !refused.isEmpty { waitOn(unit.key, now: now) }
        if refused.isEmpty || enough(placed.count, of: unit) {
            bind(placed, of: unit, complete: refused.isEmpty, decisions: &decisions)
            for (pod, message) in refused { say(message, about: pod, in: &decisions) }
        } else {
            refuse(unit, refused, in: &decisions)
        }
    }

    private mutating func bind(
        _ placed: [(pod: PodDescription, slot: Int)], of unit: Unit, complete: Bool, decisions: inout [SchedulingDecision]
    ) {
        for one in placed {
            dequeue(one.pod)
            take(one.pod, at: one.slot, assumed: true)
        }
        if complete {
            waiting[unit.key] = nil
            if line?.unit == unit.key { releaseLine() }
        }
        guard !placed.isEmpty else { return }
        decisions.append(.bind(placed.map { PodPlacement(pod: $0.pod.key, uid: $0.pod.uid, node: nodes.names[$0.slot]) }))
    }

    private func minimum(of unit: Unit) -> Int { unit.pods.compactMap { pending[$0]?.pod.group?.minMembers }.max() ?? 1 }

    private func enough(_ placed: Int, of unit: Unit) -> Bool {
        switch unit.key {
        case .pod: placed == 1
        case .group(let name): placed + (groupsPlaced[name] ?? 0) >= minimum(of: unit)
        }
    }

    private func incomplete(_ name: String, _ unit: Unit) -> String? {
        let present = unit.pods.count + (groupsPlaced[name] ?? 0)
        let wanted = minimum(of: unit)
        guard present < wanted else { return nil }
        return "pod group \"\(name)\" waits for its pods: \(present) of \(wanted) exist"
    }

    /// Each pod that found no place is told why; the others only whom they wait for, because what is free in one
    /// organisation is not the other's business.
    private mutating func refuse(
        _ unit: Unit, _ refused: [(pod: PodKey, message: String)], in decisions: inout [SchedulingDecision]
    ) {
        guard case .group(let name) = unit.key else {
            for (pod, message) in refused { say(message, about: pod, in: &decisions) }
            return
        }
        let without = Set(refused.map(\.pod))
        for (pod, message) in refused { say(message, about: pod, in: &decisions) }
        let names = without.sorted().map(\.description).joined(separator: ", ")
        for pod in unit.pods where !without.contains(pod) {
            say(
                "pod group \"\(name)\" is placed together or not at all, and \(names) has no place yet", about: pod,
                in: &decisions)
        }
    }

    private mutating func say(_ message: String, about key: PodKey, in decisions: inout [SchedulingDecision]) {
        guard let entry = pending[key], entry.message != message else { return }
        pending[key]?.message = message
        decisions.append(.unschedulable(key, uid: entry.pod.uid, message: message))
    }

    // MARK: Fairness

    private mutating func waitOn(_ unit: UnitKey, now: Int64) {
        guard waiting[unit] == nil else { return }
        waiting[unit] = Waiting(since: now)
        patienceEnds = min(patienceEnds, now + Self.patience)
    }

    /// The first of those who waited too long, if an empty cluster could hold it, is next: its nodes run empty for it.
    private mutating func formLine(now: Int64) {
        let overdue = waiting.filter { $0.value.since + Self.patience <= now && $0.value.hopelessAt != nodes.shapeGeneration }
        for unit in overdue.keys.compactMap({ unit($0) }).sorted(by: Unit.precedes) {
            guard fitsEmptyCluster(unit) else {
                waiting[unit.key]?.hopelessAt = nodes.shapeGeneration
                continue
            }
            var wanted: Set<Int32> = []
            for pod in unit.pods { if let id = pending[pod]?.constraintClass { wanted.formUnion(candidates(ofClass: id)) } }
            line = Line(unit: unit.key, priority: unit.priority, nodes: wanted, until: now + Self.lineLimit)
            break
        }
        patienceEnds = Int64.max
        for unit in waiting.values where unit.hopelessAt != nodes.shapeGeneration {
            patienceEnds = min(patienceEnds, max(unit.since + Self.patience, now + 1))
        }
    }

    private mutating func stepBack(_ unit: UnitKey, now: Int64) {
        if waiting[unit] != nil {
            waiting[unit]?.since = now
            patienceEnds = min(patienceEnds, now + Self.patience)
        }
        releaseLine()
    }

    private mutating func fitsEmptyCluster(_ unit: Unit) -> Bool {
        var empty = nodes.emptied()
        for key in unit.pods {
            guard let entry = pending[key] else { continue }
            let candidates = candidates(ofClass: entry.constraintClass)
            var start = 0
            guard let slot = empty.best(among: candidates, for: entry.pod.request, start: &start) else { return false }
            empty.take(entry.pod.request, at: slot)
        }
        return true
    }
}
