// Roots for containers: unpacked once, made in milliseconds from then on.
import CLinux
import Glibc

extension ImageStore {
    /// Unpacks what of the image's layers is not unpacked yet. Blocks for seconds to minutes the first time. Throws what is wrong with a
    /// layer, naming layer and entry; nothing of that layer is kept then.
    public func unpack(_ image: StoredImage) throws(ImageStoreError) {
        let contents = try contents(of: image)
        try unpack(contents, layers: contents.manifest.layers.count, subject: image.reference.description)
    }

    /// The same for so many layers from the bottom, whose blobs are here while others may still be on their way.
    public func unpack(_ contents: ImageContents, layers count: Int, subject: String) throws(ImageStoreError) {
        guard overlaysWork else { return }
        let lock = try holdContents()
        defer { withExtendedLifetime(lock) {} }
        _ = try layers.unpack(contents, first: count, from: blobs, subject: subject, policy: extractionPolicy)
    }

    /// The root of a container; the same one when it was prepared before. `id` is a file name. What the container writes lies in
    /// `place`, a directory of the runtime's (nil: one of the store's). `idShift` is added to owner and group of the writable layer's root
    /// directory: what the task's 0 is on the host, when layers are mounted id-mapped and this one is not.
    public func prepareRootfs(
        _ image: StoredImage, id: String, in place: String? = nil, sizeLimit: Int64? = nil, idShift: UInt32 = 0
    ) throws(ImageStoreError) -> Rootfs {
        try Self.checkName(id)
        let lock = try holdContents()
        defer { withExtendedLifetime(lock) {} }
        if let known = try rootfs(id) { return known }
        let contents = try contents(of: image)
        let subject = image.reference.description
        let chain =
            overlaysWork
            ? try layers.unpack(contents, from: blobs, subject: subject, policy: extractionPolicy)
            : LayerChain(diffIDs: contents.config.rootfs.diffIDs)
        let directory = rootfsDirectory(id)
        try TreeRemoval.remove(directory)
        try DurableFile.makeDirectories([directory], mode: 0o700)
        let (upper, work, mountPoint) = (
            "\(place ?? directory)/upper", "\(place ?? directory)/upper.work", "\(place ?? directory)/rootfs"
        )
        // Half of an earlier try.
        for path in [upper, work] { try TreeRemoval.remove(path) }
        try DurableFile.makeDirectories([upper, work, mountPoint])
        var rootfs = Rootfs(
            id: id, imageID: contents.manifest.config.digest, form: .directory(upper), mountPoint: mountPoint, layers: chain.ids,
            sizeLimit: sizeLimit)
        if overlaysWork {
            let trees = chain.ids.reversed().map { layers.tree($0) }
            if let top = trees.first { try LayerSnapshots.copyRootFacts(from: top, to: upper, idShift: idShift) }
            rootfs.form = .overlay(lower: trees.isEmpty ? [try emptyLayer()] : trees, upper: upper, work: work)
        } else {
            try layers.copy(contents, to: upper, from: blobs, subject: subject, policy: extractionPolicy)
        }
        // The record last: without it the directory is a half-done one.
        try DurableFile.replace("\(directory)/rootfs.json", with: try ImageDocument.encode(rootfs, directory))
        return rootfs
    }

    /// What was prepared under that id.
    public func rootfs(_ id: String) throws(ImageStoreError) -> Rootfs? {
        try Self.checkName(id)
        let path = "\(rootfsDirectory(id))/rootfs.json"
        guard let bytes = try DurableFile.contents(path, maximumBytes: 1 << 20) else { return nil }
        return try ImageDocument.decode(Rootfs.self, bytes, path)
    }

    /// All that were prepared and not removed.
    public func rootfses() throws(ImageStoreError) -> [Rootfs] {
        var result: [Rootfs] = []
        for name in try DirectoryListing.names("\(directory)/containers") {
            if let rootfs = try rootfs(name) { result.append(rootfs) }
        }
        return result
    }

    /// Unmounts and removes it with all that the container wrote; what is not there is no error.
    public func removeRootfs(_ id: String) throws(ImageStoreError) {
        guard let rootfs = try rootfs(id) else { return try TreeRemoval.remove(rootfsDirectory(id)) }
        try unmount(rootfs.mountPoint)
        if case .overlay(_, _, let work) = rootfs.form { try TreeRemoval.remove(work) }
        try TreeRemoval.remove(rootfs.writable)
        rmdir(rootfs.mountPoint)
        // The record last: as long as it is there, a restart finds what is left to remove.
        try TreeRemoval.remove(rootfsDirectory(id))
    }

    /// What the container wrote, in bytes and inodes on the disk. Walks the writable layer.
    public func rootfsUsage(_ id: String) throws(ImageStoreError) -> (bytes: Int64, inodes: Int64) {
        guard let rootfs = try rootfs(id) else { throw .notFound("root of container \(id)") }
        return try DiskUsage.of(rootfs.writable)
    }

    /// Mounts it in the caller's mount namespace at its `mountPoint`, once; gives the place. For runtimes that want a directory.
    @discardableResult
    public func mountRootfs(_ rootfs: Rootfs) throws(ImageStoreError) -> String {
        switch rootfs.form {
        case .directory(let path): return path
        case .overlay(let lower, let upper, let work):
            guard try !isMounted(rootfs.mountPoint) else { return rootfs.mountPoint }
            let mount = try Overlay.make(lower: lower, upper: upper, work: work)
            defer { close(mount) }
            guard clinux_attach_mount(mount, rootfs.mountPoint) == 0 else {
                throw .inputOutput(file: rootfs.mountPoint, operation: "mount", errno: errno)
            }
            return rootfs.mountPoint
        }
    }

    /// Undoes `mountRootfs`.
    public func unmountRootfs(_ rootfs: Rootfs) throws(ImageStoreError) { try unmount(rootfs.mountPoint) }

    // MARK: - Places

    func rootfsDirectory(_ id: String) -> String { "\(directory)/containers/\(id)" }

    /// For an image without layers: overlays want one.
    private func emptyLayer() throws(ImageStoreError) -> String {
        let path = "\(directory)/layers/.empty"
        try DurableFile.makeDirectories([path])
        return path
    }

    private static func checkName(_ id: String) throws(ImageStoreError) {
        let isName =
            !id.isEmpty && id.utf8.count <= 255 && !id.hasPrefix(".") && !id.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
        guard isName else {
            throw .invalid(file: "container", field: "id", reason: "expected a file name, found \"\(id.prefix(260))\"")
        }
    }

    /// A mount point has another device than its parent.
    private func isMounted(_ path: String) throws(ImageStoreError) -> Bool {
        var (own, above) = (stat(), stat())
        guard lstat(path, &own) == 0, lstat(path + "/..", &above) == 0 else {
            if errno == ENOENT { return false }
            throw .inputOutput(file: path, operation: "stat", errno: errno)
        }
        return own.st_dev != above.st_dev
    }

    private func unmount(_ path: String) throws(ImageStoreError) {
        while try isMounted(path) {
            guard clinux_unmount(path) == 0 else { throw .inputOutput(file: path, operation: "umount", errno: errno) }
        }
    }
}
