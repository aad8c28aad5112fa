// Which ids of the machine belong to whom: parts of what systemd leaves to containers (0x00080000-0x6FFFFFFF, systemd.io/UIDS-GIDS), the
// upper half of it, so that nspawn's own picks stay clear. No part meets another: who shares ids shares what the kernel counts by them.

public enum HostIDs {
    /// Of pods, 65,536 each.
    public static let pods: Range<UInt32> = 0x4000_0000..<0x6000_0000
    /// Of tasks of `swiftlet run`, 65,536 each.
    public static let commands: Range<UInt32> = 0x6000_0000..<0x6FFF_0000
    /// One each owns a task's user namespace (identity.c): nobody's process ever has one.
    public static let owners: Range<UInt32> = 0x6FFF_0000..<0x7000_0000

    /// How many tasks have ids of their own in a part.
    public static func slots(_ part: Range<UInt32>) -> UInt32 { UInt32(part.count) / SandboxSpec.idRangeCount }
}
