// Where the scheduler has just sent the pods of claims that have no volume yet: until their binding can be seen, nobody else knows.
import KubernetesModel
import Scheduling
import Synchronization

/// One entry for each such claim with a pod that is on its way or is tried; all pods of one are on the same node.
final class ClaimHomes: Sendable {
    typealias Wish = (claim: ObjectKey, placement: PodPlacement)

    private struct Entry {
        var placements: [PodPlacement] = []
        /// Nodes that were tried for the pods of a gang, of which one found no place there.
        var failed: Set<String> = []
        /// All of them were: the last one stays until something else changes.
        var isExhausted = false
    }

    private let entries = Mutex<[ObjectKey: Entry]>([:])

    func node(of claim: ObjectKey) -> String? { entries.withLock { $0[claim]?.placements.first?.node } }

    /// False when one of the claims has its home elsewhere: pods placed in one pass do not know of each other. Where it is the pods of these
    /// wishes themselves that choose a node each, one of these is the claim's home from now on, so that the next pass can do better.
    func settle(_ wishes: [Wish]) -> Bool {
        entries.withLock { entries in
            let before = entries
            var fits = true
            for (claim, placement) in wishes {
                if let home = entries[claim]?.placements.first?.node, home != placement.node {
                    fits = false
                } else {
                    entries[claim, default: Entry()].placements.append(placement)
                }
            }
            if fits { return true }
            // Of the others nobody is on the way; one claim without a home gets one.
            entries = before
            if let claim = wishes.first(where: { before[$0.claim]?.placements.isEmpty ?? true })?.claim {
                Self.propose(for: claim, wishes.filter { $0.claim == claim }.map(\.placement), &entries)
            }
            return false
        }
    }

    private static func propose(for claim: ObjectKey, _ placements: [PodPlacement], _ entries: inout [ObjectKey: Entry]) {
        var entry = entries[claim] ?? Entry()
        let next = placements.first { !entry.failed.contains($0.node) }
        entry.isExhausted = next == nil
        entry.placements = (next ?? placements.first).map { [$0] } ?? []
        entries[claim] = entry
    }

    /// A pod found no place. The claims whose home was tried for it are free again, for another node.
    func fail(_ uid: String) -> [ObjectKey] {
        entries.withLock { entries in
            var free: [ObjectKey] = []
            for (claim, entry) in entries where entry.placements.count == 1 && !entry.isExhausted {
                guard entry.placements[0].uid == uid else { continue }
                entries[claim]?.failed.insert(entry.placements[0].node)
                entries[claim]?.placements = []
                free.append(claim)
            }
            return free
        }
    }

    /// There are other nodes, or other room on them: what was tried in vain may be tried again.
    func tryAgain() -> [ObjectKey] {
        entries.withLock { entries in
            let free = entries.filter(\.value.isExhausted).map(\.key)
            for claim in free { entries[claim] = nil }
            return free
        }
    }

    /// These are not on their way after all.
    func leave(_ uids: Set<String>) {
        entries.withLock { entries in
            for (claim, entry) in entries {
                entries[claim]?.placements = entry.placements.filter { !uids.contains($0.uid) }
            }
        }
    }

    /// Of the others somebody else knows by now, or nobody asks any more.
    func keep(claims isNeeded: (ObjectKey) -> Bool, pods isOnItsWay: (PodPlacement) -> Bool) {
        entries.withLock { entries in
            for (claim, entry) in entries {
                entries[claim]?.placements = entry.placements.filter(isOnItsWay)
                if !isNeeded(claim) { entries[claim] = nil }
            }
        }
    }
}
