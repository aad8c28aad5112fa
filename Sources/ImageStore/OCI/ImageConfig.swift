// What an image says of itself: platform, process defaults, the diff ids of its layers (OCI image spec, config.md).
import JSON

public struct ImageConfig: Sendable, Hashable, Codable {
    /// A config's text: history and labels of a large image take some hundred kilobytes.
    public static let maximumBytes = 4 << 20

    /// Defaults of the process; members are named as Docker wrote them.
    public struct Process: Sendable, Hashable, Codable {
        /// "user", "uid", "user:group", "uid:gid".
        public var user: String?
        /// "port/protocol" as keys.
        public var exposedPorts: [String: Empty]?
        /// "NAME=value", in order.
        public var env: [String]?
        public var entrypoint: [String]?
        public var cmd: [String]?
        public var volumes: [String: Empty]?
        public var workingDir: String?
        public var labels: [String: String]?
        public var stopSignal: String?

        enum CodingKeys: String, CodingKey {
            case user = "User"
            case exposedPorts = "ExposedPorts"
            case env = "Env"
            case entrypoint = "Entrypoint"
            case cmd = "Cmd"
            case volumes = "Volumes"
            case workingDir = "WorkingDir"
            case labels = "Labels"
            case stopSignal = "StopSignal"
        }

        public init() {}
    }

    public struct Empty: Sendable, Hashable, Codable {
        public init() {}
    }

    public struct RootFS: Sendable, Hashable, Codable {
        public var type: String
        /// Digests of the layers' uncompressed tars, from the bottom to the top.
        public var diffIDs: [ContentDigest]

        enum CodingKeys: String, CodingKey {
            case type
            case diffIDs = "diff_ids"
        }

        public init(diffIDs: [ContentDigest]) {
            type = "layers"
            self.diffIDs = diffIDs
        }
    }

    public struct History: Sendable, Hashable, Codable {
        public var created: String?
        public var createdBy: String?
        public var emptyLayer: Bool?

        enum CodingKeys: String, CodingKey {
            case created
            case createdBy = "created_by"
            case emptyLayer = "empty_layer"
        }
    }

    public var architecture: String
    public var os: String
    public var variant: String?
    /// RFC 3339.
    public var created: String?
    public var author: String?
    public var config: Process?
    public var rootfs: RootFS
    public var history: [History]?

    public init(platform: ImagePlatform, diffIDs: [ContentDigest], process: Process = .init()) {
        architecture = platform.architecture
        os = platform.os
        variant = platform.variant
        config = process
        rootfs = RootFS(diffIDs: diffIDs)
    }

    /// Throws `ImageStoreError` naming `subject` and the field.
    public init(parsing bytes: [UInt8], subject name: String) throws(ImageStoreError) {
        self = try ImageDocument.decode(ImageConfig.self, bytes, name)
        guard rootfs.type == "layers" else {
            throw .unsupported(subject: name, reason: "rootfs.type: expected \"layers\", found \"\(rootfs.type)\"")
        }
        for (index, entry) in (process.env ?? []).enumerated()
        where !entry.contains("=") || entry.hasPrefix("=") || entry.utf8.contains(0) {
            throw .invalid(file: name, field: "config.Env[\(index)]", reason: "must be NAME=value, found \"\(entry.prefix(80))\"")
        }
    }

    public var platform: ImagePlatform { ImagePlatform(architecture: architecture, os: os, variant: variant) }
    public var process: Process { config ?? .init() }

    /// Each layer of the manifest has its diff id, or neither can be trusted.
    public func check(against manifest: ImageManifest, subject name: String) throws(ImageStoreError) {
        guard rootfs.diffIDs.count == manifest.layers.count else {
            throw .invalid(
                file: name, field: "rootfs.diff_ids",
                reason: "expected one for each of the manifest's \(manifest.layers.count) layers, found \(rootfs.diffIDs.count)")
        }
    }
}
