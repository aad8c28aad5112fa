// Which nodes a pod may use at all and which it likes, apart from how full they are: domain, node selector, affinity, taints.
import KubernetesModel

/// Pods with equal constraints share one list of eligible nodes, so that filtering costs nothing per pod.
struct PodConstraints: Hashable {
    /// The pod's namespace: a node that belongs to a domain takes only this domain's pods.
    var namespace: String
    /// The namespace is a domain: only the domain's own nodes will do.
    var isDomain: Bool
    var nodeSelector: [String: String]
    var tolerations: [Toleration]
    var requiredTerms: [NodeSelectorTerm]?
    var preferredTerms: [PreferredSchedulingTerm]
    var volumeTerms: [[NodeSelectorTerm]]

    init(_ pod: PodDescription, isDomain: Bool) {
        namespace = pod.key.namespace
        self.isDomain = isDomain
        nodeSelector = pod.nodeSelector
        tolerations = pod.tolerations
        requiredTerms = pod.requiredTerms
        preferredTerms = pod.preferredTerms
        volumeTerms = pod.volumeTerms
    }

    /// Why this node will not do whatever it has free; nil when it will. The order is the order of the answers' usefulness.
    func obstacle(on node: NodeDescription) -> Obstacle? {
        if isDomain ? node.domain != namespace : (node.domain != nil && node.domain != namespace) { return .otherDomain }
        if !nodeSelector.allSatisfy({ node.labels[$0.key] == $0.value }) { return .selector }
        if let requiredTerms, !requiredTerms.contains(where: { $0.matches(nodeNamed: node.name, labels: node.labels) }) {
            return .selector
        }
        for terms in volumeTerms where !terms.contains(where: { $0.matches(nodeNamed: node.name, labels: node.labels) }) { return .volume }
        if !node.ready, !tolerates(NodeTaint.notReady) { return .notReady }
        if node.unschedulable, !tolerates(NodeTaint.unschedulable) { return .unschedulable }
        for taint in node.taints where taint.effect != .preferNoSchedule && !tolerates(taint) { return .taint(taint) }
        return nil
    }

    private func tolerates(_ taint: Taint) -> Bool { tolerations.contains { $0.tolerates(taint) } }

    /// What the pod prefers, as kube-scheduler counts it before normalising: the weights of the matching terms, and the
    /// number of PreferNoSchedule taints that the pod does not tolerate.
    func preference(for node: NodeDescription) -> (affinity: Int, taints: Int) {
        var weight = 0
        for term in preferredTerms where term.preference.matches(nodeNamed: node.name, labels: node.labels) {
            weight += term.weight
        }
        var untolerated = 0
        for taint in node.taints where taint.effect == .preferNoSchedule && !tolerates(taint) { untolerated += 1 }
        return (weight, untolerated)
    }
}

enum Obstacle: Hashable {
    case otherDomain, selector, volume, notReady, unschedulable
    case taint(Taint)
}

/// The taints that stand for a node's own state (kubernetes.io/docs/reference/labels-annotations-taints).
enum NodeTaint {
    static let notReady = Taint(key: "node.kubernetes.io/not-ready", effect: .noSchedule)
    static let unschedulable = Taint(key: "node.kubernetes.io/unschedulable", effect: .noSchedule)
}

/// The eligible nodes of a set of constraints, in order of name so that equal scores always fall to the same node.
struct ConstraintClass: Sendable {
    var constraints: PodConstraints
    var candidates: [Int32] = []
    /// What is added to each candidate's score; empty when the pods have no preference among them.
    var bonus: [Float] = []
    /// The nodes' shape that this was made for.
    var builtAt = -1

    init(constraints: PodConstraints) { self.constraints = constraints }

    func restricted(to isWanted: (Int32) -> Bool) -> ConstraintClass {
        var less = self
        let places = candidates.indices.filter { isWanted(candidates[$0]) }
        less.candidates = places.map { candidates[$0] }
        if !bonus.isEmpty { less.bonus = places.map { bonus[$0] } }
        return less
    }

    /// kube-scheduler's weights of NodeAffinity and TaintToleration, in the units of `NodeTable.best` (one point of 100 is 1/50).
    private static let affinityWeight: Float = 2 / 50
    private static let taintWeight: Float = 3 / 50

    mutating func build(from nodes: NodeTable) {
        builtAt = nodes.shapeGeneration
        candidates = []
        bonus = []
        var preferences: [(affinity: Int, taints: Int)] = []
        for slot in nodes.slotsByName {
            guard let node = nodes.descriptions[Int(slot)], constraints.obstacle(on: node) == nil else { continue }
            candidates.append(slot)
            preferences.append(constraints.preference(for: node))
        }
        let most = (affinity: preferences.map(\.affinity).max() ?? 0, taints: preferences.map(\.taints).max() ?? 0)
        guard most.affinity > 0 || most.taints > 0 else { return }
        bonus = preferences.map { one in
            let affinity = most.affinity > 0 ? Float(100 * one.affinity) / Float(most.affinity) : 0
            let taints = most.taints > 0 ? 100 - Float(100 * one.taints) / Float(most.taints) : 0
            return affinity * Self.affinityWeight + taints * Self.taintWeight
        }
    }
}
