// One pass of the scheduler: place each unit, whole or not at all. Nothing is held for a group that waits, so two groups can
// never block each other with halves.

extension SchedulerState {
    /// What one pass has found out so far.
    struct Pass {
        /// A shape's finding that there is no room holds for as long as room only shrinks: within one pass.
        struct Finding: Hashable {
            var shape: Int32
            var avoiding: Bool
        }

        let now: Int64
        var noRoom: [Finding: String] = [:]
        /// Shapes (with the priority they were tried at) for which ending others does not help.
        var noVictims: Set<VictimSearch> = []
        var preemptions = 0
        var decisions: [SchedulingDecision] = []
    }

    /// Tries everything that may fit by now. `now` is in milliseconds since any fixed moment and only decides about patience.
    public mutating func schedule(now: Int64) -> [SchedulingDecision] {
        if let line, line.until <= now { stepBack(line.unit, now: now) }
        expireNominations(now: now)
        var pass = Pass(now: now)
        let everything = roomGeneration != passedGeneration || preemptionsLeft
        passedGeneration = roomGeneration
        preemptionsLeft = false
        let units = queue(everything: everything)
        pass.decisions.reserveCapacity(units.count)
        for unit in units {
            switch unit.key {
            case .pod(let id): attempt(pod: id, unit, &pass)
            case .group(let group): attempt(group: group, unit, &pass)
            }
        }
        fresh = []
        if line == nil, patienceEnds <= now { formLine(now: now) }
        return pass.decisions
    }

    /// When `schedule` should be called again though nothing happens; nil: not before something does.
    public func nextPass(now: Int64) -> Int64? {
        if roomGeneration != passedGeneration && pendingCount > 0 || !fresh.isEmpty || preemptionsLeft { return now }
        let nomination = nominations.values.map(\.until).min() ?? Int64.max
        let next = min(line?.until ?? patienceEnds, nomination)
        return next == Int64.max ? nil : next
    }

    // MARK: One pod

    private mutating func attempt(pod id: PodID, _ unit: Unit, _ pass: inout Pass) {
        guard pods[id].state == .pending else { return }
        let avoided = nodesToAvoid(unit)
        let finding = finding(id, avoided)
        let lifted = liftNominations(for: unit)
        var message = lifted.own == nil ? pass.noRoom[finding] : nil
        if message == nil {
            let slot = pods[id].unboundClaims.isEmpty ? place(id, avoiding: avoided) : place([id], avoiding: avoided, [:])
            if let slot {
                bind([(id, slot)], of: unit, complete: true, &pass)
                restoreNominations(lifted, boundOwn: true)
                return
            }
            let text = explain(id, avoiding: avoided)
            if isLikeItsShape(id) { pass.noRoom[finding] = text }
            message = text
        }
        restoreNominations(lifted, boundOwn: false)
        waitOn(unit.key, now: pass.now)
        say((message ?? "") + preempt(unit, [id], &pass), about: id, &pass)
    }

    private func nodesToAvoid(_ unit: Unit) -> Set<Int32>? {
        guard let line, line.unit != unit.key, unit.priority <= line.priority else { return nil }
        return line.nodes
    }

    /// What is found about it is true for every pod of its shape.
    func isLikeItsShape(_ id: PodID) -> Bool {
        pods[id].hostPorts.isEmpty && pods[id].unboundClaims.allSatisfy { claimHomes[$0] == nil }
    }

    /// The best slot now for all of these together; takes nothing.
    private mutating func place(_ ids: ArraySlice<PodID>, avoiding avoided: Set<Int32>?, _ homes: TriedHomes) -> Int? {
        if ids.count == 1, let id = ids.first, pods[id].unboundClaims.isEmpty { return place(id, avoiding: avoided) }
        guard let needs = needs(of: ids) else { return nil }
        return nodes.best(in: candidates(for: ids, homes), for: needs, avoiding: avoided, start: &scanStart)
    }

    /// The best slot now; takes nothing.
    private mutating func place(_ id: PodID, avoiding avoided: Set<Int32>?) -> Int? {
        let shape = shapes[Int(pods[id].shape)]
        prepare(shape.constraintClass)
        return nodes.best(
            in: classes[shape.constraintClass], for: PodNeeds(shape.request, hostPorts: pods[id].hostPorts), avoiding: avoided,
            start: &scanStart)
    }

    // MARK: A group

    private mutating func attempt(group: Int32, _ unit: Unit, _ pass: inout Pass) {
        let members = members(of: unit.key)
        guard !members.isEmpty else { return }
        if let message = incomplete(group, members.count) {
            for id in members { say(message, about: id, &pass) }
            return
        }
        let avoided = nodesToAvoid(unit)
        let lifted = liftNominations(for: unit)
        let (placed, refused) = place(members, avoiding: avoided, isNews: lifted.own != nil, &pass)
        for one in placed { nodes.giveBack(needs(of: one.id), at: one.slot) }
        let bound = refused.isEmpty || !placed.isEmpty && placed.count + groups[group].placed >= groups[group].minMembers
        if bound { bind(placed, of: unit, complete: refused.isEmpty, &pass) }
        restoreNominations(lifted, boundOwn: bound)
        if refused.isEmpty { return }
        waitOn(unit.key, now: pass.now)
        if bound {
            for (id, message) in refused { say(message, about: id, &pass) }
        } else {
            let suffix = preempt(unit, members, &pass)
            refuse(members, refused.map { ($0.id, $0.message + suffix) }, groups[group].name, &pass)
        }
    }

    /// Who has a place, which is taken, and who has none. `isNews`: what the pass has found out does not hold for these.
    private mutating func place(
        _ members: [PodID], avoiding avoided: Set<Int32>?, isNews: Bool, _ pass: inout Pass
    ) -> (placed: [(id: PodID, slot: Int)], refused: [(id: PodID, message: String)]) {
        var placed: [(id: PodID, slot: Int)] = []
        var refused: [(id: PodID, message: String)] = []
        var homes: TriedHomes = [:]
        for bundle in bundles(of: members) {
            var held = bundle[...]
            // As many as one node can take: normally all.
            while !held.isEmpty {
                let isKnown = held.count == 1 && !isNews && pass.noRoom[finding(bundle[bundle.count - 1], avoided)] != nil
                if !isKnown, let slot = place(held, avoiding: avoided, homes) {
                    for id in held {
                        nodes.take(needs(of: id), at: slot)
                        placed.append((id, slot))
                    }
                    note(held, at: slot, &homes)
                    break
                }
                held.removeFirst()
            }
            for id in bundle.dropLast(held.count) {
                // With those that have a place, or, where nobody has one, by itself: what kept them from it may be another one's.
                if bundle.count > 1, let slot = place([id], avoiding: avoided, homes) {
                    nodes.take(needs(of: id), at: slot)
                    placed.append((id, slot))
                    note([id], at: slot, &homes)
                    continue
                }
                let known = isNews ? nil : pass.noRoom[finding(id, avoided)]
                let message = known ?? explain(id, avoiding: avoided, homes)
                // Only what a lone pod finds is true for others: a group's own members took room that they give back.
                if placed.isEmpty, bundle.count == 1, isLikeItsShape(id) { pass.noRoom[finding(id, avoided)] = message }
                refused.append((id, message))
            }
        }
        return (placed, refused)
    }

    private func finding(_ id: PodID, _ avoided: Set<Int32>?) -> Pass.Finding {
        Pass.Finding(shape: pods[id].shape, avoiding: avoided != nil)
    }

    private func incomplete(_ group: Int32, _ pending: Int) -> String? {
        let entry = groups[group]
        let present = pending + entry.placed
        guard present < entry.minMembers else { return nil }
        return "pod group \"\(entry.name)\" waits for its pods: \(present) of \(entry.minMembers) exist"
    }

    /// Each pod that found no place is told why; the others only whom they wait for, because what is free in one
    /// organisation is not the other's business.
    private mutating func refuse(
        _ members: [PodID], _ refused: [(id: PodID, message: String)], _ group: String, _ pass: inout Pass
    ) {
        let without = Set(refused.map(\.id))
        for (id, message) in refused { say(message, about: id, &pass) }
        let names = without.map { pods[$0].key }.sorted().map(\.description).joined(separator: ", ")
        for id in members where !without.contains(id) {
            let message = "pod group \"\(group)\" is placed together or not at all, and \(names) has no place yet"
            say(message, about: id, isAnothers: true, &pass)
        }
    }

    // MARK: Both

    private mutating func bind(_ placed: [(id: PodID, slot: Int)], of unit: Unit, complete: Bool, _ pass: inout Pass) {
        for one in placed {
            dequeue(one.id)
            take(one.id, at: one.slot, as: .assumed)
        }
        if complete {
            if !waiting.isEmpty { waiting[unit.key] = nil }
            if line?.unit == unit.key { releaseLine() }
        }
        guard !placed.isEmpty else { return }
        pass.decisions.append(.bind(placed.map { placement($0.id, at: $0.slot) }))
    }

    func placement(_ id: PodID, at slot: Int) -> PodPlacement {
        PodPlacement(pod: pods[id].key, uid: pods[id].uid, node: nodes.names[slot])
    }

    private mutating func say(_ message: String, about id: PodID, isAnothers: Bool = false, _ pass: inout Pass) {
        guard pods[id].state == .pending, pods[id].message != message else { return }
        pods[id].message = message
        pass.decisions.append(.unschedulable(pods[id].key, uid: pods[id].uid, PlacementObstacle(message, isAnothers: isAnothers)))
    }
}
