// A content by type, digest and size (OCI image spec, descriptor.md).

public struct Descriptor: Sendable, Hashable, Codable {
    public var mediaType: String
    public var digest: ContentDigest
    /// Bytes.
    public var size: Int64
    public var platform: ImagePlatform?
    public var annotations: [String: String]?
    public var artifactType: String?

    public init(
        mediaType: String, digest: ContentDigest, size: Int64, platform: ImagePlatform? = nil,
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.platform = platform
        self.annotations = annotations
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // Docker's older tools leave the media type out of nested descriptors; what it must be follows from the place.
        mediaType = try container.decodeIfPresent(String.self, forKey: .mediaType) ?? ""
        digest = try container.decode(ContentDigest.self, forKey: .digest)
        size = try container.decode(Int64.self, forKey: .size)
        guard size >= 0 else {
            throw DecodingError.dataCorruptedError(
                forKey: .size, in: container, debugDescription: "must not be negative, found \(size)")
        }
        platform = try container.decodeIfPresent(ImagePlatform.self, forKey: .platform)
        annotations = try container.decodeIfPresent([String: String].self, forKey: .annotations)
        artifactType = try container.decodeIfPresent(String.self, forKey: .artifactType)
    }
}
