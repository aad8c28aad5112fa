// Lists as the server's own table, for showing to people.
import KubernetesClient
import KubernetesModel

extension HTTPKubernetesAPI {
    /// The objects as a `meta.k8s.io/v1` Table: `{"kind":"Table","columnDefinitions":[...],"rows":[...]}`. A server that
    /// makes no tables answers with the plain List.
    public func listTable(
        _ resource: GroupVersionResource, namespace: String?, options: ListOptions
    ) async throws -> [UInt8] {
        let target = try RequestURL.path(resource, namespace: namespace) + RequestURL.query(RequestURL.query(options))
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        return try await collect(send("GET", target, headers: [("Accept", accept)]), "GET \(target)")
    }
}
