// Why a pod has no place, in kube-scheduler's words and with the numbers that help: "0/2 nodes are available:
// 1 Insufficient memory (requested 8Gi, largest free 2Gi on alice-1), 1 node(s) had untolerated taint {k: v}."

extension SchedulerState {
    /// The reason for a pod that waits; nil when it does not wait or was not tried yet.
    public func explain(_ key: PodKey) -> String? { pods.id(of: key).flatMap { pods[$0].message } }

    mutating func explain(_ id: PodID, avoiding avoided: Set<Int32>?, _ homes: TriedHomes = [:]) -> String {
        let total = nodes.knownCount
        guard total > 0 else { return "no nodes available to schedule pods" }
        prepare(shapes[Int(pods[id].shape)].constraintClass)
        let constraintClass = classes[shapes[Int(pods[id].shape)].constraintClass]
        let candidates = pods[id].unboundClaims.isEmpty ? constraintClass.candidates : candidates(for: [id], homes).candidates
        var counts = obstacles(of: constraintClass.constraints)
        counts.merge(shortages(of: id, on: candidates, avoiding: avoided)) { $0 + $1 }
        let elsewhere = constraintClass.candidates.count - candidates.count
        if elsewhere > 0 { counts["node(s) didn't have the pods that share its claims"] = elsewhere }
        // Each by itself would do: they do not fit together.
        if counts.isEmpty { return "0/\(total) nodes are available: none holds the pods that share its claims together." }
        let reasons = counts.sorted { $0.value == $1.value ? $0.key < $1.key : $0.value > $1.value }
            .map { "\($0.value) \($0.key)" }
        return "0/\(total) nodes are available: " + reasons.joined(separator: ", ") + "."
    }

    private func obstacles(of constraints: PodConstraints) -> [String: Int] {
        var counts: [Obstacle: Int] = [:]
        for node in nodes.descriptions {
            guard let node, let obstacle = constraints.obstacle(on: node) else { continue }
            counts[obstacle, default: 0] += 1
        }
        var texts: [String: Int] = [:]
        for (obstacle, count) in counts { texts[Self.text(obstacle, namespace: constraints.namespace), default: 0] += count }
        return texts
    }

    private static func text(_ obstacle: Obstacle, namespace: String) -> String {
        switch obstacle {
        case .otherDomain: "node(s) didn't belong to domain \(namespace)"
        case .selector: "node(s) didn't match Pod's node affinity/selector"
        case .volume: "node(s) didn't match PersistentVolume's node affinity"
        case .notReady: "node(s) were not ready"
        case .unschedulable: "node(s) were unschedulable"
        case .taint(let taint): "node(s) had untolerated taint {\(taint.key): \(taint.value ?? "")}"
        }
    }

    private func shortages(of id: PodID, on candidates: [Int32], avoiding avoided: Set<Int32>?) -> [String: Int] {
        let slots = candidates.map(Int.init)
        let needs = needs(of: id)
        var counts: [String: Int] = [:]
        func count(_ short: [Int], _ reason: @autoclosure () -> String) {
            if !short.isEmpty { counts[reason()] = short.count }
        }
        func largest(_ free: (Int) -> Int64, _ text: (Int64) -> String, requested: Int64) -> String {
            guard let best = slots.max(by: { free($0) < free($1) }) else { return "(requested \(text(requested)))" }
            return "(requested \(text(requested)), largest free \(text(max(free(best), 0))) on \(nodes.names[best]))"
        }
        count(
            slots.filter { nodes.rows[$0].freeCPU < needs.milliCPU },
            "Insufficient cpu \(largest({ nodes.rows[$0].freeCPU }, AmountText.cpu, requested: needs.milliCPU))")
        count(
            slots.filter { nodes.rows[$0].freeMemory < needs.memory },
            "Insufficient memory \(largest({ nodes.rows[$0].freeMemory }, AmountText.memory, requested: needs.memory))")
        count(slots.filter { nodes.rows[$0].freePods < 1 }, "Too many pods")
        for (name, amount) in needs.extended {
            count(
                slots.filter { nodes.freeExtended(name, at: $0) < amount },
                "Insufficient \(name) \(largest({ nodes.freeExtended(name, at: $0) }, { "\($0)" }, requested: amount))")
        }
        if !needs.hostPorts.isEmpty {
            count(
                slots.filter { !nodes.portsFit(needs.hostPorts, at: $0) },
                "node(s) didn't have free ports for the requested pod ports")
        }
        if let avoided {
            count(
                slots.filter { slot in avoided.contains(Int32(slot)) && nodes.fits(needs, at: slot) },
                "node(s) were kept for pods that have waited longer")
        }
        return counts
    }
}
