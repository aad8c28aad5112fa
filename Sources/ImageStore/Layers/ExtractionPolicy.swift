// What an archive may ask of the node that unpacks it.

/// Bounds of one layer. What goes beyond one is refused, with the bound in words; real images stay far below each of them.
public struct ExtractionLimits: Sendable, Hashable {
    /// Of the archive uncompressed, and of what its files say they hold (a sparse file says more than it stores).
    public var bytes: Int64 = 64 << 30
    /// A small archive that becomes a large one is a bomb: so many times its compressed size ...
    public var expansionRatio: Int64 = 300
    /// ... where it is larger than this. gzip reaches 1,000 : 1 with zeros, zstd any ratio.
    public var expansionAllowance: Int64 = 1 << 30
    public var entries = 2_000_000
    /// Components of a path.
    public var depth = 256
    /// Extended attributes of one entry, and bytes of one of them (file systems take 64 KiB at most).
    public var attributes = 64
    public var attributeBytes = 64 << 10
    /// The file system keeps at least so much free for everybody else.
    public var reservedFreeBytes: Int64 = 256 << 20

    public init() {}
}

/// What becomes of device nodes in a layer. A container's own devices come from its runtime, never from its image.
public enum DeviceNodePolicy: String, Sendable, Hashable, CaseIterable {
    /// The image is refused.
    case refuse
    /// The nodes are left out.
    case leaveOut = "leave-out"
    /// The nodes are made; mounts of the image still say `nodev`.
    case make
}

public struct ExtractionPolicy: Sendable, Hashable {
    public var limits = ExtractionLimits()
    public var devices = DeviceNodePolicy.refuse

    public init() {}
}
