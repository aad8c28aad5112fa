// Who belongs to whom: the garbage collector's knowledge, a value. Only objects that have owners or are being deleted with
// their dependents in mind take room here; an owner is no more than the uid that its dependents name.
import KubernetesModel

/// I-GC-1: an object is deleted only when every one of its owners was seen to be gone, by uid, at the server itself.
/// I-GC-2: an owner in foreground deletion goes after the dependents that block it; in orphan deletion none of them goes.
struct OwnerGraph: Sendable {
    /// Waits for its dependents to go, and then goes.
    static let foreground = "foregroundDeletion"
    /// Goes when its dependents know it no more.
    static let orphan = "orphan"

    private(set) var entries: [ObjectIdentity: LifeMetadata] = [:]
    private var dependents: [String: Set<ObjectIdentity>] = [:]
    /// Objects that wait for their dependents, by uid.
    private var waiting: [String: ObjectIdentity] = [:]
    /// Owners that were seen to be there. A later deletion takes them out, so that none stays by mistake.
    private var present: Set<String> = []
    /// Counts deletions: what was read before one may be stale after it.
    private(set) var removals = 0

    static let maximumPresent = 20_000

    /// What to look at now that an object is known to be like this.
    mutating func set(_ identity: ObjectIdentity, _ metadata: LifeMetadata) -> [ObjectIdentity] {
        let old = entries[identity]
        if old == metadata { return [] }
        var affected: [ObjectIdentity] = []
        if let old, old.uid != metadata.uid { affected += remove(identity, uid: old.uid) }
        let relevant = !metadata.owners.isEmpty || metadata.isDeleting && Self.waits(metadata)
        unlink(identity, entries[identity], &affected)
        entries[identity] = relevant ? metadata : nil
        guard relevant else { return affected }
        for owner in metadata.owners { dependents[owner.uid, default: []].insert(identity) }
        if metadata.isDeleting, Self.waits(metadata) {
            waiting[metadata.uid] = identity
            affected.append(identity)
        } else if !metadata.owners.allSatisfy({ present.contains($0.uid) })
            || metadata.owners.contains(where: { waiting[$0.uid] != nil })
        {
            affected.append(identity)
        }
        return affected
    }

    /// The object is gone: its dependents, and the owners that waited for it.
    mutating func remove(_ identity: ObjectIdentity, uid: String) -> [ObjectIdentity] {
        removals += 1
        present.remove(uid)
        waiting[uid] = nil
        var affected = Array(dependents[uid] ?? [])
        if let entry = entries[identity], entry.uid == uid {
            unlink(identity, entry, &affected)
            entries[identity] = nil
        }
        return affected
    }

    /// The kind was listed anew: a deletion of any owner may have been missed, so all that have one are looked at.
    mutating func recheck() -> [ObjectIdentity] {
        present = []
        return Array(entries.keys)
    }

    /// Every owner was seen to be there and none waits: there is nothing to look at.
    func isSettled(_ identity: ObjectIdentity) -> Bool {
        guard let entry = entries[identity], !entry.isDeleting else { return false }
        return entry.owners.allSatisfy { present.contains($0.uid) && waiting[$0.uid] == nil }
    }

    /// `removals` as it was before the owner was read.
    mutating func confirm(_ uid: String, asOf removals: Int) {
        guard removals == self.removals else { return }
        if present.count >= Self.maximumPresent { present = [] }
        present.insert(uid)
    }

    func dependents(of uid: String) -> Set<ObjectIdentity> { dependents[uid] ?? [] }

    /// Dependents that a foreground deletion of this owner waits for.
    func blocking(_ uid: String) -> [ObjectIdentity] {
        (dependents[uid] ?? []).filter {
            entries[$0]?.owners.contains { $0.uid == uid && $0.blockOwnerDeletion == true } ?? false
        }
    }

    private static func waits(_ metadata: LifeMetadata) -> Bool {
        metadata.finalizers.contains(foreground) || metadata.finalizers.contains(orphan)
    }

    private mutating func unlink(_ identity: ObjectIdentity, _ entry: LifeMetadata?, _ affected: inout [ObjectIdentity]) {
        guard let entry else { return }
        if waiting[entry.uid] == identity { waiting[entry.uid] = nil }
        for owner in entry.owners {
            dependents[owner.uid]?.remove(identity)
            if dependents[owner.uid]?.isEmpty ?? false { dependents[owner.uid] = nil }
            if let waiter = waiting[owner.uid] { affected.append(waiter) }
        }
    }
}

/// How an owner was found at the server.
enum OwnerState: Sendable, Hashable {
    case present
    /// Being deleted in the foreground: it waits for this dependent.
    case waitsForDependents
    /// No such uid under that name.
    case absent
    /// A kind that is not served, or a namespaced owner of a cluster-scoped object: nobody can tell.
    case unresolvable
}

/// What becomes of an object, given its owners: kube-controller-manager's rules.
enum GarbageDecision: Sendable, Hashable {
    case keep
    /// The object stays, but these owners are taken off its list.
    case dropOwners(uids: [String])
    case delete(propagationPolicy: String)

    static func decide(_ object: LifeMetadata, owners: [(owner: OwnerReference, state: OwnerState)], hasDependents: Bool)
        -> GarbageDecision
    {
        if owners.isEmpty || object.isDeleting || owners.contains(where: { $0.state == .unresolvable }) { return .keep }
        let gone = owners.filter { $0.state == .absent || $0.state == .waitsForDependents }
        if gone.isEmpty { return .keep }
        if gone.count < owners.count { return .dropOwners(uids: gone.map(\.owner.uid)) }
        if owners.contains(where: { $0.state == .waitsForDependents }), hasDependents {
            return .delete(propagationPolicy: "Foreground")
        }
        if object.finalizers.contains(OwnerGraph.orphan) { return .delete(propagationPolicy: "Orphan") }
        if object.finalizers.contains(OwnerGraph.foreground) { return .delete(propagationPolicy: "Foreground") }
        return .delete(propagationPolicy: "Background")
    }
}
