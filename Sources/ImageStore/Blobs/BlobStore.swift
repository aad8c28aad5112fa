// Contents by digest, in the layout of the OCI image spec (`blobs/sha256/<hex>`): once there they are whole and never change.
import CLinux
import Glibc
import Synchronization

/// `<directory>/{oci-layout, blobs/<algorithm>/<hex>, ingest/<algorithm>-<hex>}`. Every call blocks on the disk. Safe between processes.
public final class BlobStore: Sendable {
    public let directory: String
    private let additions = Atomic(0)

    public init(directory: String) throws(ImageStoreError) {
        self.directory = directory
        let algorithms = ContentDigest.Algorithm.allCases.map { "\(directory)/blobs/\($0.rawValue)" }
        try DurableFile.makeDirectories([directory, "\(directory)/blobs", "\(directory)/ingest"] + algorithms)
        let layout = "\(directory)/oci-layout"
        if access(layout, F_OK) != 0 {
            try DurableFile.replace(layout, with: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        }
    }

    public func path(of digest: ContentDigest) -> String { "\(directory)/blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }
    func ingestPath(of digest: ContentDigest) -> String { "\(directory)/ingest/\(digest.algorithm.rawValue)-\(digest.hex)" }

    /// Bytes; nil when it is not here.
    public func size(of digest: ContentDigest) -> Int64? {
        var facts = stat()
        return stat(path(of: digest), &facts) == 0 ? Int64(facts.st_size) : nil
    }

    public func contains(_ digest: ContentDigest) -> Bool { size(of: digest) != nil }

    /// A small content whole, its digest checked. Throws `notFound`, `tooLarge`, `digestMismatch`.
    public func contents(_ digest: ContentDigest, maximumBytes: Int = ImageManifest.maximumBytes) throws(ImageStoreError)
        -> [UInt8]
    {
        guard let bytes = try DurableFile.contents(path(of: digest), maximumBytes: maximumBytes) else {
            throw .notFound("blob \(digest)")
        }
        var running = RunningDigest(digest.algorithm)
        running.update(bytes)
        let found = running.finish()
        guard found == digest else { throw .digestMismatch(subject: "blob \(digest)", expected: digest, found: found) }
        return bytes
    }

    /// Piece by piece; whether it is what its name says is known at the end.
    public func reader(_ digest: ContentDigest) throws(ImageStoreError) -> BlobReader {
        try BlobReader(store: self, digest: digest)
    }

    /// Takes a small content in.
    @discardableResult
    public func add(_ bytes: [UInt8]) throws(ImageStoreError) -> ContentDigest {
        let digest = ContentDigest(of: bytes)
        // Contents of one digest are equal, so it does not matter which of two writers comes last; each writes to a file of its own.
        if size(of: digest) != Int64(bytes.count) {
            let number = additions.wrappingAdd(1, ordering: .relaxed).newValue
            try DurableFile.replace(path(of: digest), with: bytes, temporary: "\(directory)/ingest/add-\(getpid())-\(number)")
        }
        return digest
    }

    /// All that are here, in no order. Names that are no digest are passed over.
    public func digests() throws(ImageStoreError) -> [ContentDigest] {
        var result: [ContentDigest] = []
        for algorithm in ContentDigest.Algorithm.allCases {
            for name in try DirectoryListing.names("\(directory)/blobs/\(algorithm.rawValue)") {
                if let digest = ContentDigest(algorithm: algorithm, hex: name) { result.append(digest) }
            }
        }
        return result
    }

    /// The caller holds the store's exclusive lock: nobody may be counting on it. A content that is not here is no error.
    public func remove(_ digest: ContentDigest) throws(ImageStoreError) {
        let path = path(of: digest)
        guard unlink(path) == 0 || errno == ENOENT else { throw .inputOutput(file: path, operation: "unlink", errno: errno) }
    }

    /// Half contents whose last byte came more than `age` seconds ago and that nobody is writing: what a pull given up for good left.
    /// Returns the bytes that were freed.
    public func removeAbandonedIngests(olderThan age: Int64, now: Int64) throws(ImageStoreError) -> Int64 {
        var freed: Int64 = 0
        for name in try DirectoryListing.names("\(directory)/ingest") {
            let path = "\(directory)/ingest/\(name)"
            let file = clinux_open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0)
            guard file >= 0 else { continue }
            defer { close(file) }
            var facts = stat()
            guard fstat(file, &facts) == 0, now - Int64(facts.st_mtim.tv_sec) > age, clinux_flock(file, LOCK_EX | LOCK_NB) == 0
            else { continue }
            if unlink(path) == 0 { freed += Int64(facts.st_size) }
        }
        return freed
    }
}

/// The names in a directory, without those that begin with a dot.
enum DirectoryListing {
    static func names(_ path: String) throws(ImageStoreError) -> [String] {
        guard let stream = opendir(path) else { throw .inputOutput(file: path, operation: "opendir", errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // SAFETY: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}
