// An image that the store has whole: its name, its manifest, and where it came from.

public struct StoredImage: Sendable, Hashable {
    /// The full name that it is found by.
    public var reference: ImageReference
    /// Its manifest for one platform.
    public var manifest: Descriptor
    /// The digest of its config: the image's id, which CRI and Docker show. nil for what is no container image (a signature).
    public var id: ContentDigest?
    /// The digest that the registry knows it by: its index's when it came from one, else the manifest's.
    public var sourceDigest: ContentDigest
    /// Seconds since 1970 when it was pulled, loaded or tagged.
    public var added: Int64

    public init(
        reference: ImageReference, manifest: Descriptor, id: ContentDigest?, sourceDigest: ContentDigest? = nil, added: Int64
    ) {
        self.reference = reference
        self.manifest = manifest
        self.id = id
        self.sourceDigest = sourceDigest ?? manifest.digest
        self.added = added
    }

    /// "registry/repository@sha256:...": what a pod's status shows as imageID.
    public var repositoryDigest: String { "\(reference.name)@\(sourceDigest)" }

    /// Whether a digest that somebody wrote down means this image: its id, its manifest's, or its index's.
    public func isKnown(as digest: ContentDigest) -> Bool { digest == id || digest == manifest.digest || digest == sourceDigest }
}

// MARK: - In index.json

extension StoredImage {
    private enum Annotation {
        static let name = "org.opencontainers.image.ref.name"
        static let id = "io.swiftlet.image.id"
        static let source = "io.swiftlet.image.source-digest"
        static let added = "io.swiftlet.image.added"
    }

    /// nil for a descriptor without a name that can be read.
    init?(_ descriptor: Descriptor) {
        let annotations = descriptor.annotations ?? [:]
        guard let name = annotations[Annotation.name] else { return nil }
        do throws(ImageReference.Malformed) {
            reference = try ImageReference(name)
        } catch {
            return nil
        }
        manifest = descriptor
        manifest.annotations = nil
        id = annotations[Annotation.id].flatMap { ContentDigest($0) }
        sourceDigest = annotations[Annotation.source].flatMap { ContentDigest($0) } ?? descriptor.digest
        added = annotations[Annotation.added].flatMap { Int64($0) } ?? 0
    }

    var descriptor: Descriptor {
        var result = manifest
        var annotations = [Annotation.name: reference.description, Annotation.added: String(added)]
        if let id { annotations[Annotation.id] = id.description }
        if sourceDigest != manifest.digest { annotations[Annotation.source] = sourceDigest.description }
        result.annotations = annotations
        return result
    }
}
