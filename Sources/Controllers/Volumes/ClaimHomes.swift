// Where the scheduler has just sent the pods of claims that have no volume yet: until their binding can be seen, nobody else knows.
import KubernetesModel
import Scheduling
import Synchronization

/// One entry for each claim with a pod on its way; all pods of one are on the same node.
final class ClaimHomes: Sendable {
    typealias Wish = (claim: ObjectKey, placement: PodPlacement)

    private let known = Mutex<[ObjectKey: [PodPlacement]]>([:])

    func node(of claim: ObjectKey) -> String? { known.withLock { $0[claim]?.first?.node } }

    /// False when one of the claims has its home elsewhere: pods placed in one pass do not know of each other. Where it is the pods of these
    /// wishes themselves that choose a node each, the first one's is the claim's home from now on, so that the next pass can do better.
    func settle(_ wishes: [Wish]) -> Bool {
        known.withLock { known in
            let before = known
            var fits = true
            for (claim, placement) in wishes {
                if let home = known[claim]?.first?.node, home != placement.node {
                    fits = false
                } else {
                    known[claim, default: []].append(placement)
                }
            }
            if fits { return true }
            // Of the others nobody is on the way; one claim without a home gets one.
            let first = wishes.first { before[$0.claim] == nil && known[$0.claim] != nil }
            known = before
            if let first { known[first.claim] = [first.placement] }
            return false
        }
    }

    /// These are not on their way after all.
    func leave(_ uids: Set<String>) { keep { !uids.contains($1.uid) } }

    /// Of the others somebody else knows by now, or the pod is gone.
    func keep(where isNeeded: (ObjectKey, PodPlacement) -> Bool) {
        known.withLock { known in
            for (claim, placements) in known {
                let rest = placements.filter { isNeeded(claim, $0) }
                known[claim] = rest.isEmpty ? nil : rest
            }
        }
    }
}
