// Pods that use more of the node's disk than they may: each goes, whether the node is short of it or not.
// https://kubernetes.io/docs/concepts/storage/ephemeral-storage/#ephemeral-storage-consumption-management
import KubernetesModel

/// Bytes on disk by what they belong to.
public struct PodStorageUse: Sendable, Hashable {
    /// Logs and writable root, by container.
    public var containers: [String: Int64]
    /// emptyDir volumes on disk, by volume.
    public var volumes: [String: Int64]

    public init(containers: [String: Int64] = [:], volumes: [String: Int64] = [:]) {
        self.containers = containers
        self.volumes = volumes
    }

    public var total: Int64 { containers.values.reduce(0, +) + volumes.values.reduce(0, +) }
}

public enum StorageLimits {
    /// Whether anybody has to measure this pod's disk at all.
    public static func hasAny(_ pod: Pod) -> Bool {
        pod.spec.volumes.contains { $0.emptyDir?.sizeLimit != nil && $0.emptyDir?.medium != "Memory" }
            || (pod.spec.containers + pod.spec.initContainers).contains { $0.resources.limits["ephemeral-storage"] != nil }
    }

    /// The message of the eviction, in the kubelet's words; nil while all is within limits.
    public static func excess(_ pod: Pod, _ use: PodStorageUse) -> String? {
        for volume in pod.spec.volumes {
            guard let limit = volume.emptyDir?.sizeLimit, volume.emptyDir?.medium != "Memory" else { continue }
            if use.volumes[volume.name] ?? 0 > limit.value {
                return "Usage of EmptyDir volume \"\(volume.name)\" exceeds the limit \"\(limit.canonical)\". "
            }
        }
        let limits = pod.spec.containers.map { $0.resources.limits["ephemeral-storage"] }
        let given = limits.compactMap(\.self)
        // Only when every container has one is there a limit for the pod.
        if !given.isEmpty, given.count == limits.count {
            let limit = given.reduce(Quantity.zero, +)
            if use.total > limit.value {
                return "Pod ephemeral local storage usage exceeds the total limit of containers \(limit.canonical). "
            }
        }
        for container in pod.spec.containers {
            guard let limit = container.resources.limits["ephemeral-storage"] else { continue }
            if use.containers[container.name] ?? 0 > limit.value {
                return "Container \(container.name) exceeded its local ephemeral storage limit \"\(limit.canonical)\". "
            }
        }
        return nil
    }
}
