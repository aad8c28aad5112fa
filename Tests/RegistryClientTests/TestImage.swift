// Images made of bytes, and a registry that serves them well: what hostile ones differ from.
import FoundationEssentials
import Glibc
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface
import Synchronization

struct TestImage: Sendable {
    var layers: [[UInt8]]
    var config: [UInt8]
    var manifest: [UInt8]

    var digest: ContentDigest { ContentDigest(of: manifest) }

    init(layers: [[UInt8]], architecture: String = ImagePlatform.current.architecture) throws {
        self.layers = layers
        let ids = layers.map { ContentDigest(of: $0) }
        config = try JSON.encode(ImageConfig(platform: ImagePlatform(architecture: architecture), diffIDs: ids))
        let descriptors = zip(layers, ids).map { Descriptor(mediaType: MediaType.ociLayer, digest: $1, size: Int64($0.count)) }
        manifest = try JSON.encode(
            ImageManifest(
                config: Descriptor(mediaType: MediaType.ociConfig, digest: ContentDigest(of: config), size: Int64(config.count)),
                layers: descriptors))
    }

    /// Bytes that compress badly and differ by seed.
    static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state)
        }
    }

    var blobs: [ContentDigest: [UInt8]] {
        Dictionary((layers + [config]).map { (ContentDigest(of: $0), $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What a good registry answers for repository "app": its manifests by tag and digest, its blobs, with ranges.
    func answer(_ request: TestRequest, tags: [String] = ["1"], more: [String: [UInt8]] = [:]) -> TestReply {
        let path = request.path
        for (name, bytes) in more
        where path == "/v2/app/manifests/\(name)" || path == "/v2/app/manifests/\(ContentDigest(of: bytes))" {
            let isIndex = String(decoding: bytes, as: UTF8.self).contains(MediaType.ociIndex)
            return .whole(200, headers: [("Content-Type", isIndex ? MediaType.ociIndex : MediaType.ociManifest)], body: bytes)
        }
        if tags.contains(where: { path == "/v2/app/manifests/\($0)" }) || path == "/v2/app/manifests/\(digest)" {
            return .whole(200, headers: [("Content-Type", MediaType.ociManifest)], body: manifest)
        }
        if path.hasPrefix("/v2/app/blobs/"), let wanted = ContentDigest(path.dropFirst("/v2/app/blobs/".count)),
            let bytes = blobs[wanted]
        {
            return Self.blob(bytes, request)
        }
        return .whole(404)
    }

    static func blob(_ bytes: [UInt8], _ request: TestRequest) -> TestReply {
        guard let range = request.headers.first(name: "Range"), let start = Int(range.dropFirst("bytes=".count).dropLast()) else {
            return .whole(200, body: bytes)
        }
        return .whole(
            206, headers: [("Content-Range", "bytes \(start)-\(bytes.count - 1)/\(bytes.count)")], body: Array(bytes[start...]))
    }
}

/// A store and a client in a directory of their own.
final class PullBench: Sendable {
    let directory: String
    let store: ImageStore

    init() throws {
        var template = Array("/tmp/swiftlet-pull-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure("mkdtemp: \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        store = try ImageStore(stateDirectory: directory)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func client(_ registry: TestRegistry, authorityFile: String? = nil, change: (inout RegistrySettings) -> Void = { _ in })
        throws -> RegistryClient
    {
        var settings = RegistrySettings(hosts: [
            RegistryHost(registry: registry.host, endpoint: registry.origin, authorityFile: authorityFile)
        ])
        settings.limits.retryMilliseconds = 5
        settings.limits.reservedDiskBytes = 0
        change(&settings)
        return try RegistryClient(settings)
    }

    func pull(
        _ name: String, _ client: RegistryClient, credentials: [RegistryCredential] = [],
        signatures: SignaturePolicy = SignaturePolicy(),
        report: @escaping @Sendable (PullEvent) -> Void = { _ in }
    ) async throws -> StoredImage {
        try await ImagePull(client: client, store: store, signatures: signatures, credentials: credentials, report: report).run(
            name)
    }

    /// The error that a pull ends with; nothing may be visible then.
    func failure(
        _ name: String, _ client: RegistryClient, credentials: [RegistryCredential] = [],
        signatures: SignaturePolicy = SignaturePolicy()
    ) async
        -> ImagePullError?
    {
        do {
            _ = try await ImagePull(client: client, store: store, signatures: signatures, credentials: credentials).run(name)
            return nil
        } catch {
            return error
        }
    }
}
