// What a pod's claims mean for where it may go. Those that have no object do not count: they are names of directories on whichever node.
import KubernetesModel

enum ClaimStanding: Hashable {
    /// One of the terms of each list must match the node.
    case free([[NodeSelectorTerm]])
    /// Not before something else has happened.
    case waits(String)

    /// `homes`: where claims without a volume will have theirs, as far as only the scheduler knows it.
    init(_ pod: PodView, _ informers: SharedInformers, homes: (ObjectKey) -> String?) {
        var terms: [[NodeSelectorTerm]] = []
        for claim in Self.claims(of: pod, informers) {
            switch Self.of(claim, informers, homes) {
            case .free(let more): terms += more
            case .waits(let reason):
                self = .waits(reason)
                return
            }
        }
        self = .free(terms)
    }

    /// Those that have an object.
    static func claims(of pod: PodView, _ informers: SharedInformers) -> [PersistentVolumeClaim] {
        pod.claims.compactMap { informers.claims.get(namespace: pod.namespace, name: $0) }
    }

    private static func of(
        _ claim: PersistentVolumeClaim, _ informers: SharedInformers, _ homes: (ObjectKey) -> String?
    ) -> ClaimStanding {
        let what = "persistentvolumeclaim \"\(claim.metadata.name)\""
        if claim.metadata.deletionTimestamp != nil { return .waits("\(what) is being deleted") }
        guard LocalVolume.isBound(claim) else {
            guard LocalVolume.isWanted(claim) else { return .free([]) }
            let node = LocalVolume.home(among: informers.consumers(of: claim.key)) ?? homes(claim.key)
            return .free(node.map { [LocalVolume.terms(on: $0)] } ?? [])
        }
        let name = LocalVolume.volumeName(of: claim) ?? ""
        guard let volume = informers.volumes.get(name: name) else { return .waits("\(what): persistentvolume \"\(name)\" not found") }
        return .free(volume.spec.nodeAffinity?.required.map { [$0.nodeSelectorTerms] } ?? [])
    }
}

extension PersistentVolumeClaim {
    var key: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }
}
