// The namespaces that a cluster has from its first moment.
import KubernetesClient
import KubernetesModel

enum BootstrapNamespaces {
    /// Kubernetes' own, and the one of KusciaJobs and KusciaTasks.
    static let names = ["default", "kube-system", "kube-public", "kube-node-lease", "cross-domain"]

    static func create(_ api: any KubernetesAPI) async throws {
        for name in names { try await api.createIfAbsent(Namespace(metadata: ObjectMeta(name: name))) }
    }
}
