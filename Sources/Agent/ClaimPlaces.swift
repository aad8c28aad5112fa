// Where the data of a pod's claims lies on this node: in a directory by the claim's name, unless the claim is bound to a volume that names a
// path. Found out once, when the pod's volumes are made ready, and kept: a restart of a container must not need the API server.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel

/// By the claim's name; what is not there lies in the node's own directory of that name.
struct ClaimPlaces: Codable, Sendable, Equatable {
    var bound: [String: HostPathVolumeSource] = [:]
}

extension VolumeManager {
    /// nil: the directory of the claim's name. Claims without an object are such names, and a static pod has no objects at all.
    func boundPlace(
        _ source: PersistentVolumeClaimVolumeSource, of pod: Pod
    ) async throws(StepFailure) -> HostPathVolumeSource? {
        if source.claimName == Self.dataClaim || StaticPod.isStatic(pod) { return nil }
        let what = "persistentvolumeclaim \"\(source.claimName)\""
        do {
            let namespace = pod.metadata.namespace
            guard let claim = try await api.find(PersistentVolumeClaim.self, namespace: namespace, name: source.claimName)
            else { return nil }
            if claim.status.phase == "Lost" {
                throw StepFailure.mount("\(what): status.phase: found Lost, expected Bound", retriable: true)
            }
            guard claim.status.phase == "Bound", let volumeName = claim.spec.volumeName, !volumeName.isEmpty else { return nil }
            if claim.metadata.annotations[LocalStorage.provisionerAnnotation] == LocalStorage.driver {
                try checkHome(of: claim, what)
                return nil
            }
            guard let volume = try await api.find(PersistentVolume.self, name: volumeName) else {
                throw StepFailure.mount("\(what): persistentvolume \"\(volumeName)\" not found", retriable: true)
            }
            return try Self.place(of: volume, what)
        } catch let failure as StepFailure {
            throw failure
        } catch {
            throw .mount("\(what): \(error)", retriable: true)
        }
    }

    /// A pod that was bound to its node by hand would find an empty directory where its data is not.
    private func checkHome(of claim: PersistentVolumeClaim, _ what: String) throws(StepFailure) {
        guard let node = claim.metadata.annotations[LocalStorage.nodeAnnotation], node != config.nodeName else { return }
        let reason = "its data is on node \(node), expected \(config.nodeName): volume node affinity conflict"
        throw .mount("\(what): \(reason)", retriable: true)
    }

    private static func place(of volume: PersistentVolume, _ what: String) throws(StepFailure) -> HostPathVolumeSource? {
        if volume.spec.csi?.driver == LocalStorage.driver { return nil }
        if let local = volume.spec.local { return HostPathVolumeSource(path: local.path, type: "Directory") }
        if let hostPath = volume.spec.hostPath { return hostPath }
        let found = volume.spec.csi.map { "csi.driver \($0.driver)" } ?? "another kind"
        let reason = "persistentvolume \"\(volume.metadata.name)\": spec: found \(found), expected local or hostPath"
        throw .mount("\(what): \(reason)", retriable: false)
    }

    /// Who keeps the node can mend what is refused here, and the pod waits for it.
    func check(
        _ place: HostPathVolumeSource, of claim: PersistentVolumeClaimVolumeSource
    ) async throws(StepFailure) {
        let allowList = config.hostPathAllowList
        do throws(StepFailure) {
            try await onDisk { try HostPathVolume(source: place, allowList: allowList).prepare() }
        } catch {
            throw .mount("persistentvolumeclaim \"\(claim.claimName)\": \(error.message)", retriable: true)
        }
    }

    func claimPlaces(of pod: Pod) async throws(StepFailure) -> ClaimPlaces {
        guard pod.spec.volumes.contains(where: { $0.persistentVolumeClaim != nil }) else { return ClaimPlaces() }
        let path = paths.claimPlaces(pod.metadata.uid ?? "")
        return try await onDisk {
            guard DiskFiles.exists(path) else { return ClaimPlaces() }
            return try JSON.decode(ClaimPlaces.self, from: try DiskFiles.read(path))
        }
    }

    /// Nothing lies there where every claim is a name.
    func keep(_ places: ClaimPlaces, of pod: Pod) async throws(StepFailure) {
        guard pod.spec.volumes.contains(where: { $0.persistentVolumeClaim != nil }) else { return }
        let (uid, paths) = (pod.metadata.uid ?? "", paths)
        try await onDisk {
            if places.bound.isEmpty { return try DiskFiles.removeTree(paths.claimPlaces(uid)) }
            try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711)
            try DiskFiles.replace(paths.claimPlaces(uid), with: try JSON.encode(places))
        }
    }
}
