// What this server stores, for controllers that treat all kinds alike.
import KubernetesClient
import KubernetesModel

extension LocalKubernetesAPI: ResourceDiscovery {
    public var servedResources: [ServedResource] {
        // Reviews are answered and not stored.
        handler.kinds.kinds.filter { !$0.declaration.isReview }.map { kind in
            ServedResource(kind.resource, kind: kind.declaration.kind, namespaced: kind.declaration.namespaced)
        }
    }
}
