// Images to a file that everybody loads: an OCI layout with Docker's manifest.json beside it, as `docker save` writes it today.
import CArchive
import Glibc
import JSON

extension ImageStore {
    /// Writes the images as a tar to the descriptor. Every content's digest is checked on the way.
    public func save(_ images: [StoredImage], to fd: Int32, subject: String) throws(ImageStoreError) {
        let lock = try holdContents()
        defer { withExtendedLifetime(lock) {} }
        let writer = try ArchiveWriter(fd: fd, subject: subject)
        var written: Set<ContentDigest> = []
        var docker: [DockerEntry] = []
        var index: [Descriptor] = []
        for image in images {
            let contents = try contents(of: image)
            for part in [image.manifest, contents.manifest.config] + contents.manifest.layers
            where written.insert(part.digest).inserted {
                try writer.add(Self.name(part.digest), blobs.reader(part.digest))
            }
            docker.append(
                DockerEntry(
                    config: Self.name(contents.manifest.config.digest),
                    repoTags: image.reference.tag == nil ? [] : [image.reference.familiar],
                    layers: contents.manifest.layers.map { Self.name($0.digest) }))
            var descriptor = image.manifest
            descriptor.annotations = [
                "io.containerd.image.name": image.reference.description,
                "org.opencontainers.image.ref.name": image.reference.tag ?? image.reference.manifestName,
            ]
            index.append(descriptor)
        }
        try writer.add("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        try writer.add("index.json", try ImageDocument.encode(ImageIndex(manifests: index), subject))
        try writer.add("manifest.json", try ImageDocument.encode(docker, subject))
        try writer.finish()
    }

    private struct DockerEntry: Encodable {
        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case repoTags = "RepoTags"
            case layers = "Layers"
        }
        var config: String
        var repoTags: [String]
        var layers: [String]
    }

    private static func name(_ digest: ContentDigest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }
}

/// A tar on its way out, with times of 0: equal images are equal archives. Serves one thread.
private final class ArchiveWriter {
    private let archive: OpaquePointer
    private let subject: String

    init(fd: Int32, subject: String) throws(ImageStoreError) {
        guard let archive = archive_write_new() else { throw .inputOutput(file: subject, operation: "archive", errno: ENOMEM) }
        self.archive = archive
        self.subject = subject
        archive_write_set_format_pax_restricted(archive)
        archive_write_add_filter_none(archive)
        // A pipe's reader wants the end, not a whole block of zeros.
        archive_write_set_bytes_in_last_block(archive, 1)
        guard archive_write_open_fd(archive, fd) == ARCHIVE_OK else { throw failure() }
    }

    deinit { archive_write_free(archive) }

    func add(_ name: String, _ bytes: [UInt8]) throws(ImageStoreError) {
        try header(name, Int64(bytes.count))
        let written = bytes.withUnsafeBytes { piece in
            piece.isEmpty || archive_write_data(archive, piece.baseAddress, piece.count) == piece.count
        }
        guard written else { throw failure() }
    }

    func add(_ name: String, _ reader: BlobReader) throws(ImageStoreError) {
        try header(name, reader.size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try reader.read(into: buffer)
            if count == 0 { return }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    func finish() throws(ImageStoreError) {
        guard archive_write_close(archive) == ARCHIVE_OK else { throw failure() }
    }

    private func header(_ name: String, _ size: Int64) throws(ImageStoreError) {
        let entry = archive_entry_new()
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, name)
        archive_entry_set_size(entry, size)
        archive_entry_set_filetype(entry, FileType.regular)
        archive_entry_set_perm(entry, 0o644)
        archive_entry_set_mtime(entry, 0, 0)
        guard archive_write_header(archive, entry) == ARCHIVE_OK else { throw failure() }
    }

    private func write(_ piece: UnsafeRawBufferPointer) throws(ImageStoreError) {
        guard piece.isEmpty || archive_write_data(archive, piece.baseAddress, piece.count) == piece.count else { throw failure() }
    }

    private func failure() -> ImageStoreError {
        let code = archive_errno(archive)
        return .inputOutput(file: subject, operation: "write", errno: code > 0 ? code : EIO)
    }
}
