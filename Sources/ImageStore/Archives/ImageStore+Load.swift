// Images from files: what `docker save`, `podman save`, `skopeo copy` and `swiftlet image save` write.
import CLinux
import Glibc
import JSON

extension ImageStore {
    /// Bytes of the two small files that say what an archive holds.
    private static let maximumIndexBytes = 4 << 20

    /// Takes the images of a docker-archive or an oci-archive in (plain, gzip or zstd) and gives them the archive's names, or `name` when it
    /// holds one image. All of them, or on an error none. `now` in seconds since 1970. Reads from the descriptor's present place.
    public func load(
        fd: Int32, subject: String, name: ImageReference? = nil, platform: ImagePlatform = .current, now: Int64
    ) throws(ImageStoreError) -> [StoredImage] {
        let lock = try holdContents()
        defer { withExtendedLifetime(lock) {} }
        let directory = try LoadingDirectory(in: directory)
        let archive = try ArchiveContents(fd: fd, subject: subject, in: directory, limits: extractionPolicy.limits)
        var images: [StoredImage]
        if let text = try archive.bytes("manifest.json", maximumBytes: Self.maximumIndexBytes) {
            images = try loadDocker(text, archive, now)
        } else if let text = try archive.bytes("index.json", maximumBytes: Self.maximumIndexBytes) {
            images = try loadLayout(try ImageIndex(parsing: text, subject: "\(subject): index.json"), archive, platform, now)
        } else {
            throw .unsupported(
                subject: subject,
                reason: "it is no image archive: neither manifest.json nor index.json is in it; a plain file tree is imported")
        }
        guard !images.isEmpty else { throw .invalid(file: subject, field: "images", reason: "there is none in it") }
        if let name {
            guard Set(images.map(\.id)).count == 1, var image = images.first else {
                throw .invalid(
                    file: subject, field: "name", reason: "the archive holds \(images.count) images, so one name cannot be theirs"
                )
            }
            image.reference = name
            images = [image]
        }
        for image in images { try references.set(image) }
        return images
    }

    // MARK: - docker-archive

    private struct DockerImage: Decodable {
        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case repoTags = "RepoTags"
            case layers = "Layers"
        }
        var config: String
        var repoTags: [String]?
        var layers: [String]?
    }

    private func loadDocker(_ text: [UInt8], _ archive: ArchiveContents, _ now: Int64) throws(ImageStoreError) -> [StoredImage] {
        var result: [StoredImage] = []
        for (index, image) in try ImageDocument.decode([DockerImage].self, text, "\(archive.subject): manifest.json").enumerated()
        {
            let field = "manifest.json[\(index)]"
            let configFile = try archive.required(image.config, as: "\(field).Config")
            let bytes = try LoadingDirectory.contents(configFile, maximumBytes: ImageConfig.maximumBytes)
            let config = try ImageConfig(parsing: bytes, subject: "\(archive.subject): \(image.config)")
            var layers: [Descriptor] = []
            var files = [configFile]
            for (number, name) in (image.layers ?? []).enumerated() {
                let file = try archive.required(name, as: "\(field).Layers[\(number)]")
                layers.append(
                    Descriptor(mediaType: try Self.compression(of: file).ociMediaType, digest: file.digest, size: file.size))
                files.append(file)
            }
            let manifest = ImageManifest(
                config: Descriptor(mediaType: MediaType.ociConfig, digest: configFile.digest, size: configFile.size),
                layers: layers)
            try config.check(against: manifest, subject: "\(archive.subject): \(field)")
            // A tar that is stored as it is has its diff id as digest: what is not what the config says is found here.
            for (layer, diffID) in zip(layers, config.rootfs.diffIDs)
            where layer.mediaType == MediaType.ociLayer && layer.digest != diffID {
                throw .digestMismatch(subject: "\(archive.subject): \(field): layer", expected: diffID, found: layer.digest)
            }
            for file in files { try blobs.adopt(file) }
            let stored = try ImageDocument.encode(manifest, archive.subject)
            let descriptor = Descriptor(
                mediaType: MediaType.ociManifest, digest: try blobs.add(stored), size: Int64(stored.count))
            for name in try Self.names(image.repoTags ?? [], descriptor, archive.subject) {
                result.append(StoredImage(reference: name, manifest: descriptor, id: configFile.digest, added: now))
            }
        }
        return result
    }

    private static func names(_ tags: [String], _ manifest: Descriptor, _ subject: String) throws(ImageStoreError)
        -> [ImageReference]
    {
        var names: [ImageReference] = []
        for text in tags.isEmpty ? ["localhost/loaded@\(manifest.digest)"] : tags {
            do throws(ImageReference.Malformed) { names.append(try ImageReference(text)) } catch {
                throw .invalid(file: subject, field: "RepoTags", reason: error.description)
            }
        }
        return names
    }

    /// By its first bytes: this archive does not say.
    private static func compression(of file: LoadingDirectory.File) throws(ImageStoreError) -> LayerCompression {
        let opened = clinux_open(file.path, O_RDONLY | O_CLOEXEC, 0)
        guard opened >= 0 else { throw .inputOutput(file: file.path, operation: "open", errno: errno) }
        defer { close(opened) }
        var magic = [UInt8](repeating: 0, count: 4)
        guard read(opened, &magic, 4) >= 0 else { throw .inputOutput(file: file.path, operation: "read", errno: errno) }
        if magic[0] == 0x1f, magic[1] == 0x8b { return .gzip }
        return magic == [0x28, 0xb5, 0x2f, 0xfd] ? .zstd : .none
    }

    // MARK: - oci-archive

    private func loadLayout(
        _ index: ImageIndex, _ archive: ArchiveContents, _ platform: ImagePlatform, _ now: Int64
    ) throws(ImageStoreError) -> [StoredImage] {
        var result: [StoredImage] = []
        for (number, entry) in index.manifests.enumerated()
        where MediaType.isManifest(entry.mediaType) || MediaType.isIndex(entry.mediaType) {
            let descriptor = try manifest(entry, archive, platform)
            let file = try blob(descriptor, archive)
            let manifest = try ImageManifest(
                parsing: try LoadingDirectory.contents(file, maximumBytes: ImageManifest.maximumBytes),
                subject: "\(archive.subject): \(descriptor.digest)")
            for part in [manifest.config] + manifest.layers { try blobs.adopt(try blob(part, archive)) }
            try blobs.adopt(file)
            let stored = Descriptor(mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size)
            result.append(
                StoredImage(
                    reference: try Self.name(entry, number, archive.subject), manifest: stored,
                    id: manifest.isContainerImage ? manifest.config.digest : nil, sourceDigest: entry.digest, added: now))
        }
        return result
    }

    private func manifest(_ entry: Descriptor, _ archive: ArchiveContents, _ platform: ImagePlatform) throws(ImageStoreError)
        -> Descriptor
    {
        var descriptor = entry
        for _ in 0...ImageIndex.maximumDepth {
            if MediaType.isManifest(descriptor.mediaType) { return descriptor }
            let file = try blob(descriptor, archive)
            let bytes = try LoadingDirectory.contents(file, maximumBytes: ImageManifest.maximumBytes)
            let index = try ImageIndex(parsing: bytes, subject: "\(archive.subject): \(descriptor.digest)")
            descriptor = try index.manifest(for: platform, subject: archive.subject)
            // The index stays beside its manifest: a status names the image by its digest.
            try blobs.adopt(file)
        }
        throw .unsupported(
            subject: archive.subject, reason: "indexes lie more than \(ImageIndex.maximumDepth) deep in each other")
    }

    private func blob(_ descriptor: Descriptor, _ archive: ArchiveContents) throws(ImageStoreError) -> LoadingDirectory.File {
        let digest = descriptor.digest
        let file = try archive.required("blobs/\(digest.algorithm.rawValue)/\(digest.hex)", as: "descriptor")
        guard digest.algorithm == .sha256 else {
            throw .unsupported(
                subject: "\(archive.subject): \(digest)", reason: "archives with \(digest.algorithm.rawValue) are not loaded")
        }
        guard file.digest == digest else {
            throw .digestMismatch(subject: "\(archive.subject): blob", expected: digest, found: file.digest)
        }
        guard file.size == descriptor.size else {
            throw .sizeMismatch(subject: "\(archive.subject): \(digest)", expected: descriptor.size, found: file.size)
        }
        return file
    }

    /// containerd's annotation holds the whole name, the spec's a tag or (as skopeo writes it) a whole name.
    private static func name(_ entry: Descriptor, _ number: Int, _ subject: String) throws(ImageStoreError) -> ImageReference {
        let annotations = entry.annotations ?? [:]
        let given = annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"]
        var text = given ?? "localhost/loaded@\(entry.digest)"
        if let given, !given.contains("/"), !given.contains(":") { text = "localhost/loaded:\(given)" }
        do throws(ImageReference.Malformed) { return try ImageReference(text) } catch {
            throw .invalid(file: subject, field: "manifests[\(number)].annotations", reason: error.description)
        }
    }
}
