// Layers unpacked, each once, shared by all images and containers that have it above the same layers.
import CLinux
import Glibc

/// `<images>/layers/<chain id>/{fs/, layer.json}`: complete as soon as it has its name, and never changed afterwards. What is being
/// made is called `.new-<chain id>`; what a crash left of it goes when somebody unpacks that layer again, or with a collection.
///
/// Every call blocks. Safe between processes: a lock per chain id.
struct LayerSnapshots: Sendable {
    /// Another process unpacks the same layer meanwhile, or hangs.
    private static let lockMilliseconds = 30 * 60_000

    let directory: String

    init(directory: String) throws(ImageStoreError) {
        self.directory = directory
        // Of images' set-id programs and files, nobody but the node's root may reach any.
        try DurableFile.makeDirectories([directory, "\(directory)/.locks"], mode: 0o700)
    }

    /// What an unpacked layer is, beside its tree.
    struct Record: Sendable, Codable {
        var diffID: ContentDigest
        var parent: ContentDigest?
        /// Of the archive uncompressed.
        var bytes: Int64
        var entries: Int
    }

    /// The tree of an unpacked layer.
    func tree(_ chainID: ContentDigest) -> String { "\(path(chainID))/fs" }

    func contains(_ chainID: ContentDigest) -> Bool { access("\(path(chainID))/layer.json", F_OK) == 0 }

    private func path(_ chainID: ContentDigest) -> String { "\(directory)/\(chainID.algorithm.rawValue)-\(chainID.hex)" }

    /// Unpacks what of these layers (the `first` ones, or all) is not here yet, from the bottom to the top.
    func unpack(
        _ contents: ImageContents, first count: Int = .max, from blobs: BlobStore, subject: String, policy: ExtractionPolicy
    ) throws(ImageStoreError) -> LayerChain {
        let chain = LayerChain(diffIDs: contents.config.rootfs.diffIDs)
        let layers = try contents.manifest.imageLayers(subject: subject)
        for (index, chainID) in chain.ids.prefix(count).enumerated() where !contains(chainID) {
            let below = Array(chain.ids[..<index])
            let lock = try FileLock.wait("\(directory)/.locks/\(chainID.hex)", .exclusive, milliseconds: Self.lockMilliseconds)
            defer { withExtendedLifetime(lock) {} }
            if contains(chainID) { continue }
            let layer = LayerToUnpack(
                blob: layers[index].descriptor, diffID: contents.config.rootfs.diffIDs[index], chainID: chainID, below: below,
                subject: subject)
            try unpack(layer, from: blobs, policy)
        }
        return chain
    }

    private struct LayerToUnpack {
        var blob: Descriptor
        var diffID: ContentDigest
        var chainID: ContentDigest
        var below: [ContentDigest]
        var subject: String
    }

    /// The caller holds the layer's lock.
    private func unpack(_ layer: LayerToUnpack, from blobs: BlobStore, _ policy: ExtractionPolicy) throws(ImageStoreError) {
        let subject = "\(layer.subject): layer \(layer.blob.digest)"
        let new = "\(directory)/.new-\(layer.chainID.hex)"
        try TreeRemoval.remove(new)
        do throws(ImageStoreError) {
            try DurableFile.makeDirectories([new], mode: 0o700)
            try DurableFile.makeDirectories(["\(new)/fs", "\(new)/work"])
            var record = Record(diffID: layer.diffID, parent: layer.below.last, bytes: 0, entries: 0)
            do {
                let root = try openRoot(new, below: layer.below, subject)
                (record.bytes, record.entries) = try extract(layer, onto: root, from: blobs, subject, policy)
            }
            try TreeRemoval.remove("\(new)/work")
            try DurableFile.replace("\(new)/layer.json", with: try ImageDocument.encode(record, new))
            try publish(new, as: path(layer.chainID))
        } catch {
            // What is left of it goes with the next try, if it cannot go now.
            try? TreeRemoval.remove(new)
            throw error
        }
    }

    /// The lowest layer is written as it is; one above others through an overlay of them, in which the kernel itself makes of what is
    /// removed, replaced and linked what the layer has to hold.
    private func openRoot(_ new: String, below: [ContentDigest], _ subject: String) throws(ImageStoreError) -> TreeRoot {
        guard !below.isEmpty else { return try TreeRoot(path: "\(new)/fs", subject: subject) }
        // Its own root directory keeps what those below say until the archive says something else.
        try Self.copyRootFacts(from: tree(below[below.count - 1]), to: "\(new)/fs", idShift: 0)
        return TreeRoot(
            fd: try Overlay.make(lower: below.reversed().map(tree), upper: "\(new)/fs", work: "\(new)/work"), subject: subject)
    }

    /// All layers into one tree, for a container's own: where overlays cannot be.
    func copy(
        _ contents: ImageContents, to tree: String, from blobs: BlobStore, subject: String, policy: ExtractionPolicy
    ) throws(ImageStoreError) {
        let chain = LayerChain(diffIDs: contents.config.rootfs.diffIDs)
        for (index, layer) in try contents.manifest.imageLayers(subject: subject).enumerated() {
            let layer = LayerToUnpack(
                blob: layer.descriptor, diffID: contents.config.rootfs.diffIDs[index], chainID: chain.ids[index],
                below: Array(chain.ids[..<index]), subject: subject)
            let subject = "\(subject): layer \(layer.blob.digest)"
            _ = try extract(layer, onto: try TreeRoot(path: tree, subject: subject), from: blobs, subject, policy)
        }
    }

    private func extract(
        _ layer: LayerToUnpack, onto root: TreeRoot, from blobs: BlobStore, _ subject: String, _ policy: ExtractionPolicy
    ) throws(ImageStoreError) -> (bytes: Int64, entries: Int) {
        let reader = try blobs.reader(layer.blob.digest)
        let check = { () throws(ImageStoreError) in try Self.checkSpace(directory, reserve: policy.limits.reservedFreeBytes) }
        try check()
        let stream = try ArchiveStream(subject: subject, limits: policy.limits, check: check) {
            (buffer) throws(ImageStoreError) in
            try reader.read(into: buffer)
        }
        // Uncompressed and hashed by one thread, written by this one.
        let ahead = ReadAhead { (buffer) throws(ImageStoreError) in try stream.fill(buffer) }
        let entries = try ArchiveEntries(
            { () throws(ImageStoreError) in try ahead.next() }, subject: subject, limits: policy.limits)
        try LayerExtractor(root: root, subject: subject, policy: policy, isFirst: layer.below.isEmpty).extract(entries)
        while try ahead.next() != nil {}
        ahead.finish()
        try stream.drain()
        guard stream.diffID == layer.diffID else {
            throw .digestMismatch(subject: "\(subject) uncompressed (its diff id)", expected: layer.diffID, found: stream.diffID)
        }
        return (stream.uncompressedBytes, entries.count)
    }

    /// Only what is on the disk gets its name: a crash leaves all of a layer or none.
    private func publish(_ new: String, as final: String) throws(ImageStoreError) {
        let opened = clinux_open(new, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard opened >= 0 else { throw .inputOutput(file: new, operation: "open", errno: errno) }
        defer { close(opened) }
        guard clinux_sync_file_system(opened) == 0 else { throw .inputOutput(file: new, operation: "syncfs", errno: errno) }
        // Without its record a directory of that name is what a half-done removal left.
        try TreeRemoval.remove(final)
        guard rename(new, final) == 0 else { throw .inputOutput(file: final, operation: "rename", errno: errno) }
        try DurableFile.synchronizeDirectory(directory)
    }

    private static func checkSpace(_ path: String, reserve: Int64) throws(ImageStoreError) {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { throw .inputOutput(file: path, operation: "statvfs", errno: errno) }
        let free = Int64(clamping: facts.f_bavail) * Int64(clamping: facts.f_frsize)
        guard free > reserve else {
            throw .inputOutput(
                file: "\(path): \(free) bytes free, \(reserve) are kept for others", operation: "unpack", errno: ENOSPC)
        }
    }

    /// Owner, mode and time of an image's root directory, for the directory that takes its place in an overlay.
    static func copyRootFacts(from source: String, to target: String, idShift: UInt32) throws(ImageStoreError) {
        var facts = stat()
        guard stat(source, &facts) == 0 else { throw .inputOutput(file: source, operation: "stat", errno: errno) }
        guard chown(target, facts.st_uid &+ idShift, facts.st_gid &+ idShift) == 0, chmod(target, facts.st_mode & 0o7777) == 0,
            utimensat(AT_FDCWD, target, [facts.st_mtim, facts.st_mtim], 0) == 0
        else { throw .inputOutput(file: target, operation: "chown", errno: errno) }
    }

    // MARK: - Collection

    /// All that have a name, complete or not.
    func chainIDs() throws(ImageStoreError) -> [ContentDigest] {
        try DirectoryListing.names(directory).compactMap { name in
            name.firstIndex(of: "-").flatMap { ContentDigest("\(name[..<$0]):\(name[name.index(after: $0)...])") }
        }
    }

    func record(_ chainID: ContentDigest) throws(ImageStoreError) -> Record? {
        let path = "\(path(chainID))/layer.json"
        guard let bytes = try DurableFile.contents(path, maximumBytes: 1 << 16) else { return nil }
        return try ImageDocument.decode(Record.self, bytes, path)
    }

    /// The caller holds the store's exclusive lock. The record goes first: without it the layer is not there.
    func remove(_ chainID: ContentDigest) throws(ImageStoreError) {
        unlink("\(path(chainID))/layer.json")
        try TreeRemoval.remove(path(chainID))
        unlink("\(directory)/.locks/\(chainID.hex)")
    }

    /// What crashes left. The caller holds the store's exclusive lock, so nobody is unpacking.
    func removeUnfinished() throws(ImageStoreError) {
        let opened = clinux_open(directory, clinux_o_path | O_DIRECTORY | O_CLOEXEC, 0)
        guard opened >= 0 else { throw .inputOutput(file: directory, operation: "open", errno: errno) }
        defer { close(opened) }
        for name in try TreeRemoval.names(in: opened, subject: directory) where name.starts(with: ".new-".utf8CString.dropLast())
        {
            try TreeRemoval.remove(name, in: opened, subject: directory)
        }
    }
}
