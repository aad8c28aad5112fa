// An image's manifest and index, OCI's and Docker schema 2's alike. Views for reading: what is stored is the text as it came.
import JSON

/// Config and layers of one image for one platform (OCI image spec, manifest.md).
public struct ImageManifest: Sendable, Hashable, Codable {
    /// More layers than this are no image but an attack; builders stop at 127.
    public static let maximumLayers = 512
    /// A manifest's text; registries take no larger one either (distribution spec: 4 MiB).
    public static let maximumBytes = 4 << 20

    public var schemaVersion: Int
    public var mediaType: String?
    public var artifactType: String?
    public var config: Descriptor
    /// From the bottom to the top.
    public var layers: [Descriptor]
    public var subject: Descriptor?
    public var annotations: [String: String]?

    public init(
        config: Descriptor, layers: [Descriptor], mediaType: String = MediaType.ociManifest, annotations: [String: String]? = nil
    ) {
        schemaVersion = 2
        self.mediaType = mediaType
        self.config = config
        self.layers = layers
        self.annotations = annotations
    }

    /// Throws `ImageStoreError` naming `subject` and the field that is wrong.
    public init(parsing bytes: [UInt8], subject name: String) throws(ImageStoreError) {
        self = try ImageDocument.decode(ImageManifest.self, bytes, name)
        guard schemaVersion == 2 else {
            throw .unsupported(
                subject: name,
                reason: "schemaVersion: expected 2, found \(schemaVersion); push the image again with a current tool")
        }
        if let mediaType, !MediaType.isManifest(mediaType) {
            throw .invalid(file: name, field: "mediaType", reason: "expected an image manifest, found \"\(mediaType)\"")
        }
        guard layers.count <= Self.maximumLayers else {
            throw .tooLarge(subject: "\(name): layers", limit: "\(Self.maximumLayers) layers")
        }
    }

    /// Whether this is a container image rather than a signature or another artifact that travels as one.
    public var isContainerImage: Bool { config.mediaType == MediaType.ociConfig || config.mediaType == MediaType.dockerConfig }

    /// The layers with their compression. Throws `unsupported` for a layer of another kind.
    public func imageLayers(subject name: String) throws(ImageStoreError) -> [(
        descriptor: Descriptor, compression: LayerCompression
    )] {
        var result: [(descriptor: Descriptor, compression: LayerCompression)] = []
        for (index, layer) in layers.enumerated() {
            guard let compression = LayerCompression(mediaType: layer.mediaType) else {
                throw .unsupported(
                    subject: "\(name): layers[\(index)]",
                    reason: "media type \"\(layer.mediaType)\" is no layer that can be unpacked")
            }
            result.append((layer, compression))
        }
        return result
    }
}

/// Manifests for several platforms (OCI image spec, image-index.md).
public struct ImageIndex: Sendable, Hashable, Codable {
    public static let maximumManifests = 4096
    /// An index may hold indexes; deeper ones are refused.
    public static let maximumDepth = 3

    public var schemaVersion: Int
    public var mediaType: String?
    public var manifests: [Descriptor]
    public var annotations: [String: String]?

    public init(manifests: [Descriptor], annotations: [String: String]? = nil) {
        schemaVersion = 2
        mediaType = MediaType.ociIndex
        self.manifests = manifests
        self.annotations = annotations
    }

    public init(parsing bytes: [UInt8], subject name: String) throws(ImageStoreError) {
        self = try ImageDocument.decode(ImageIndex.self, bytes, name)
        guard schemaVersion == 2 else {
            throw .unsupported(subject: name, reason: "schemaVersion: expected 2, found \(schemaVersion)")
        }
        if let mediaType, !MediaType.isIndex(mediaType) {
            throw .invalid(file: name, field: "mediaType", reason: "expected an image index, found \"\(mediaType)\"")
        }
        guard manifests.count <= Self.maximumManifests else {
            throw .tooLarge(subject: "\(name): manifests", limit: "\(Self.maximumManifests) manifests")
        }
    }

    /// The manifest for that platform: the best fit, the first of equals. One that names no platform serves when it is alone.
    public func manifest(for platform: ImagePlatform, subject name: String) throws(ImageStoreError) -> Descriptor {
        let candidates = manifests.filter { MediaType.isManifest($0.mediaType) || MediaType.isIndex($0.mediaType) }
        var best: (rank: Int, descriptor: Descriptor)?
        for candidate in candidates {
            guard let offered = candidate.platform, let rank = platform.rank(of: offered) else { continue }
            if rank > best?.rank ?? 0 { best = (rank, candidate) }
        }
        if let best { return best.descriptor }
        if candidates.count == 1, candidates[0].platform == nil { return candidates[0] }
        let offered = candidates.compactMap { $0.platform?.description }.filter { !$0.hasPrefix("unknown") && $0 != "/" }
        throw .unsupported(
            subject: name,
            reason: "no image for \(platform); there are "
                + (offered.isEmpty ? "none" : offered.prefix(20).joined(separator: ", ")))
    }
}

/// What a manifest's text turns out to be.
public enum ImageDocument: Sendable, Hashable {
    case manifest(ImageManifest)
    case index(ImageIndex)

    private struct Kind: Decodable {
        var mediaType: String?
        var manifests: [Ignored]?
        var config: Ignored?
        struct Ignored: Decodable {}
    }

    /// By its own `mediaType` when it has one, by its members when not. A text that could be both is refused: two readers might
    /// take it for different images (OCI image spec, CVE-2021-41190).
    public init(parsing bytes: [UInt8], subject name: String) throws(ImageStoreError) {
        let kind = try Self.decode(Kind.self, bytes, name)
        if kind.manifests != nil, kind.config != nil {
            throw .invalid(
                file: name, field: "manifests", reason: "a text with both config and manifests is neither image nor index")
        }
        if kind.mediaType.map(MediaType.isIndex) ?? (kind.manifests != nil) {
            self = .index(try ImageIndex(parsing: bytes, subject: name))
        } else {
            self = .manifest(try ImageManifest(parsing: bytes, subject: name))
        }
    }

    static func decode<T: Decodable>(
        _ type: T.Type, _ bytes: [UInt8], _ name: String, maximumBytes: Int = ImageManifest.maximumBytes
    ) throws(ImageStoreError) -> T {
        guard bytes.count <= maximumBytes else { throw .tooLarge(subject: name, limit: "\(maximumBytes) bytes") }
        do {
            return try JSON.decode(type, from: bytes)
        } catch {
            throw .invalid(file: name, field: "document", reason: JSON.describe(error))
        }
    }

    /// The text of a manifest, index or config that is made here.
    public static func encode<T: Encodable>(_ value: T, _ name: String) throws(ImageStoreError) -> [UInt8] {
        do {
            return try JSON.encode(value)
        } catch {
            throw .invalid(file: name, field: "document", reason: JSON.describe(error))
        }
    }
}
