// Which taints say in `spec` what a node's conditions say in `status`, so that pods can tolerate or heed them
// (kubernetes.io/docs/reference/labels-annotations-taints). Pure.
import KubernetesModel

enum NodeTaints {
    static let notReady = "node.kubernetes.io/not-ready"
    static let unreachable = "node.kubernetes.io/unreachable"
    static let unschedulable = "node.kubernetes.io/unschedulable"

    /// Condition that is True -> taint.
    private static let pressures = [
        "MemoryPressure": "node.kubernetes.io/memory-pressure", "DiskPressure": "node.kubernetes.io/disk-pressure",
        "PIDPressure": "node.kubernetes.io/pid-pressure", "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
    ]
    private static let managed = Set(pressures.values).union([notReady, unreachable, unschedulable])

    /// The key that tells of the node's readiness; nil while it is ready, or has not said anything yet.
    static func readinessKey(_ node: Node) -> String? {
        switch node.status.conditions.first(where: { $0.type == "Ready" })?.status {
        case .true, nil: nil
        case .false: notReady
        case .unknown: unreachable
        }
    }

    /// The node's taints as they should be; nil when they are. Others' taints stay as and where they are.
    /// `evict` adds the NoExecute taint; one that is there stays while its reason does.
    static func corrected(_ node: Node, evict: Bool, now: Timestamp) -> [Taint]? {
        var wanted: [Taint] = []
        if let key = readinessKey(node) {
            wanted.append(Taint(key: key, effect: .noSchedule))
            let evicting = node.spec.taints.contains { ($0.key == notReady || $0.key == unreachable) && $0.effect == .noExecute }
            if evict || evicting { wanted.append(Taint(key: key, effect: .noExecute)) }
        }
        for condition in node.status.conditions where condition.status == .true {
            if let key = pressures[condition.type] { wanted.append(Taint(key: key, effect: .noSchedule)) }
        }
        if node.spec.unschedulable { wanted.append(Taint(key: unschedulable, effect: .noSchedule)) }
        func same(_ one: Taint, _ other: Taint) -> Bool { one.key == other.key && one.effect == other.effect }
        var taints = node.spec.taints.filter { taint in
            !managed.contains(taint.key) || wanted.contains { same($0, taint) }
        }
        for taint in wanted where !taints.contains(where: { same($0, taint) }) {
            var taint = taint
            taint.timeAdded = now
            taints.append(taint)
        }
        return taints == node.spec.taints ? nil : taints
    }

    static func isEvicting(_ node: Node) -> Bool { node.spec.taints.contains { $0.effect == .noExecute } }
}

/// Since when taints are there of which nobody says it: `kubectl taint` writes no `timeAdded`.
struct TaintAges: Sendable {
    private struct Name: Hashable, Sendable {
        var key: String
        var value: String?
    }

    private var seen: [String: [Name: Timestamp]] = [:]

    /// The node's NoExecute taints, each with the time at which it was added or first seen here. Those that went are forgotten.
    mutating func dated(_ node: Node, now: Timestamp) -> [Taint] {
        let before = seen[node.metadata.name] ?? [:]
        var present: [Name: Timestamp] = [:]
        let taints = node.spec.taints.filter { $0.effect == .noExecute }.map { taint in
            if taint.timeAdded != nil { return taint }
            let name = Name(key: taint.key, value: taint.value)
            var taint = taint
            taint.timeAdded = before[name] ?? now
            present[name] = taint.timeAdded
            return taint
        }
        seen[node.metadata.name] = present.isEmpty ? nil : present
        return taints
    }

    mutating func forget(_ node: Node) { seen[node.metadata.name] = nil }
}

/// When a pod must leave a node for the sake of its NoExecute taints.
enum PodEviction {
    /// What a pod that says nothing tolerates of not-ready and unreachable (DefaultTolerationSeconds).
    static let defaultSeconds: Int64 = 300

    /// nil: it may stay. A moment in the past: now.
    static func due(tolerations: [Toleration], taints: [Taint], now: Timestamp) -> Timestamp? {
        var earliest: Timestamp?
        for taint in taints where taint.effect == .noExecute {
            let matching = tolerations.filter { $0.tolerates(taint) }
            let since = taint.timeAdded ?? now
            let limits = matching.map(\.tolerationSeconds)
            let seconds: Int64?
            if matching.isEmpty {
                seconds = taint.key == NodeTaints.notReady || taint.key == NodeTaints.unreachable ? defaultSeconds : 0
            } else {
                // The shortest that is given; all without one tolerate for ever.
                seconds = limits.compactMap(\.self).map { min(max($0, 0), Int64(Int32.max)) }.min()
            }
            guard let seconds else { continue }
            let due = since.adding(seconds: seconds)
            if earliest.map({ due.unixSeconds < $0.unixSeconds }) ?? true { earliest = due }
        }
        return earliest
    }
}
