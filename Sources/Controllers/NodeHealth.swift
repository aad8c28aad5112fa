// Decides which nodes have fallen silent and which pods are lost with them. A value: time comes in as an argument.
//
// A lease is judged by when *this* master last saw it change, not by the time written in it, so that a node with a wrong
// clock is not declared dead, and a master that was away itself first waits a full grace period.
import KubernetesModel

public struct NodeHealth: Sendable {
    /// The kubelet's lease duration and kube-controller-manager's node-monitor-grace-period.
    public static let gracePeriod = Duration.seconds(40)
    /// Kubernetes' default toleration of node.kubernetes.io/unreachable (DefaultTolerationSeconds admission).
    public static let podTolerance = Duration.seconds(300)

    public enum Verdict: Sendable, Hashable {
        /// Nothing was heard for the grace period: Ready becomes Unknown.
        case silent(node: String)
        /// Silent for so long that its pods are given up.
        case lost(node: String)
    }

    private struct Seen {
        var renewed: MicroTimestamp?
        /// Since when, in this master's monotonic time.
        var since: Duration
    }

    private var seen: [String: Seen] = [:]

    public init() {}

    /// `leases` maps a node to its lease's renewTime; `now` is monotonic time since any fixed start.
    public mutating func judge(nodes: [String], leases: [String: MicroTimestamp], now: Duration) -> [Verdict] {
        seen = seen.filter { nodes.contains($0.key) }
        var verdicts: [Verdict] = []
        for node in nodes {
            let renewed = leases[node]
            guard let last = seen[node], last.renewed == renewed else {
                seen[node] = Seen(renewed: renewed, since: now)
                continue
            }
            let silence = now - last.since
            if silence > Self.gracePeriod + Self.podTolerance { verdicts.append(.lost(node: node)) }
            if silence > Self.gracePeriod { verdicts.append(.silent(node: node)) }
        }
        return verdicts
    }
}
