// What a node over a cluster has to offer: what the namespace's quota leaves it, else the sum of the cluster's nodes.
import AgentCore
import KubernetesClient
import KubernetesModel

public enum ClusterCapacity {
    /// The smallest quota of each resource; resources that no quota bounds come from the nodes. nil: neither is to be seen.
    public static func read(_ api: any KubernetesAPI, namespace: String) async throws -> PodResources? {
        let quotas = try await visible { try await api.listAll(ResourceQuota.self, namespace: namespace).items } ?? []
        let nodes = try await visible { try await api.listAll(Node.self).items } ?? []
        return combine(quotas: quotas.map(\.spec.hard), nodes: nodes)
    }

    static func combine(quotas: [[String: Quantity]], nodes: [Node]) -> PodResources? {
        let schedulable = nodes.filter { $0.spec.unschedulable != true && $0.status.isReady }
        func bound(_ names: [String]) -> Quantity? { quotas.flatMap { quota in names.compactMap { quota[$0] } }.min() }
        func sum(_ name: String, _ value: (Quantity) -> Int64) -> Int64 {
            schedulable.compactMap { $0.status.allocatable[name].map(value) }.saturatingSum
        }
        if quotas.isEmpty, schedulable.isEmpty { return nil }
        return PodResources(
            cpuMillis: bound(["requests.cpu", "cpu", "limits.cpu"])?.milliValue ?? sum("cpu") { $0.milliValue },
            memoryBytes: bound(["requests.memory", "memory", "limits.memory"])?.value ?? sum("memory") { $0.value },
            pods: bound(["pods", "count/pods"])?.value ?? sum("pods") { $0.value },
            ephemeralStorageBytes: bound(["requests.ephemeral-storage", "ephemeral-storage"])?.value
                ?? sum("ephemeral-storage") { $0.value })
    }

    /// nil where the role does not let us look.
    private static func visible<Value: Sendable>(_ call: () async throws -> Value) async throws -> Value? {
        do { return try await call() } catch let error as KubernetesAPIError where error.code == 403 || error.isNotFound {
            return nil
        }
    }
}
