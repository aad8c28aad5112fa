// Where the scheduler has just sent the first pods of claims that have no volume yet: until the binding can be seen, nobody else knows.
import KubernetesModel
import Scheduling
import Synchronization

/// One entry for each claim whose first pod is on its way.
final class ClaimHomes: Sendable {
    private let first = Mutex<[ObjectKey: PodPlacement]>([:])

    func node(of claim: ObjectKey) -> String? { first.withLock { $0[claim]?.node } }

    /// False, and nothing is noted, when one of the claims has its home elsewhere: pods placed in one pass do not know of each other.
    func settle(_ wishes: [(claim: ObjectKey, placement: PodPlacement)]) -> Bool {
        first.withLock { first in
            var settled = first
            for (claim, placement) in wishes {
                if let before = settled[claim], before.node != placement.node { return false }
                if settled[claim] == nil { settled[claim] = placement }
            }
            first = settled
            return true
        }
    }

    /// These were not bound after all.
    func leave(_ placements: [PodPlacement]) {
        let uids = Set(placements.map(\.uid))
        first.withLock { first in first = first.filter { !uids.contains($0.value.uid) } }
    }

    /// Others know by now, or the pod is gone.
    func keep(where isNeeded: (ObjectKey, PodPlacement) -> Bool) {
        first.withLock { first in first = first.filter { isNeeded($0.key, $0.value) } }
    }
}
