// The names of the store's images: `index.json` of the OCI layout, replaced as a whole, so that an image is there or is not.
import Glibc
import Synchronization

/// Every call blocks on the disk. Safe between processes: writers take turns by a lock beside the file, readers need none.
public final class ImageReferences: Sendable {
    /// A node with more names than that has lost its garbage collector.
    static let maximumBytes = 64 << 20
    static let lockMilliseconds = 10_000

    private struct Cached: Sendable {
        var inode: UInt64
        var images: [StoredImage]
    }

    private let path: String
    private let lockPath: String
    private let cache = Mutex<Cached?>(nil)

    /// `directory` is the layout's.
    init(directory: String) {
        path = "\(directory)/index.json"
        lockPath = "\(directory)/index.lock"
    }

    /// By name.
    public func all() throws(ImageStoreError) -> [StoredImage] {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            if errno == ENOENT { return [] }
            throw .inputOutput(file: path, operation: "stat", errno: errno)
        }
        // Each replacement is a new file made while the old one still had its inode: the number tells them apart but for long runs of
        // replacements, and the time of change for those.
        let inode =
            UInt64(facts.st_ino) &* 0x9E37_79B9_7F4A_7C15
            ^ UInt64(bitPattern: Int64(facts.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(facts.st_ctim.tv_nsec))
        if let known = cache.withLock({ $0 }), known.inode == inode { return known.images }
        let images = try read()
        cache.withLock { $0 = Cached(inode: inode, images: images) }
        return images
    }

    public func image(_ reference: ImageReference) throws(ImageStoreError) -> StoredImage? {
        try all().first { $0.reference == reference }
    }

    /// Gives the image its name, durably; whatever had that name has it no longer.
    public func set(_ image: StoredImage) throws(ImageStoreError) {
        try change { images in
            images.removeAll { $0.reference == image.reference }
            images.append(image)
        }
    }

    /// Whether there was such a name.
    @discardableResult
    public func remove(_ reference: ImageReference) throws(ImageStoreError) -> Bool {
        var found = false
        try change { images in
            let before = images.count
            images.removeAll { $0.reference == reference }
            found = images.count < before
        }
        return found
    }

    /// All names at once under the lock: for the garbage collector. Names are stored sorted.
    public func change(_ body: (inout [StoredImage]) -> Void) throws(ImageStoreError) {
        let lock = try FileLock.wait(lockPath, .exclusive, milliseconds: Self.lockMilliseconds)
        defer { withExtendedLifetime(lock) {} }
        var images = try read()
        let before = images
        body(&images)
        guard images != before else { return }
        let index = ImageIndex(manifests: images.sorted { $0.reference.description < $1.reference.description }.map(\.descriptor))
        try DurableFile.replace(path, with: try ImageDocument.encode(index, path))
    }

    private func read() throws(ImageStoreError) -> [StoredImage] {
        guard let bytes = try DurableFile.contents(path, maximumBytes: Self.maximumBytes) else { return [] }
        let index = try ImageDocument.decode(ImageIndex.self, bytes, path, maximumBytes: Self.maximumBytes)
        return index.manifests.compactMap { StoredImage($0) }
    }
}
