// Private host ids: 65536 per pod, of those that are pods' (HostIDs).

import SandboxPolicy

/// A runtime's part of that space: two runtimes of a node do not know of each other's pods.
public struct IDRanges: Sendable, Hashable {
    /// The first host id of the part, and how many pods fit in.
    public var first: UInt32
    public var slots: UInt32

    private static let half = HostIDs.slots(HostIDs.pods) / 2
    public static let lowerHalf = IDRanges(first: HostIDs.pods.lowerBound, slots: half)
    public static let upperHalf = IDRanges(first: HostIDs.pods.lowerBound + half * SandboxSpec.idRangeCount, slots: half)

    /// Steady for a pod (a hash of its UID), moved on while taken; nil when every range is.
    package func pick(podUID: String, taken: some Collection<UInt32>) -> UInt32? {
        guard taken.count < Int(slots) else { return nil }
        // FNV-1a: several agents on one machine then seldom choose the same range without knowing of each other.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in podUID.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var slot = UInt32(hash % UInt64(slots))
        while taken.contains(first + slot * SandboxSpec.idRangeCount) { slot = (slot + 1) % slots }
        return first + slot * SandboxSpec.idRangeCount
    }
}
