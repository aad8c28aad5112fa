// The kinds that the server in memory says it has; it stores any other just as well.
import KubernetesClient
import KubernetesModel

extension InMemoryKubernetesAPI: ResourceDiscovery {
    public var servedResources: [ServedResource] {
        [
            ServedResource(Namespace.self), ServedResource(Node.self), ServedResource(Pod.self), ServedResource(ConfigMap.self),
            ServedResource(Service.self), ServedResource(Endpoints.self), ServedResource(EndpointSlice.self),
            ServedResource(Event.self),
            ServedResource(ServiceAccount.self), ServedResource(ResourceQuota.self), ServedResource(Lease.self),
            ServedResource(
                GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: "kusciajobs"), kind: "KusciaJob",
                namespaced: true),
            ServedResource(
                GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: "kusciatasks"),
                kind: "KusciaTask", namespaced: true),
        ]
    }
}
