// An image from a registry into the store: manifest, signature, config, layers, and at the very end its name.
import Glibc
import ImageStore
import RuntimeInterface
import Synchronization

public struct ImagePull: Sendable {
    public var client: RegistryClient
    public var store: ImageStore
    public var platform: ImagePlatform
    /// Asked before a layer comes.
    public var signatures: SignaturePolicy
    public var credentials: [RegistryCredential]
    public var report: @Sendable (PullEvent) -> Void
    /// Unpacks that many of the image's layers, from the bottom: asked while those above still come, and before the image has its name.
    /// Works for seconds to minutes, so not on a thread that others need.
    public typealias Unpack = @Sendable (_ contents: ImageContents, _ layers: Int, _ subject: String) async throws -> Void
    /// nil: layers stay packed.
    public var unpack: Unpack?

    public init(
        client: RegistryClient, store: ImageStore, platform: ImagePlatform = .current,
        signatures: SignaturePolicy = SignaturePolicy(),
        credentials: [RegistryCredential] = [], report: @escaping @Sendable (PullEvent) -> Void = { _ in }, unpack: Unpack? = nil
    ) {
        self.unpack = unpack
        self.client = client
        self.store = store
        self.platform = platform
        self.signatures = signatures
        self.credentials = credentials
        self.report = report
    }

    /// Nothing is visible before all of it is here. What came of a pull that failed is kept for the next one.
    public func run(_ image: String) async throws(ImagePullError) -> StoredImage {
        let seconds = client.settings.limits.pullSeconds
        do {
            let reference = try ImageReference(image, defaultRegistry: client.settings.defaultRegistry)
            return try await withThrowingTaskGroup(of: StoredImage?.self) { group in
                group.addTask { try await fromAnySource(reference) }
                group.addTask {
                    try await Task.sleep(for: .seconds(seconds))
                    throw ImagePullError(.registryUnavailable, "\(image): pull took longer than \(seconds) s")
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let stored = first else { throw CancellationError() }
                return stored
            }
        } catch {
            throw PullFailure.describing(error, image)
        }
    }

    private func fromAnySource(_ reference: ImageReference) async throws -> StoredImage {
        let store = store
        let lock = try await BlockingFiles.run { try store.holdContents() }
        defer { withExtendedLifetime(lock) {} }
        let sources = try client.sources(reference)
        for source in sources.dropLast() {
            do {
                return try await from(source, reference)
            } catch let error where !(error is CancellationError) {
                let reason = PullFailure.describing(error, reference.description)
                // No mirror decides what is allowed or what there is room for.
                if reason.kind == .signatureInvalid || reason.kind == .noSpace { throw reason }
                report(.sourceFailed(origin: source.url.origin, reason: reason.message))
            }
        }
        guard let origin = sources.last else { throw ImagePullError(.internal, "\(reference): no source") }
        return try await from(origin, reference)
    }

    private func from(_ source: RegistryClient.Source, _ reference: ImageReference) async throws -> StoredImage {
        let found = try await resolve(source, reference)
        try await checkSignature(found, source, reference)
        let (manifest, digest) = (found.manifest, found.digest)
        let subject = reference.description
        guard manifest.isContainerImage else {
            throw ImagePullError(
                .invalidContent, "\(subject): no container image; its config is of type \"\(manifest.config.mediaType)\"")
        }
        let layers = try manifest.imageLayers(subject: subject).map(\.descriptor)
        try checkSizes(manifest, subject)
        report(.resolved(origin: source.url.origin, digest: found.sourceDigest, layers: layers))
        try await fetch(manifest.config, source, reference)
        let store = store
        let config = try await BlockingFiles.run {
            try ImageConfig(
                parsing: store.blobs.contents(manifest.config.digest, maximumBytes: ImageConfig.maximumBytes), subject: subject)
        }
        try config.check(against: manifest, subject: subject)
        guard platform.runs(config.platform) else {
            throw ImagePullError(.notFound, "\(subject): it is an image for \(config.platform), not for \(platform)")
        }
        try await fetch(layers, of: ImageContents(manifest: manifest, config: config), source, reference)
        let stored = StoredImage(
            reference: reference.tag == nil ? reference.with(digest: found.sourceDigest) : Self.tagged(reference),
            manifest: Descriptor(
                mediaType: found.mediaType, digest: digest, size: Int64(found.bytes.count), platform: config.platform),
            id: manifest.config.digest, sourceDigest: found.sourceDigest, added: Int64(time(nil)))
        try await BlockingFiles.run {
            for document in found.documents { try store.blobs.add(document) }
            try store.references.set(stored)
        }
        return stored
    }

    /// "name:tag@digest" was pulled by its digest, and is found by its tag.
    private static func tagged(_ reference: ImageReference) -> ImageReference {
        reference.digest == nil ? reference : reference.with(tag: reference.tag ?? "latest")
    }

    // MARK: - Manifest

    struct Found: Sendable {
        var manifest: ImageManifest
        var bytes: [UInt8]
        var mediaType: String
        var digest: ContentDigest
        /// What the reference itself led to: the index's digest, or the manifest's.
        var sourceDigest: ContentDigest
        /// Indexes and manifest as they came.
        var documents: [[UInt8]]
    }

    private func resolve(_ source: RegistryClient.Source, _ reference: ImageReference) async throws -> Found {
        var name = reference.manifestName
        var documents: [[UInt8]] = []
        for _ in 0...ImageIndex.maximumDepth {
            let subject = "\(reference.name):\(name)"
            let (bytes, type) = try await client.manifest(reference, source, name: name, credentials: credentials)
            guard MediaType.manifests.contains(type) || type.isEmpty || type == "application/json" else {
                throw ImagePullError(.invalidContent, "\(subject): expected an image, found media type \"\(type.prefix(120))\"")
            }
            documents.append(bytes)
            switch try ImageDocument(parsing: bytes, subject: subject) {
            case .index(let index):
                name = try index.manifest(for: platform, subject: subject).digest.description
            case .manifest(let manifest):
                let mediaType = manifest.mediaType ?? (type.hasPrefix("application/vnd.") ? type : MediaType.ociManifest)
                return Found(
                    manifest: manifest, bytes: bytes, mediaType: mediaType, digest: ContentDigest(of: bytes),
                    sourceDigest: ContentDigest(of: documents[0]), documents: documents)
            }
        }
        throw ImagePullError(.invalidContent, "\(reference): indexes within indexes, more than \(ImageIndex.maximumDepth) deep")
    }

    private func checkSizes(_ manifest: ImageManifest, _ subject: String) throws {
        let limits = client.settings.limits
        guard manifest.config.size <= ImageConfig.maximumBytes else {
            throw ImageStoreError.tooLarge(subject: "\(subject): config", limit: "\(ImageConfig.maximumBytes) bytes")
        }
        var total: Int64 = 0
        var missing: Int64 = 0
        for layer in manifest.layers {
            guard layer.size <= limits.layerBytes else {
                throw ImageStoreError.tooLarge(subject: "\(subject): layer \(layer.digest)", limit: "\(limits.layerBytes) bytes")
            }
            total += layer.size
            if !store.blobs.contains(layer.digest) { missing += layer.size }
        }
        guard total <= limits.imageBytes else {
            throw ImageStoreError.tooLarge(subject: subject, limit: "\(limits.imageBytes) bytes")
        }
        var facts = statvfs()
        guard statvfs(store.directory, &facts) == 0 else { return }
        let free = Int64(clamping: UInt64(facts.f_bavail) &* UInt64(facts.f_frsize))
        guard missing + limits.reservedDiskBytes <= free else {
            throw ImagePullError(.noSpace, "\(subject): \(missing) bytes are missing and \(free) are free at \(store.directory)")
        }
    }

    // MARK: - Signature

    /// Signatures are fetched when the policy asks for them, and kept: the image can be verified later without the registry.
    private func checkSignature(_ found: Found, _ source: RegistryClient.Source, _ reference: ImageReference) async throws {
        guard let rule = signatures.rule(for: reference) else {
            if signatures.refusesUnlisted {
                throw ImagePullError(.signatureInvalid, "\(reference): no rule of image.signatures permits it")
            }
            return
        }
        guard case .keys = rule.requirement else { return try rule.permit(reference) }
        var reasons: [String] = []
        for digest in Set([found.sourceDigest, found.digest]).sorted() {
            let name = SignatureVerification.reference(reference, digest)
            do {
                let (bytes, type) = try await client.manifest(name, source, name: name.manifestName, credentials: credentials)
                let manifest = try ImageManifest(parsing: bytes, subject: name.description)
                for payload in manifest.layers.prefix(SignatureVerification.maximumSignatures) {
                    guard payload.size <= SignatureVerification.maximumPayloadBytes else { continue }
                    try await fetch(payload, source, name)
                }
                try await keep(bytes, type, manifest, name)
                let (store, signatures) = (store, signatures)
                return try await BlockingFiles.run {
                    try signatures.verify(reference, digests: [digest], blobs: store.blobs, references: store.references)
                }
            } catch let error where !(error is CancellationError) {
                reasons.append(PullFailure.describing(error, name.description).message)
            }
        }
        throw ImagePullError(
            .signatureInvalid, "\(reference): no signature that image.signatures accepts: \(reasons.joined(separator: "; "))")
    }

    private func keep(_ bytes: [UInt8], _ type: String, _ manifest: ImageManifest, _ name: ImageReference) async throws {
        let store = store
        try await BlockingFiles.run {
            let digest = try store.blobs.add(bytes)
            let descriptor = Descriptor(
                mediaType: manifest.mediaType ?? (type.isEmpty ? MediaType.ociManifest : type), digest: digest,
                size: Int64(bytes.count))
            try store.references.set(StoredImage(reference: name, manifest: descriptor, id: nil, added: Int64(time(nil))))
        }
    }
}
