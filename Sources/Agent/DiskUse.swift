// What pods take of the node's disk: logs by container, emptyDir volumes by name. Walked only when somebody needs it.
import AgentCore
import KubernetesModel

public struct DiskUse: Sendable {
    /// Bytes and entries (inodes) below some paths. Blocking.
    public typealias Measuring = @Sendable (_ paths: [String]) -> (bytes: Int64, entries: Int64)

    let paths: AgentPaths
    let measure: Measuring

    struct PodUse: Sendable {
        var storage = PodStorageUse()
        var inodes: Int64 = 0
    }

    /// One pod's use, off the cooperative pool.
    func of(_ pod: Pod) async -> PodUse {
        let (paths, measure) = (paths, measure)
        return await DiskFiles.perform {
            var use = PodUse()
            let uid = pod.metadata.uid ?? ""
            let logs = paths.logs(namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: uid)
            for container in pod.spec.initContainers + pod.spec.containers {
                let (bytes, entries) = measure(["\(logs)/\(container.name)"])
                use.storage.containers[container.name] = bytes
                use.inodes += entries
            }
            for volume in pod.spec.volumes where volume.emptyDir.map({ $0.medium != "Memory" }) ?? false {
                let (bytes, entries) = measure(["\(paths.volumes(uid))/\(volume.name)"])
                use.storage.volumes[volume.name] = bytes
                use.inodes += entries
            }
            return use
        }
    }
}
