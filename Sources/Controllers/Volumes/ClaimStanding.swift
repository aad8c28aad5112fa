// What a pod's claims mean for where it may go. Those that have no object do not count: they are names of directories on whichever node.
import KubernetesModel
import KusciaModel

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

    func permits(_ node: Node) -> Bool {
        guard case .free(let lists) = self else { return false }
        return lists.allSatisfy { terms in
            terms.contains { $0.matches(nodeNamed: node.metadata.name, labels: node.metadata.labels) }
        }
    }

    /// Those that have an object.
    static func claims(of pod: PodView, _ informers: SharedInformers) -> [PersistentVolumeClaim] {
        pod.claims.compactMap {
            $0 == LocalStorage.dataClaim ? nil : informers.claims.get(namespace: pod.namespace, name: $0)
        }
    }

    private static func of(
        _ claim: PersistentVolumeClaim, _ informers: SharedInformers, _ homes: (ObjectKey) -> String?
    ) -> ClaimStanding {
        let what = "persistentvolumeclaim \"\(claim.metadata.name)\""
        if claim.metadata.deletionTimestamp != nil { return .waits("\(what) is being deleted") }
        if let name = LocalVolume.volumeName(of: claim), LocalVolume.isBound(claim) {
            if let volume = informers.volumes.get(name: name) {
                return .free(volume.spec.nodeAffinity?.required.map { [$0.nodeSelectorTerms] } ?? [])
            }
            // One of ours is made again.
            guard LocalVolume.isOwn(name, of: claim) else { return .waits("\(what): persistentvolume \"\(name)\" not found") }
        } else if !LocalVolume.isWanted(claim) {
            return .free([])
        }
        let node = LocalVolume.home(of: claim, informers) ?? homes(claim.key)
        return .free(node.map { [LocalVolume.terms(on: $0)] } ?? [])
    }
}

extension PersistentVolumeClaim {
    var key: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }
}
