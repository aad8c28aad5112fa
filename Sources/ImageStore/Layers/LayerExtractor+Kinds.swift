// How each kind of entry is made. Owner before mode (a change of owner clears set-id bits), attributes behind both (it clears
// capabilities too), the time last.
import CLinux
import Glibc

extension LayerExtractor {
    func placeDirectory(_ entry: LayerEntry, in parent: Int32) throws(ImageStoreError) {
        let name = entry.path.kernelName
        var isThere = entry.path.isRoot
        if !isThere, mkdirat(parent, name, 0o700) != 0 {
            var facts = stat()
            guard errno == EEXIST, fstatat(parent, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("mkdir", entry) }
            isThere = facts.st_mode & FileType.mask == FileType.directory
            if !isThere { _ = try make(entry, in: parent, "mkdir") { mkdirat(parent, $0, 0o700) } }
        }
        guard fchownat(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("chown", entry) }
        guard fchmodat(parent, name, entry.mode, 0) == 0 else { throw failure("chmod", entry) }
        if isThere, !isFirst { clinux_clear_attributes(parent, name) }
        try setAttributes(entry, in: parent)
        setTimeAtEnd(entry)
    }

    func placeFile(_ entry: LayerEntry, _ size: Int64, in parent: Int32, _ entries: ArchiveEntries) throws(ImageStoreError) {
        let file = try make(entry, in: parent, "create") {
            clinux_openat(parent, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        }
        defer { close(file) }
        var end: Int64 = 0
        try entries.data { (piece, offset) throws(ImageStoreError) in
            guard offset >= end, offset <= size, Int64(piece.count) <= size - offset else {
                throw refused(entry.path, "its data goes beyond its size of \(size) bytes, or back")
            }
            try write(piece, at: offset, to: file, entry)
            end = offset + Int64(piece.count)
        }
        if end < size, ftruncate(file, off_t(size)) != 0 { throw failure("truncate", entry) }
        guard fchown(file, entry.uid, entry.gid) == 0 else { throw failure("chown", entry) }
        guard fchmod(file, entry.mode) == 0 else { throw failure("chmod", entry) }
        try setAttributes(entry, in: parent)
        let moment = timespec(tv_sec: entry.seconds, tv_nsec: entry.nanoseconds)
        guard futimens(file, [moment, moment]) == 0 else { throw failure("utimens", entry) }
    }

    func placeSymbolicLink(_ entry: LayerEntry, _ target: [UInt8], in parent: Int32) throws(ImageStoreError) {
        let text = target.map { CChar(bitPattern: $0) } + [0]
        _ = try make(entry, in: parent, "symlink") { symlinkat(text, parent, $0) }
        try setOwnerAndTime(entry, in: parent)
    }

    func placeHardLink(_ entry: LayerEntry, _ target: EntryPath, in parent: Int32) throws(ImageStoreError) {
        let words = "its hard link's target \(target.text)"
        guard target != entry.path, !target.isRoot else { throw refused(entry.path, "\(words) is the link itself") }
        var isWhiteout = true
        do { isWhiteout = try Whiteout(target) != nil } catch { throw refused(entry.path, "\(words): \(error.reason)") }
        guard !isWhiteout else { throw refused(entry.path, "\(words) is a whiteout") }
        // The directory of the target takes the other's place in the root's cache.
        let place = clinux_open_below(parent, ".", clinux_o_path | O_DIRECTORY, 0)
        guard place >= 0 else { throw failure("open", entry) }
        defer { close(place) }
        var facts = stat()
        guard let source = try root.directory(target.parent), fstatat(source, target.kernelName, &facts, AT_SYMLINK_NOFOLLOW) == 0
        else {
            throw refused(entry.path, "\(words) is not there")
        }
        guard facts.st_mode & FileType.mask != FileType.directory else { throw refused(entry.path, "\(words) is a directory") }
        _ = try make(entry, in: place, "link") { linkat(source, target.kernelName, place, $0, 0) }
    }

    func placeDevice(_ entry: LayerEntry, _ isBlock: Bool, _ major: UInt32, _ minor: UInt32, in parent: Int32)
        throws(ImageStoreError)
    {
        guard isBlock || major != 0 || minor != 0 else {
            throw refused(entry.path, "it is character device 0:0, which would hide a file of the layers below")
        }
        switch policy.devices {
        case .leaveOut: return
        case .make: try placeNode(entry, isBlock ? FileType.block : FileType.character, clinux_device(major, minor), in: parent)
        case .refuse:
            throw refused(
                entry.path,
                "it is a device node (\(isBlock ? "block" : "character") \(major):\(minor)), which images may not have here: "
                    + "a container's devices come from its runtime; build the image without it")
        }
    }

    func placeNode(_ entry: LayerEntry, _ type: mode_t, _ device: dev_t, in parent: Int32) throws(ImageStoreError) {
        _ = try make(entry, in: parent, "mknod") { mknodat(parent, $0, type | 0o600, device) }
        guard fchownat(parent, entry.path.kernelName, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw failure("chown", entry)
        }
        guard fchmodat(parent, entry.path.kernelName, entry.mode, 0) == 0 else { throw failure("chmod", entry) }
        try setOwnerAndTime(entry, in: parent)
    }

    private func setOwnerAndTime(_ entry: LayerEntry, in parent: Int32) throws(ImageStoreError) {
        let name = entry.path.kernelName
        if case .symbolicLink = entry.kind, fchownat(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0 {
            throw failure("chown", entry)
        }
        try setAttributes(entry, in: parent)
        let moment = timespec(tv_sec: entry.seconds, tv_nsec: entry.nanoseconds)
        guard utimensat(parent, name, [moment, moment], AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("utimens", entry) }
    }

    private func setAttributes(_ entry: LayerEntry, in parent: Int32) throws(ImageStoreError) {
        for attribute in entry.attributes {
            // The kernel keeps user.* on files and directories only.
            switch entry.kind {
            case .file, .directory: break
            default: if attribute.name.hasPrefix("user.") { continue }
            }
            guard clinux_set_attribute(parent, entry.path.kernelName, attribute.name, attribute.value, attribute.value.count) == 0
            else {
                throw failure("setxattr \(attribute.name)", entry)
            }
        }
    }

    private func write(_ piece: UnsafeRawBufferPointer, at offset: Int64, to file: Int32, _ entry: LayerEntry)
        throws(ImageStoreError)
    {
        var done = 0
        while done < piece.count {
            let count = pwrite(file, piece.baseAddress?.advanced(by: done), piece.count - done, off_t(offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", entry) }
            done += count
        }
    }
}
