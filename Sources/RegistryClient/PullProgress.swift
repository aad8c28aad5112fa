// What a pull tells while it goes on.
import ImageStore

public enum PullEvent: Sendable, Hashable {
    /// The image's manifest is known: from where, and what its layers are, from the bottom to the top.
    case resolved(origin: String, digest: ContentDigest, layers: [Descriptor])
    /// Bytes of that layer that are here.
    case progress(ContentDigest, bytes: Int64)
    /// A layer is here as a whole; `wasHere`: it need not come.
    case layer(ContentDigest, wasHere: Bool)
    /// So many layers from the bottom are unpacked.
    case unpacked(layers: Int)
    /// A source failed and the next is asked.
    case sourceFailed(origin: String, reason: String)
}
