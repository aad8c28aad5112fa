// What a content is: media types of OCI images and of Docker's schema 2, which differ in name only.

public enum MediaType {
    public static let ociManifest = "application/vnd.oci.image.manifest.v1+json"
    public static let ociIndex = "application/vnd.oci.image.index.v1+json"
    public static let ociConfig = "application/vnd.oci.image.config.v1+json"
    public static let ociLayer = "application/vnd.oci.image.layer.v1.tar"
    public static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    public static let dockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"
    public static let dockerConfig = "application/vnd.docker.container.image.v1+json"
    public static let dockerLayer = "application/vnd.docker.image.rootfs.diff.tar"
    /// A signature's payload, as cosign stores it.
    public static let simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"

    /// What is asked for when a manifest is fetched.
    public static let manifests = [ociManifest, ociIndex, dockerManifest, dockerIndex]

    public static func isManifest(_ type: String) -> Bool { type == ociManifest || type == dockerManifest }
    public static func isIndex(_ type: String) -> Bool { type == ociIndex || type == dockerIndex }
}

/// How a layer's tar is compressed.
public enum LayerCompression: String, Sendable, Hashable, CaseIterable {
    case none, gzip, zstd

    /// nil for what is no layer, or one whose content is not in the registry ("foreign", "nondistributable").
    public init?(mediaType: String) {
        switch mediaType {
        case MediaType.ociLayer, MediaType.dockerLayer: self = .none
        case MediaType.ociLayer + "+gzip", MediaType.dockerLayer + ".gzip": self = .gzip
        case MediaType.ociLayer + "+zstd", MediaType.dockerLayer + ".zstd": self = .zstd
        default: return nil
        }
    }

    /// The media type of an OCI layer compressed like this.
    public var ociMediaType: String {
        switch self {
        case .none: MediaType.ociLayer
        case .gzip: MediaType.ociLayer + "+gzip"
        case .zstd: MediaType.ociLayer + "+zstd"
        }
    }
}
