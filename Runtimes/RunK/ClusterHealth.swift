// Whether the cluster answers, as the node's condition says it. Pure.
import KubernetesClient
import KubernetesModel

struct ClusterHealth: Sendable, Hashable {
    static let type = "ClusterReachable"
    /// One call that fails is no news: a server that restarts, a connection that was cut.
    static let failuresBeforeAway = 2

    private var failures = 0
    private(set) var condition = NodeCondition(
        type: type, status: .unknown, reason: "NotAskedYet", message: "the cluster was not asked yet")

    mutating func answered(_ namespace: String) {
        failures = 0
        condition = NodeCondition(
            type: Self.type, status: .true, reason: "ClusterReachable",
            message: "pods of this node run in namespace \(namespace) of the cluster")
    }

    /// `phase` of the target namespace is Terminating, or it is not there.
    mutating func namespaceIsGone(_ namespace: String, isTerminating: Bool) {
        failures = 0
        condition = NodeCondition(
            type: Self.type, status: .false, reason: isTerminating ? "NamespaceTerminating" : "NamespaceNotFound",
            message:
                "namespace \(namespace) of the cluster \(isTerminating ? "is being deleted" : "does not exist"): no pod can be made there"
        )
    }

    mutating func failed(_ error: any Error) {
        failures += 1
        let code = (error as? KubernetesAPIError)?.code
        // A refusal is an answer; it will not change by asking again.
        let isRefusal = code == 401 || code == 403
        guard isRefusal || failures >= Self.failuresBeforeAway else { return }
        let reason =
            switch code {
            case nil: "ClusterAway"
            case 401: "Unauthorized"
            case 403: "Forbidden"
            case 429: "TooManyRequests"
            default: "ClusterFailing"
            }
        condition = NodeCondition(type: Self.type, status: .false, reason: reason, message: "\(error)")
    }
}
