// What a pod's claims mean for where it may go. Those that have no object do not count: they are names of directories on whichever node.
import KubernetesModel
import KusciaModel

enum ClaimStanding: Hashable {
    /// One of the terms of each list must match the node; and `unbound`, by uid, are those that have no home yet: it will be the pod's own.
    case free([[NodeSelectorTerm]], unbound: [String])
    /// Not before something else has happened.
    case waits(String)

    init(_ pod: PodView, _ informers: SharedInformers) {
        var terms: [[NodeSelectorTerm]] = []
        var unbound: [String] = []
        for claim in Self.claims(of: pod, informers) {
            switch Self.of(claim, informers) {
            case .free(let more, let claims):
                terms += more
                unbound += claims
            case .waits(let reason):
                self = .waits(reason)
                return
            }
        }
        self = .free(terms, unbound: unbound)
    }

    /// `known`: the unbound claims with which the pod was placed. One that it had not was not asked where its other pods are.
    func permits(_ node: Node, knowing known: [String]) -> Bool {
        guard case .free(let lists, let unbound) = self, unbound.allSatisfy(known.contains) else { return false }
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

    private static func of(_ claim: PersistentVolumeClaim, _ informers: SharedInformers) -> ClaimStanding {
        let what = "persistentvolumeclaim \"\(claim.metadata.name)\""
        if claim.metadata.deletionTimestamp != nil { return .waits("\(what) is being deleted") }
        if let name = LocalVolume.volumeName(of: claim), LocalVolume.isBound(claim) {
            if let volume = informers.volumes.get(name: name) {
                return .free(volume.spec.nodeAffinity?.required.map { [$0.nodeSelectorTerms] } ?? [], unbound: [])
            }
            // One of ours is made again.
            guard LocalVolume.isOwn(name, of: claim) else { return .waits("\(what): persistentvolume \"\(name)\" not found") }
        } else if !LocalVolume.isWanted(claim) {
            return .free([], unbound: [])
        }
        if let home = LocalVolume.home(of: claim, informers) { return .free([LocalVolume.terms(on: home)], unbound: []) }
        return .free([], unbound: [claim.metadata.uid ?? "\(claim.key)"])
    }
}

extension PersistentVolumeClaim {
    var key: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }
}
