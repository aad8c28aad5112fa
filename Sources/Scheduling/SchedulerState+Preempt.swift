// Preemption: a unit that fits nowhere may end running pods of lower priority. For a gang all its pods must find a place
// that way, or nobody is ended. Victims are the fewest and least important that will do, by kube-scheduler's rules
// (kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption; disruption budgets are not known here).

extension SchedulerState {
    /// Searches for victims in one pass: each looks at the pods of many nodes. The rest comes in the next pass.
    static let maximumPreemptions = 32
    /// Units that room is kept for at once; each is looked at whenever a unit is tried.
    static let maximumNominations = 256
    /// Victims that have not ended by then are not waited for; milliseconds. Longer than any usual grace period.
    static let nominationLimit: Int64 = 600_000

    /// Room that is kept on the nodes for a unit until what must end there has ended.
    struct Nomination: Sendable {
        var unit: UnitKey
        var priority: Int
        var placements: [(id: PodID, slot: Int)]
        /// Those that must end first.
        var awaited: [(key: PodKey, uid: String)]
        var until: Int64
    }

    /// What was taken back from the nodes while a unit is tried.
    struct Lifted {
        var own: Nomination?
        var lesser: [UnitKey] = []
    }

    struct VictimSearch: Hashable {
        var shape: Int32
        var priority: Int
    }

    private struct Choice {
        var slot: Int
        var victims: [PodID]
        /// Ending already, whatever we do.
        var ending: [PodID]
        /// Highest priority, sum of priorities, count, and the latest start: less is better.
        var cost: (Int, Int, Int, Int64)
    }

    // MARK: Room that is kept

    /// The room, and where its claims will be: others of the same claims go there too.
    private mutating func keepRoom(_ nomination: Nomination) {
        for one in nomination.placements {
            nodes.take(needs(of: one.id), at: one.slot)
            settle(claimsOf: one.id, at: one.slot)
        }
    }

    private mutating func giveBack(_ nomination: Nomination) {
        for one in nomination.placements {
            nodes.giveBack(needs(of: one.id), at: one.slot)
            leave(claimsOf: one.id)
        }
    }

    /// A unit does not see the room that is kept for itself or for lesser ones as taken.
    mutating func liftNominations(for unit: Unit) -> Lifted {
        var lifted = Lifted()
        if nominations.isEmpty { return lifted }
        for (key, nomination) in nominations where key == unit.key || nomination.priority < unit.priority {
            giveBack(nomination)
            if key == unit.key { lifted.own = nomination } else { lifted.lesser.append(key) }
        }
        return lifted
    }

    mutating func restoreNominations(_ lifted: Lifted, boundOwn: Bool) {
        for key in lifted.lesser { if let nomination = nominations[key] { keepRoom(nomination) } }
        guard let own = lifted.own else { return }
        if boundOwn {
            nominations[own.unit] = nil
            return
        }
        keepRoom(own)
        if !own.awaited.contains(where: { isStillThere($0) }) { dropNomination(of: own.unit) }
    }

    mutating func dropNomination(of unit: UnitKey) {
        guard let nomination = nominations.removeValue(forKey: unit) else { return }
        giveBack(nomination)
        roomGeneration += 1
    }

    mutating func expireNominations(now: Int64) {
        for (key, nomination) in nominations where nomination.until <= now { dropNomination(of: key) }
    }

    private func isStillThere(_ pod: (key: PodKey, uid: String)) -> Bool {
        pods.id(of: pod.key).map { pods[$0].uid == pod.uid && pods[$0].isPlaced } ?? false
    }

    // MARK: Who goes

    /// Tries to make room for all of `members`. Returns what to add to the message about them.
    mutating func preempt(_ unit: Unit, _ members: [PodID], _ pass: inout Pass) -> String {
        guard nominations[unit.key] == nil, let least = placedPriorities.keys.min(), least < unit.priority,
            members.allSatisfy({ pods[$0].mayPreempt })
        else { return "" }
        let searches = Set(members.map { VictimSearch(shape: pods[$0].shape, priority: unit.priority) })
        if !searches.isDisjoint(with: pass.noVictims) || waiting[unit.key]?.vainAt == roomGeneration { return noVictimsText }
        guard pass.preemptions < Self.maximumPreemptions, nominations.count < Self.maximumNominations else {
            preemptionsLeft = preemptionsLeft || nominations.count < Self.maximumNominations
            return ""
        }
        pass.preemptions += 1
        guard let (placements, victims, ending) = makeRoom(for: members, priority: unit.priority, &pass) else {
            waiting[unit.key]?.vainAt = roomGeneration
            return noVictimsText
        }
        let awaited = (victims + ending).map { (key: pods[$0].key, uid: pods[$0].uid) }
        nominations[unit.key] = Nomination(
            unit: unit.key, priority: unit.priority, placements: placements, awaited: awaited,
            until: pass.now + Self.nominationLimit)
        if let nomination = nominations[unit.key] { keepRoom(nomination) }
        // They leave: nobody counts on ending them again.
        for id in victims { pods[id].terminating = true }
        pass.decisions.append(
            .preempt(
                Preemption(
                    nominated: placements.map { placement($0.id, at: $0.slot) },
                    victims: victims.map { placement($0, at: Int(pods[$0].slot)) })))
        return ""
    }

    private var noVictimsText: String {
        let known = nodes.knownCount
        return " preemption: 0/\(known) nodes are available: \(known) No preemption victims found for incoming pod."
    }

    /// Places all pods as if chosen victims were gone; leaves the nodes as they were.
    private mutating func makeRoom(
        for members: [PodID], priority: Int, _ pass: inout Pass
    ) -> (placements: [(id: PodID, slot: Int)], victims: [PodID], ending: [PodID])? {
        var placements: [(id: PodID, slot: Int)] = []
        var victims: Set<PodID> = []
        var ending: Set<PodID> = []
        var complete = true
        var homes: TriedHomes = [:]
        for bundle in bundles(of: members) {
            let candidates = candidates(for: bundle, homes)
            let needs = needs(of: bundle)
            let slot: Int
            if let needs, let free = nodes.best(in: candidates, for: needs, start: &scanStart) {
                slot = free
            } else if let needs, let choice = cheapest(in: candidates, for: needs, priority, gone: victims.union(ending)) {
                for one in choice.victims + choice.ending { nodes.giveBack(self.needs(of: one), at: choice.slot) }
                victims.formUnion(choice.victims)
                ending.formUnion(choice.ending)
                slot = choice.slot
            } else {
                // A gang's own members may be what is in the way; that says nothing about others.
                if placements.isEmpty, bundle.count == 1, isLikeItsShape(bundle[0]) {
                    pass.noVictims.insert(VictimSearch(shape: pods[bundle[0]].shape, priority: priority))
                }
                complete = false
                break
            }
            for id in bundle {
                placements.append((id, slot))
                nodes.take(self.needs(of: id), at: slot)
            }
            note(bundle, at: slot, &homes)
        }
        var spared: Set<PodID> = []
        if complete { spared = spare(victims) }
        for one in placements { nodes.giveBack(needs(of: one.id), at: one.slot) }
        for one in victims.subtracting(spared).union(ending) { nodes.take(needs(of: one), at: Int(pods[one].slot)) }
        guard complete else {
            return nil
        }
        let order = { (one: PodID, other: PodID) in self.pods[one].key < self.pods[other].key }
        return (placements, victims.subtracting(spared).sorted(by: order), ending.sorted(by: order))
    }

    /// Victims that a later choice on the same node made needless stay, the most important first; their room is taken again.
    private mutating func spare(_ victims: Set<PodID>) -> Set<PodID> {
        var spared: Set<PodID> = []
        for one in victims.sorted(by: { PodTable.precedes(pods[$0], pods[$1]) }) {
            let needs = needs(of: one)
            let slot = Int(pods[one].slot)
            guard nodes.portsFit(needs.hostPorts, at: slot) else { continue }
            nodes.take(needs, at: slot)
            if nodes.isCovered(at: slot, by: needs) { spared.insert(one) } else { nodes.giveBack(needs, at: slot) }
        }
        return spared
    }

    /// The node where the least is lost. As many nodes are compared as in a placement.
    private mutating func cheapest(in group: ConstraintClass, for needs: PodNeeds, _ priority: Int, gone: Set<PodID>) -> Choice? {
        var best: Choice?
        var missing = NodeTable.compared(of: group.candidates.count)
        for candidate in group.candidates where missing > 0 {
            guard let choice = choice(at: Int(candidate), for: needs, priority, gone: gone) else { continue }
            missing -= 1
            if let known = best, known.cost <= choice.cost { continue }
            best = choice
        }
        return best
    }

    /// Whom to end on this node: all that are less important go, and as many as fit come back, the most important first.
    private mutating func choice(at slot: Int, for needs: PodNeeds, _ priority: Int, gone: Set<PodID>) -> Choice? {
        guard let there = podsOn[Int32(slot)] else { return nil }
        var lesser: [PodID] = []
        var ending: [PodID] = []
        for id in there where pods[id].state == .bound && !gone.contains(id) {
            if pods[id].terminating { ending.append(id) } else if pods[id].priority < priority { lesser.append(id) }
        }
        if lesser.isEmpty, ending.isEmpty { return nil }
        for id in lesser + ending { nodes.giveBack(self.needs(of: id), at: slot) }
        let fits = nodes.fits(needs, at: slot)
        var victims: [PodID] = []
        if fits {
            nodes.take(needs, at: slot)
            lesser.sort { PodTable.precedes(pods[$0], pods[$1]) }
            for id in lesser {
                let its = self.needs(of: id)
                let free = nodes.portsFit(its.hostPorts, at: slot)
                nodes.take(its, at: slot)
                if free, nodes.isCovered(at: slot, by: its) { continue }
                nodes.giveBack(its, at: slot)
                victims.append(id)
            }
            nodes.giveBack(needs, at: slot)
            for id in victims + ending { nodes.take(self.needs(of: id), at: slot) }
        } else {
            for id in lesser + ending { nodes.take(self.needs(of: id), at: slot) }
            return nil
        }
        let highest = victims.map { pods[$0].priority }.max() ?? Int.min
        let start = victims.filter { pods[$0].priority == highest }.map { pods[$0].arrival }.min() ?? Int64.max
        // Offset, so that one more victim always costs something, even of negative priority.
        let sum = victims.reduce(0) { $0 + pods[$1].priority + (1 << 31) }
        return Choice(slot: slot, victims: victims, ending: ending, cost: (highest, sum, victims.count, -start))
    }
}
