// Binds claims: once a claim's first pod has a node, a volume is made that stands for a directory of that node, so that every other pod of
// the claim goes where its data is. What becomes of volumes whose claim is gone is said, not done: the data is the node's.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

final class ClaimBinder: Sendable {
    static let workers = 2

    private let parts: ControllerParts
    private let queue = WorkQueue<ObjectKey>()

    init(_ parts: ControllerParts) { self.parts = parts }

    func run() async throws {
        await parts.informers.waitUntilSynced()
        parts.informers.claims.onEvent { self.queue.add($0.object.key) }
        parts.informers.volumes.onEvent { event in
            guard let key = event.object.claimKey else { return }
            self.queue.add(key)
        }
        parts.informers.nodes.onEvent { event in
            // What was bound to it before it was there.
            if case .added(let node) = event { self.parts.informers.pods(on: node.metadata.name).forEach(self.add) }
        }
        parts.informers.pods.onEvent { event in
            guard case .updated(let old, let new) = event else { return self.add(event.object) }
            if old.nodeName == nil, new.nodeName != nil { self.add(new) }
        }
        await parts.work(queue, workers: Self.workers, of: "claim", name: { "\($0)" }) { try await self.check($0) }
    }

    private func add(_ pod: PodView) {
        guard pod.nodeName != nil else { return }
        for claim in ClaimStanding.claims(of: pod, parts.informers) { queue.add(claim.key) }
    }

    /// Repeatable: each step looks at what is there.
    func check(_ key: ObjectKey) async throws {
        let claim = parts.informers.claims.get(namespace: key.namespace, name: key.name)
        try await release(key, but: claim?.metadata.uid)
        guard let claim else { return }
        let subject = EventSubject(claim)
        if claim.spec.volumeMode == "Block", LocalVolume.volumeName(of: claim) == nil {
            return parts.recorder.record(
                subject, .warning, reason: "ProvisioningFailed",
                message: "spec.volumeMode: found Block, expected Filesystem: a claim is a directory of its node")
        }
        guard needsVolume(claim) else { return }
        guard let volume = try await volume(for: claim) else {
            guard let pod = parts.informers.consumers(of: key).filter({ $0.nodeName == nil }).min(by: LocalVolume.precedes) else {
                return parts.recorder.record(
                    subject, .normal, reason: "WaitForFirstConsumer",
                    message: "waiting for first consumer to be created before binding")
            }
            return parts.recorder.record(
                subject, .normal, reason: "WaitForPodScheduled", message: "waiting for pod \(pod.name) to be scheduled")
        }
        // What a user made under that name is not ours to bind.
        guard LocalVolume.isOurs(volume), volume.spec.claimRef?.uid == claim.metadata.uid, let node = LocalVolume.node(of: volume)
        else {
            return parts.recorder.record(
                subject, .warning, reason: "ProvisioningFailed",
                message: "persistentvolume \"\(volume.metadata.name)\": spec.claimRef.uid: found "
                    + "\(volume.spec.claimRef?.uid ?? "none"), expected \(claim.metadata.uid ?? ""), "
                    + "with spec.csi.driver \(LocalStorage.driver)")
        }
        // Our own writes of a moment ago may not have come here yet.
        guard let current = try await parts.api.find(PersistentVolumeClaim.self, namespace: key.namespace, name: key.name),
            current.metadata.uid == claim.metadata.uid
        else { return }
        if LocalVolume.isBound(current) { return try await say("Bound", of: volume) }
        try await bind(current, to: volume, on: node)
        parts.recorder.record(
            subject, .normal, reason: "ProvisioningSucceeded",
            message: "Successfully provisioned volume \(volume.metadata.name) on node \(node)")
    }

    /// Also that of a bound claim which somebody has deleted: it stands for a directory that is still there.
    private func needsVolume(_ claim: PersistentVolumeClaim) -> Bool {
        if LocalVolume.isWanted(claim) { return true }
        guard claim.metadata.deletionTimestamp == nil, let name = LocalVolume.volumeName(of: claim) else { return false }
        return LocalVolume.isOwn(name, of: claim) && parts.informers.volumes.get(name: name) == nil
    }

    /// The one that was made before, by a master that got no further; else a new one where the claim's first pod is. nil: it has none yet.
    private func volume(for claim: PersistentVolumeClaim) async throws -> PersistentVolume? {
        if let made = parts.informers.volumes.get(name: LocalVolume.name(for: claim)) { return made }
        guard let node = LocalVolume.home(of: claim, parts.informers) else { return nil }
        return try await parts.api.createIfAbsent(LocalVolume.volume(for: claim, on: node))
    }

    /// The volume first: a claim that is bound has one that is. Each only as the object that was looked at.
    private func bind(_ claim: PersistentVolumeClaim, to volume: PersistentVolume, on node: String) async throws {
        try await say("Bound", of: volume)
        let uid = JSONValue.string(claim.metadata.uid ?? "")
        if LocalVolume.volumeName(of: claim) == nil {
            try await parts.api.patch(
                PersistentVolumeClaim.self, namespace: claim.metadata.namespace, name: claim.metadata.name,
                merge: [
                    "metadata": [
                        "uid": uid,
                        "annotations": .object([
                            LocalStorage.provisionerAnnotation: .string(LocalStorage.driver),
                            LocalStorage.nodeAnnotation: .string(node),
                        ]),
                    ],
                    "spec": ["volumeName": .string(volume.metadata.name)],
                ])
        }
        try await parts.api.patchStatus(
            PersistentVolumeClaim.self, namespace: claim.metadata.namespace, name: claim.metadata.name,
            merge: [
                "metadata": ["uid": uid],
                "status": [
                    "phase": "Bound", "accessModes": try JSON.encodeToValue(volume.spec.accessModes),
                    "capacity": try JSON.encodeToValue(volume.spec.capacity),
                ],
            ])
    }

    private func release(_ key: ObjectKey, but uid: String?) async throws {
        for volume in parts.informers.volumes(of: key) where LocalVolume.isOurs(volume) && volume.spec.claimRef?.uid != uid {
            if volume.status.phase != "Released" { try await say("Released", of: volume) }
        }
    }

    private func say(_ phase: String, of volume: PersistentVolume) async throws {
        guard volume.status.phase != phase else { return }
        try await parts.api.patchStatus(
            PersistentVolume.self, name: volume.metadata.name,
            merge: ["metadata": ["uid": .string(volume.metadata.uid ?? "")], "status": ["phase": .string(phase)]])
    }
}

extension PersistentVolume {
    var claimKey: ObjectKey? { spec.claimRef.map { ObjectKey(namespace: $0.namespace, name: $0.name ?? "") } }
}
