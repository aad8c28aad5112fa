// What a claim's storage is here: a directory of the node on which its first pod runs.
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

    /// The volume that was made for the claim here.
    static func isOwn(_ volume: String, of claim: PersistentVolumeClaim) -> Bool {
        volume == name(for: claim) && claim.metadata.annotations[LocalStorage.provisionerAnnotation] == LocalStorage.driver
    }

    /// Whether it is to be bound to a volume of ours, whatever its class: there is no other storage. One that names a volume of its own waits
    /// for whoever made that. Half bound counts too.
    static func isWanted(_ claim: PersistentVolumeClaim) -> Bool {
        let canBe = claim.metadata.name != LocalStorage.dataClaim && claim.spec.volumeMode != "Block"
        guard canBe, !isBound(claim), claim.metadata.deletionTimestamp == nil else { return false }
        return volumeName(of: claim).map { $0 == name(for: claim) } ?? true
    }

    static func isOurs(_ volume: PersistentVolume) -> Bool { volume.spec.csi?.driver == LocalStorage.driver }

    static func volume(for claim: PersistentVolumeClaim, on node: String) -> PersistentVolume {
        var volume = PersistentVolume(
            metadata: ObjectMeta(
                name: name(for: claim), annotations: [LocalStorage.provisionedByAnnotation: LocalStorage.driver]))
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

    /// Of a volume of ours.
    static func node(of volume: PersistentVolume) -> String? {
        volume.spec.nodeAffinity?.required?.nodeSelectorTerms.first?.matchFields.first?.values.first
    }

    /// Where the data of a claim without a finished binding is: what was said of it, else the node of the oldest of its pods that has one. A pod
    /// that is over has left its data there too; a node that does not exist has none.
    static func home(of claim: PersistentVolumeClaim, _ informers: SharedInformers) -> String? {
        if let made = informers.volumes.get(name: name(for: claim)).flatMap(node) { return made }
        if let said = claim.metadata.annotations[LocalStorage.nodeAnnotation] { return said }
        return informers.consumers(of: claim.key)
            .filter { pod in pod.nodeName.map { informers.nodes.get(name: $0) != nil } ?? false }.min(by: precedes)?.nodeName
    }

    static func precedes(_ a: PodView, _ b: PodView) -> Bool {
        (a.creation?.unixSeconds ?? 0, a.name) < (b.creation?.unixSeconds ?? 0, b.name)
    }

    static func capacity(of claim: PersistentVolumeClaim) -> [String: Quantity] {
        claim.spec.resources.requests["storage"].map { ["storage": $0] } ?? [:]
    }
}
