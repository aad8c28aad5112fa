// Which volumes of a running pod may change their contents, and what they are made of.
import KubernetesModel

public enum VolumeRefresh {
    /// An object that a volume shows.
    public struct Reference: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable { case configMap, secret }
        public var kind: Kind
        /// namespace/name
        public var key: String
    }

    /// Volumes that a container sees as a whole. What is mounted by subPath alone never changes for its container
    /// (https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath), so it is not looked at again.
    public static func volumes(of pod: Pod) -> [Volume] {
        let containers = pod.spec.initContainers + pod.spec.containers
        let whole = Set(containers.flatMap(\.volumeMounts).filter { !$0.isPart }.map(\.name))
        return pod.spec.volumes.filter { whole.contains($0.name) && isMadeOfObjects($0) }
    }

    public static func isMadeOfObjects(_ volume: Volume) -> Bool {
        volume.configMap != nil || volume.secret != nil || volume.downwardAPI != nil || volume.projected != nil
    }

    public static func references(of volume: Volume, _ pod: Pod) -> Set<Reference> {
        let namespace = pod.metadata.namespace ?? ""
        let sources = volume.projected?.sources ?? []
        let configMaps = ([volume.configMap?.name] + sources.map(\.configMap?.name)).compactMap(\.self)
        let secrets = ([volume.secret?.secretName] + sources.map(\.secret?.name)).compactMap(\.self)
        return Set(
            configMaps.map { Reference(kind: .configMap, key: "\(namespace)/\($0)") }
                + secrets.map { Reference(kind: .secret, key: "\(namespace)/\($0)") })
    }

    /// Whether the volume shows more than objects: the pod's own fields, tokens.
    public static func hasMoreThanObjects(_ volume: Volume) -> Bool {
        volume.downwardAPI != nil
            || volume.projected?.sources.contains { $0.downwardAPI != nil || $0.serviceAccountToken != nil } == true
    }

    /// Whether nothing of it may lie on a disk.
    public static func isSecret(_ volume: Volume) -> Bool {
        volume.secret != nil || volume.projected?.sources.contains { $0.secret != nil || $0.serviceAccountToken != nil } == true
    }
}

extension VolumeMount {
    /// Mounts a part of its volume.
    public var isPart: Bool { subPath?.isEmpty == false || subPathExpr?.isEmpty == false }
}
