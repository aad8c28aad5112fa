// What this server stores, for controllers that treat all kinds alike.
import KubernetesClient
import KubernetesModel

extension LocalKubernetesAPI: ResourceDiscovery {
    public var servedResources: [ServedResource] {
        handler.kinds.kinds.map { kind in
            ServedResource(kind.resource, kind: kind.declaration.kind, namespaced: kind.declaration.namespaced)
        }
    }
}
