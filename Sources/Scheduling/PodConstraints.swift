// Which nodes a pod may use at all, apart from how full they are: domain, node selector, taints.
import KubernetesModel

/// Pods with equal constraints share one list of eligible nodes, so that filtering costs nothing per pod.
struct PodConstraints: Hashable {
    /// The pod's namespace: a node that belongs to a domain takes only this domain's pods.
    var namespace: String
    /// The namespace is a domain: only the domain's own nodes will do.
    var isDomain: Bool
    var nodeSelector: [String: String]
    var tolerations: [Toleration]

    /// Why this node will not do whatever it has free; nil when it will. The order is the order of the answers' usefulness.
    func obstacle(on node: NodeDescription) -> Obstacle? {
        if isDomain ? node.domain != namespace : (node.domain != nil && node.domain != namespace) { return .otherDomain }
        if !nodeSelector.allSatisfy({ node.labels[$0.key] == $0.value }) { return .selector }
        if !node.ready { return .notReady }
        if node.unschedulable { return .unschedulable }
        let untolerated = node.taints.first { taint in
            taint.effect != .preferNoSchedule && !tolerations.contains { $0.tolerates(taint) }
        }
        return untolerated.map { .taint($0) }
    }
}

enum Obstacle: Hashable {
    case otherDomain, selector, notReady, unschedulable
    case taint(Taint)
}
