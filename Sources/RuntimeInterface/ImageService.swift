// The contract between the Agent and whatever keeps the node's images, in the words of CRI's ImageService.
// One service for the node: all its runtimes see the same images.

/// What the node knows of one image.
public struct RuntimeImageStatus: Sendable, Hashable, Codable {
    /// Digest of the image's configuration, "sha256:..."; of a built-in image its name. Becomes the status' `imageID`.
    public var id: String
    /// "repository:tag", normalised.
    public var repoTags: [String]
    /// "repository@sha256:...": digests of the manifests (and indexes) by which it came.
    public var repoDigests: [String]
    /// Bytes on this node's disk that its removal would free at most.
    public var sizeBytes: Int64
    /// Numeric user of the image's configuration; nil: none is given, or only `username`.
    public var uid: Int64?
    public var username: String?
    /// Never removed by garbage collection.
    public var pinned: Bool
    /// When it came to this node, Unix nanoseconds; 0: not known.
    public var createdAt: Int64

    public init(
        id: String, repoTags: [String] = [], repoDigests: [String] = [], sizeBytes: Int64 = 0, uid: Int64? = nil,
        username: String? = nil,
        pinned: Bool = false, createdAt: Int64 = 0
    ) {
        self.id = id
        self.repoTags = repoTags
        self.repoDigests = repoDigests
        self.sizeBytes = sizeBytes
        self.uid = uid
        self.username = username
        self.pinned = pinned
        self.createdAt = createdAt
    }

    /// `digest` ("sha256:...") names this image: by its configuration, or by a manifest of it. Kuscia's two runtimes pin by either.
    public func isPinned(by digest: String) -> Bool {
        id == digest || repoDigests.contains { $0.hasSuffix("@" + digest) }
    }
}

/// Why an image did not come.
public struct ImagePullError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The reference cannot be read: no retry helps.
        case invalidName
        /// The registry has no such image, or not for this platform.
        case notFound
        /// The registry wants other credentials.
        case unauthorized
        /// Nobody answers at the registry, or it answers with an error of its own.
        case registryUnavailable
        /// What came is not what its digest, its length or its type says, or it is hostile.
        case invalidContent
        /// The node's policy wants a signature that the image has not.
        case signatureInvalid
        /// No room on the node.
        case noSpace
        /// This node cannot pull.
        case unsupported
        /// Anything of the node itself.
        case `internal`
    }

    public var kind: Kind
    /// Names image, stage, what was found and what was expected. Never a secret.
    public var message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
}

/// Where the images lie, and what they take there.
public struct ImageFilesystem: Sendable, Hashable, Codable {
    /// A directory on the file system of the images: absolute path.
    public var mountPoint: String
    /// Of the images alone.
    public var usedBytes: Int64
    public var inodesUsed: Int64

    public init(mountPoint: String, usedBytes: Int64 = 0, inodesUsed: Int64 = 0) {
        self.mountPoint = mountPoint
        self.usedBytes = usedBytes
        self.inodesUsed = inodesUsed
    }
}

/// Keeps images. Every verb is idempotent; no verb shows an image that is not whole.
public protocol ImageService: Sendable {
    /// By name, name@digest or id; nil: not on this node. An error becomes the container's ImageInspectError.
    func imageStatus(_ image: String) async throws -> RuntimeImageStatus?
    /// Brings the image and returns its id. Of `credentials` only those that `RegistryCredential.matching` grants the image's registry are
    /// shown to it, in that order; after them the node's own for that registry, then nobody's. Two calls for one image at once pull once.
    /// Ends early when its task is cancelled: what came is kept for the next try.
    func pullImage(_ image: String, credentials: [RegistryCredential]) async throws(ImagePullError) -> String
    func listImages() async throws -> [RuntimeImageStatus]
    /// All names of the image, by its id. Of what is not there nothing happens; refused (`RuntimeError.unavailable`) while a container uses it.
    func removeImage(_ id: String) async throws
    func imageFilesystem() async throws -> ImageFilesystem
}
