// What a claim's storage is here: a directory of the node on which its first pod runs. Pure.
// https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode (WaitForFirstConsumer)
import KubernetesModel
import KusciaModel

enum LocalVolume {
    /// Whether the claim is bound to a volume and says so.
    static func isBound(_ claim: PersistentVolumeClaim) -> Bool { claim.status.phase == "Bound" && volumeName(of: claim) != nil }

    /// Of what a claim names or has.
    static func volumeName(of claim: PersistentVolumeClaim) -> String? { claim.spec.volumeName.flatMap { $0.isEmpty ? nil : $0 } }

    /// The volume that is made for a claim.
    static func name(for claim: PersistentVolumeClaim) -> String { "pvc-\(claim.metadata.uid ?? "")" }

    /// Whether a volume is to be made for it, whatever its class: there is no other storage. One that names a volume of its own waits for whoever made that. Half bound counts too.
    static func isWanted(_ claim: PersistentVolumeClaim) -> Bool {
        guard !isBound(claim), claim.metadata.deletionTimestamp == nil else { return false }
        return volumeName(of: claim).map { $0 == name(for: claim) } ?? true
    }

    static func isOurs(_ volume: PersistentVolume) -> Bool { volume.spec.csi?.driver == LocalStorage.driver }

    static func volume(for claim: PersistentVolumeClaim, on node: String) -> PersistentVolume {
        var volume = PersistentVolume(
            metadata: ObjectMeta(name: name(for: claim), annotations: [LocalStorage.provisionedByAnnotation: LocalStorage.driver]))
        volume.spec.capacity = capacity(of: claim)
        volume.spec.accessModes = claim.spec.accessModes
        volume.spec.csi = CSIPersistentVolumeSource(
            driver: LocalStorage.driver, volumeHandle: "\(claim.metadata.namespace ?? "")/\(claim.metadata.name)")
        volume.spec.claimRef = ObjectReference(
            apiVersion: PersistentVolumeClaim.apiVersion, kind: PersistentVolumeClaim.kind, namespace: claim.metadata.namespace,
            name: claim.metadata.name, uid: claim.metadata.uid)
        // Its directory stays on the node until somebody removes it there.
        volume.spec.persistentVolumeReclaimPolicy = "Retain"
        volume.spec.storageClassName = claim.spec.storageClassName
        volume.spec.volumeMode = "Filesystem"
        volume.spec.nodeAffinity = VolumeNodeAffinity(required: NodeSelector(nodeSelectorTerms: terms(on: node)))
        return volume
    }

    /// By the node's own name: several nodes of ours may share a host's.
    static func terms(on node: String) -> [NodeSelectorTerm] {
        [NodeSelectorTerm(matchFields: [NodeSelectorRequirement(key: "metadata.name", operator: "In", values: [node])])]
    }

    /// The node of the oldest of the claim's pods that has one. A pod that is over has left its data there too.
    static func home(among consumers: [PodView]) -> String? {
        consumers.filter { $0.nodeName != nil }
            .min { ($0.creation?.unixSeconds ?? 0, $0.name) < ($1.creation?.unixSeconds ?? 0, $1.name) }?.nodeName
    }

    static func capacity(of claim: PersistentVolumeClaim) -> [String: Quantity] {
        claim.spec.resources.requests["storage"].map { ["storage": $0] } ?? [:]
    }
}
