// What a node under disk pressure removes before it ends anybody: what containers that ended left behind.
import AgentCore
import KubernetesModel

extension LocalPods {
    /// Empties the disk of what no pod needs.
    func reclaimDisk() async {}
}
