// Pods that share a claim which has no volume yet go to one node: the claim's data will be where its first pod runs
// (https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode, WaitForFirstConsumer).

/// Where the placed pods of such a claim are.
struct ClaimHome: Sendable {
    var slot: Int
    /// So many; at 0 it has no home any more.
    var pods: Int
}

extension SchedulerState {
    /// Where claims without a home get theirs while a unit is tried.
    typealias TriedHomes = [String: Int]

    /// What is known here of a pod's claims without a volume; nil: the pod is not known.
    public func unboundClaims(of key: PodKey) -> [String]? { pods.id(of: key).map { pods[$0].unboundClaims } }

    mutating func settle(claimsOf id: PodID, at slot: Int) {
        for claim in pods[id].unboundClaims { claimHomes[claim, default: ClaimHome(slot: slot, pods: 0)].pods += 1 }
    }

    mutating func leave(claimsOf id: PodID) {
        for claim in pods[id].unboundClaims {
            guard let home = claimHomes[claim] else { continue }
            claimHomes[claim] = home.pods > 1 ? ClaimHome(slot: home.slot, pods: home.pods - 1) : nil
        }
    }

    /// The members in lists of those that must be on one node, because each shares a claim without a home with another.
    func bundles(of members: [PodID]) -> [[PodID]] {
        if members.allSatisfy({ pods[$0].unboundClaims.isEmpty }) { return members.map { [$0] } }
        // A forest: each member points to another one of its bundle, the first of them to itself.
        var leaders = Array(members.indices)
        func leader(of member: Int) -> Int {
            var member = member
            while leaders[member] != member {
                leaders[member] = leaders[leaders[member]]
                member = leaders[member]
            }
            return member
        }
        var owners: [String: Int] = [:]
        for (member, id) in members.enumerated() {
            for claim in pods[id].unboundClaims where claimHomes[claim] == nil {
                guard let owner = owners.updateValue(member, forKey: claim) else { continue }
                let (one, other) = (leader(of: owner), leader(of: member))
                leaders[max(one, other)] = min(one, other)
            }
        }
        var bundles: [[PodID]] = Array(repeating: [], count: members.count)
        for (member, id) in members.enumerated() { bundles[leader(of: member)].append(id) }
        bundles.removeAll(where: \.isEmpty)
        // Largest first, as the members are: what must go together is as large as all of it.
        let size = bundles.map { bundle in
            bundle.reduce((cpu: Int64(0), memory: Int64(0))) { sum, id in
                let needs = self.needs(of: id)
                return (sum.cpu &+ needs.milliCPU, sum.memory &+ needs.memory)
            }
        }
        return bundles.indices.sorted { size[$0] == size[$1] ? $0 < $1 : size[$0] > size[$1] }.map { bundles[$0] }
    }

    /// The nodes that will do for all of these pods together, however full they are. `ids` is not empty.
    mutating func candidates(for ids: some Collection<PodID>, _ tried: TriedHomes = [:]) -> ConstraintClass {
        let known = Set(ids.map { shapes[Int(pods[$0].shape)].constraintClass }).sorted()
        known.forEach { prepare($0) }
        var common = classes[known.first ?? 0]
        for other in known.dropFirst() {
            let its = Set(classes[other].candidates)
            common = common.restricted { its.contains($0) }
        }
        for home in homes(of: ids, tried) { common = common.restricted { Int($0) == home } }
        return common
    }

    /// More than one: the pods can go nowhere.
    private func homes(of ids: some Collection<PodID>, _ tried: TriedHomes) -> Set<Int> {
        var homes: Set<Int> = []
        for id in ids {
            for claim in pods[id].unboundClaims { if let slot = tried[claim] ?? claimHomes[claim]?.slot { homes.insert(slot) } }
        }
        return homes
    }

    /// What they take of a node together; nil: never all of one node, because two of them want the same port of it.
    func needs(of ids: some Collection<PodID>) -> PodNeeds? {
        var sum: PodNeeds?
        for id in ids {
            let needs = needs(of: id)
            guard let known = sum else {
                sum = needs
                continue
            }
            if needs.hostPorts.contains(where: { port in known.hostPorts.contains { $0.meets(port) } }) { return nil }
            sum = known + needs
        }
        return sum
    }

    /// All claims of these pods get their home here, as far as they have none.
    func note(_ ids: some Collection<PodID>, at slot: Int, _ tried: inout TriedHomes) {
        for id in ids { for claim in pods[id].unboundClaims where claimHomes[claim] == nil { tried[claim] = slot } }
    }
}
