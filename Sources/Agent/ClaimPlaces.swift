// Where the data of a pod's claims lies on this node: in a directory by the claim's name, unless the claim is bound to a volume that names a
// path. Found out once, when the pod's volumes are made ready, and kept: a restart of a container must not need the API server.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel

/// Paths by the claim's name; what is not there lies in the node's own directory of that name.
struct ClaimPlaces: Codable, Sendable, Equatable {
    var paths: [String: String] = [:]
}

extension VolumeManager {
    /// nil: the directory of the claim's name. Claims without an object are such names, and a static pod has no objects at all.
    func boundPath(
        _ source: PersistentVolumeClaimVolumeSource, of pod: Pod, volume name: String
    ) async throws(StepFailure) -> HostPathVolumeSource? {
        if source.claimName == Self.dataClaim || StaticPod.isStatic(pod) { return nil }
        let what = "volume \(name): persistentvolumeclaim \"\(source.claimName)\""
        do {
            guard let claim = try await api.find(PersistentVolumeClaim.self, namespace: pod.metadata.namespace, name: source.claimName),
                claim.status.phase == "Bound", let volumeName = claim.spec.volumeName, !volumeName.isEmpty,
                claim.metadata.annotations[LocalStorage.provisionerAnnotation] != LocalStorage.driver
            else { return nil }
            guard let volume = try await api.find(PersistentVolume.self, name: volumeName) else {
                throw StepFailure.mount("\(what): persistentvolume \"\(volumeName)\" not found", retriable: true)
            }
            return try Self.path(of: volume, what)
        } catch let failure as StepFailure {
            throw failure
        } catch {
            throw .mount("\(what): \(error)", retriable: true)
        }
    }

    private static func path(of volume: PersistentVolume, _ what: String) throws(StepFailure) -> HostPathVolumeSource? {
        if volume.spec.csi?.driver == LocalStorage.driver { return nil }
        if let local = volume.spec.local { return HostPathVolumeSource(path: local.path, type: "Directory") }
        if let hostPath = volume.spec.hostPath { return hostPath }
        let volume = "persistentvolume \"\(volume.metadata.name)\""
        throw .mount("\(what): \(volume): this kind of volume is not supported on this node, expected local or hostPath", retriable: false)
    }

    func claimPlaces(of pod: Pod) async throws(StepFailure) -> ClaimPlaces {
        guard pod.spec.volumes.contains(where: { $0.persistentVolumeClaim != nil }) else { return ClaimPlaces() }
        let path = paths.claimPlaces(pod.metadata.uid ?? "")
        return try await onDisk {
            guard DiskFiles.exists(path) else { return ClaimPlaces() }
            return try JSON.decode(ClaimPlaces.self, from: try DiskFiles.read(path))
        }
    }

    /// Nothing is written where every claim is a name.
    func keep(_ places: ClaimPlaces, of pod: Pod) async throws(StepFailure) {
        let (uid, paths) = (pod.metadata.uid ?? "", paths)
        if places == ClaimPlaces() { return }
        try await onDisk {
            try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711)
            try DiskFiles.replace(paths.claimPlaces(uid), with: try JSON.encode(places))
        }
    }
}
