// The images of one node: blobs, names, and the built-in ones, below one directory.
import Glibc
import Synchronization

/// `<state>/images/{builtin/, layout/{oci-layout,index.json,blobs/,ingest/}, ...}`. Calls block on the disk; safe between processes.
public final class ImageStore: Sendable {
    /// `<state>/images`
    public let directory: String
    public let blobs: BlobStore
    public let references: ImageReferences
    public let builtin: BuiltinImages
    /// Unpacked layers, and what an archive may ask when it is unpacked.
    let layers: LayerSnapshots
    public let extractionPolicy: ExtractionPolicy
    private let usesOverlays: Mutex<Bool?>

    /// Makes what is missing. `usesOverlays`: nil looks whether this file system can be layers of an overlay; false copies images instead.
    public init(
        stateDirectory: String, extractionPolicy: ExtractionPolicy = ExtractionPolicy(), usesOverlays: Bool? = nil
    ) throws(ImageStoreError) {
        self.extractionPolicy = extractionPolicy
        self.usesOverlays = Mutex(usesOverlays)
        builtin = try BuiltinImages(stateDirectory: stateDirectory)
        directory = stateDirectory + "/images"
        blobs = try BlobStore(directory: directory + "/layout")
        references = ImageReferences(directory: directory + "/layout")
        layers = try LayerSnapshots(directory: directory + "/layers")
        try DurableFile.makeDirectories([directory + "/containers"], mode: 0o711)
    }

    /// Looked at once, when first asked: `swiftlet image ls` has no need to know.
    var overlaysWork: Bool {
        usesOverlays.withLock { known in
            let works = known ?? Overlay.works(in: layers.directory)
            known = works
            return works
        }
    }

    /// Whoever brings blobs in before a name refers to them, or works on an image's files, holds this meanwhile: nothing is collected.
    /// Throws `busy` while a collection is under way.
    public func holdContents() throws(ImageStoreError) -> FileLock {
        // A collection unlinks files: seconds, even of many.
        try FileLock.wait(directory + "/lock", .shared, milliseconds: 60_000)
    }

    /// For the collector: nil while anybody holds contents.
    public func lockForCollection() throws(ImageStoreError) -> FileLock? { try FileLock.take(directory + "/lock", .exclusive) }

    /// The image that a user or a pod means: its name (with the default registry), `repository@digest`, or its id ("sha256:..." or at least
    /// twelve digits of it). nil: there is none. Throws `invalid` for what is no name, and for digits that fit several images.
    public func image(named text: String, defaultRegistry: String? = nil) throws(ImageStoreError) -> StoredImage? {
        let images = try references.all()
        if let digest = ContentDigest(text) { return images.first { $0.isKnown(as: digest) } }
        if let image = try byDigits(text, images) { return image }
        let reference: ImageReference
        do throws(ImageReference.Malformed) {
            reference = try ImageReference(text, defaultRegistry: defaultRegistry)
        } catch {
            throw .invalid(file: "image", field: "name", reason: error.description)
        }
        guard let digest = reference.digest else { return images.first { $0.reference == reference } }
        return images.first { $0.reference.name == reference.name && $0.isKnown(as: digest) }
    }

    /// Manifest and config, digests checked.
    public func contents(of image: StoredImage) throws(ImageStoreError) -> ImageContents {
        let subject = image.reference.description
        let manifest = try ImageManifest(parsing: try blobs.contents(image.manifest.digest), subject: subject)
        guard manifest.isContainerImage else {
            throw .unsupported(
                subject: subject, reason: "it is no container image; its config is of type \"\(manifest.config.mediaType)\"")
        }
        let config = try ImageConfig(
            parsing: try blobs.contents(manifest.config.digest, maximumBytes: ImageConfig.maximumBytes), subject: subject)
        try config.check(against: manifest, subject: subject)
        return ImageContents(manifest: manifest, config: config)
    }

    private func byDigits(_ text: String, _ images: [StoredImage]) throws(ImageStoreError) -> StoredImage? {
        guard (12...64).contains(text.utf8.count), text.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else { return nil }
        let fitting = images.filter { $0.id?.hex.hasPrefix(text) == true }
        guard Set(fitting.map(\.id)).count <= 1 else {
            throw .invalid(file: "image", field: "id", reason: "\"\(text)\" fits several images; give more digits")
        }
        return fitting.first
    }
}

/// What an image consists of.
public struct ImageContents: Sendable, Hashable {
    public var manifest: ImageManifest
    public var config: ImageConfig

    public init(manifest: ImageManifest, config: ImageConfig) {
        self.manifest = manifest
        self.config = config
    }

    /// Bytes to be stored: config and layers as they come.
    public var size: Int64 { manifest.layers.reduce(manifest.config.size) { $0 &+ $1.size } }
}
