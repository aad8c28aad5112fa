// A container's own root: the image's layers, shared, and a writable layer of its own above them.

public struct Rootfs: Sendable, Hashable, Codable {
    public enum Form: Sendable, Hashable, Codable {
        /// To be put over each other: `lower` from the top to the bottom, `upper` and `work` for what the container writes. `upper` is
        /// the root's own inode and has its owner already.
        case overlay(lower: [String], upper: String, work: String)
        /// A tree of its own, where overlays cannot be: copied from the layers, written in place.
        case directory(String)
    }

    /// The container's name in the store.
    public var id: String
    /// The image's id (its config's digest).
    public var imageID: ContentDigest
    public var form: Form
    /// Where it may be mounted: an empty directory.
    public var mountPoint: String
    /// Chain ids of the layers that it holds.
    public var layers: [ContentDigest]
    /// What the container may write, in bytes; measured (`rootfsUsage`), for the kernel has no bound for a directory without project quotas.
    public var sizeLimit: Int64?

    /// The directory whose growth is the container's doing.
    public var writable: String {
        switch form {
        case .overlay(_, let upper, _): upper
        case .directory(let path): path
        }
    }
}
