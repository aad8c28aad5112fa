// A tar's entries one by one, checked: libarchive reads the dialects (ustar, pax, GNU, sparse files), this says what is taken of them.
import CArchive
import Glibc

/// Serves one thread. An entry's data is read by `data` before the next entry is asked for.
final class ArchiveEntries {
    /// The next bytes of the tar, valid until the next call; nil at the end.
    typealias Pieces = () throws(ImageStoreError) -> UnsafeRawBufferPointer?

    private static let blockBytes = 512
    /// Attributes that an image may carry; all others belong to the node (trusted.*, user.overlay.*) or to its security module.
    private static func isTaken(attribute name: String) -> Bool {
        name == "security.capability" || name == "system.posix_acl_access" || name == "system.posix_acl_default"
            || (name.hasPrefix("user.") && !name.hasPrefix("user.overlay.") && name != "user.rootlesscontainers")
    }

    private let pieces: Pieces
    private let subject: String
    private let limits: ExtractionLimits
    private var archive: OpaquePointer?
    private var entry: OpaquePointer?
    private var statedBytes: Int64 = 0
    private(set) var count = 0
    private var receivedBytes: Int64 = 0
    /// The last entry's content was read to its end: what is missing now of a block is nobody's data.
    private var isBehindContent = false
    private let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: blockBytes, alignment: 16)
    /// What `receive` found wrong: C cannot carry an error.
    private var failure: ImageStoreError?

    init(_ pieces: @escaping Pieces, subject: String, limits: ExtractionLimits) throws(ImageStoreError) {
        self.pieces = pieces
        self.subject = subject
        self.limits = limits
        guard let archive = archive_read_new() else { throw .inputOutput(file: subject, operation: "archive", errno: ENOMEM) }
        self.archive = archive
        archive_read_support_format_tar(archive)
        archive_read_support_format_empty(archive)
        // SAFETY: this object outlives the archive, which its deinit frees.
        let me = Unmanaged.passUnretained(self).toOpaque()
        let opened = archive_read_open(
            archive, me, nil,
            { _, data, buffer in
                guard let data, let buffer else { return -1 }
                return Unmanaged<ArchiveEntries>.fromOpaque(data).takeUnretainedValue().receive(into: buffer)
            }, nil)
        guard opened == ARCHIVE_OK else { throw corrupt() }
    }

    deinit {
        if let archive { archive_read_free(archive) }
        zeros.deallocate()
    }

    /// The next entry, nil at the end. An entry that cannot be obeyed ends the archive with its name and the reason.
    func next() throws(ImageStoreError) -> LayerEntry? {
        isBehindContent = false
        let result = Names.asBytes { archive_read_next_header(archive, &entry) }
        switch result {
        case ARCHIVE_OK: break
        case ARCHIVE_WARN where isAboutNames: break
        case ARCHIVE_EOF: return nil
        default: throw corrupt()
        }
        guard let entry else { throw corrupt() }
        count += 1
        guard count <= limits.entries else { throw .tooLarge(subject: "\(subject): entries", limit: "\(limits.entries)") }
        let name = Names.asBytes { Self.bytes(archive_entry_pathname(entry)) } ?? []
        do throws(Refusal) {
            return try Names.checked { () throws(Refusal) in try read(entry, name) }
        } catch {
            throw .invalid(file: subject, field: String(decoding: name.prefix(300), as: UTF8.self), reason: error.reason)
        }
    }

    /// The present entry's data, piece by piece with its place in the file: holes of a sparse file are not told.
    func data(_ body: (_ piece: UnsafeRawBufferPointer, _ offset: Int64) throws(ImageStoreError) -> Void) throws(ImageStoreError)
    {
        var missing = archive_entry_size(entry)
        while true {
            isBehindContent = missing == 0
            var bytes: UnsafeRawPointer?
            var count = 0
            var offset: la_int64_t = 0
            switch archive_read_data_block(archive, &bytes, &count, &offset) {
            case ARCHIVE_OK:
                missing -= Int64(count)
                try body(UnsafeRawBufferPointer(start: bytes, count: count), offset)
            case ARCHIVE_EOF: return
            default: throw corrupt()
            }
        }
    }

    private func receive(into buffer: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
        do throws(ImageStoreError) {
            guard let piece = try pieces() ?? padding() else { return 0 }
            receivedBytes += Int64(piece.count)
            buffer.pointee = piece.baseAddress
            return piece.count
        } catch {
            failure = error
            return -1
        }
    }

    /// Behind the end: what fills the last block of an archive that ends with its last file's content, as builders exist that write
    /// neither padding nor end blocks (umoci insert) and readers that do not mind (Go's). Not part of the digest.
    private func padding() -> UnsafeRawBufferPointer? {
        let missing = (Self.blockBytes - Int(receivedBytes % Int64(Self.blockBytes))) % Self.blockBytes
        guard isBehindContent, missing > 0 else { return nil }
        isBehindContent = false
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(zeros)[..<missing])
    }

    private func read(_ entry: OpaquePointer, _ name: [UInt8]) throws(Refusal) -> LayerEntry {
        let path = try EntryPath(name, maximumDepth: limits.depth)
        let (uid, gid) = (archive_entry_uid(entry), archive_entry_gid(entry))
        // The last number means "nobody" to the kernel's calls.
        guard let uid = UInt32(exactly: uid), uid != .max else { throw Refusal("its owner \(uid) is no user id") }
        guard let gid = UInt32(exactly: gid), gid != .max else { throw Refusal("its group \(gid) is no group id") }
        return LayerEntry(
            path: path, kind: try kind(entry), mode: UInt32(archive_entry_mode(entry)) & 0o7777, uid: uid, gid: gid,
            seconds: archive_entry_mtime(entry), nanoseconds: min(999_999_999, max(0, Int(archive_entry_mtime_nsec(entry)))),
            attributes: try attributes(entry))
    }

    private func kind(_ entry: OpaquePointer) throws(Refusal) -> LayerEntry.Kind {
        if let target = Self.bytes(archive_entry_hardlink(entry)) {
            do { return .hardLink(target: try EntryPath(target, maximumDepth: limits.depth)) } catch {
                throw Refusal(
                    "the target of its hard link, \"\(String(decoding: target.prefix(200), as: UTF8.self))\": \(error.reason)")
            }
        }
        switch UInt32(archive_entry_filetype(entry)) {
        case FileType.regular: return .file(size: try size(entry))
        case FileType.directory: return .directory
        case FileType.symbolicLink:
            guard let target = Self.bytes(archive_entry_symlink(entry)), !target.isEmpty else {
                throw Refusal("its symbolic link leads nowhere")
            }
            guard target.count <= EntryPath.maximumBytes else {
                throw Refusal("the target of its symbolic link is longer than \(EntryPath.maximumBytes) bytes")
            }
            return .symbolicLink(target: target)
        case FileType.fifo: return .fifo
        case FileType.character, FileType.block:
            let (major, minor) = (archive_entry_rdevmajor(entry), archive_entry_rdevminor(entry))
            guard let major = UInt32(exactly: major), let minor = UInt32(exactly: minor), major < 1 << 12, minor < 1 << 20 else {
                throw Refusal("its device number \(major):\(minor) is none")
            }
            return .device(isBlock: UInt32(archive_entry_filetype(entry)) == FileType.block, major: major, minor: minor)
        default: throw Refusal("it is neither file, directory, link, pipe nor device")
        }
    }

    private func size(_ entry: OpaquePointer) throws(Refusal) -> Int64 {
        let size = archive_entry_size(entry)
        guard size >= 0 else { throw Refusal("its size of \(size) bytes is none") }
        let (sum, overflows) = statedBytes.addingReportingOverflow(size)
        guard !overflows, sum <= limits.bytes else {
            throw Refusal("the layer's files hold more than \(limits.bytes) bytes with it")
        }
        statedBytes = sum
        return size
    }

    private func attributes(_ entry: OpaquePointer) throws(Refusal) -> [LayerEntry.Attribute] {
        let number = archive_entry_xattr_reset(entry)
        guard number <= limits.attributes else {
            throw Refusal("it has \(number) extended attributes, more than \(limits.attributes)")
        }
        var result: [LayerEntry.Attribute] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK {
            guard let name else { continue }
            let key = String(cString: name)
            guard Self.isTaken(attribute: key) else { continue }
            guard size <= limits.attributeBytes else {
                throw Refusal("its attribute \(key) of \(size) bytes is larger than \(limits.attributeBytes)")
            }
            result.append(.init(name: key, value: value.map { Array(UnsafeRawBufferPointer(start: $0, count: size)) } ?? []))
        }
        return result
    }

    private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8]? {
        text.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    /// Names stay the bytes that they are (`Names`); of everything else that it wonders about libarchive has left something out.
    private var isAboutNames: Bool {
        archive.flatMap { archive_error_string($0) }.map { String(cString: $0) }?.contains("converted") ?? false
    }

    private func corrupt() -> ImageStoreError {
        if let failure { return failure }
        let words = archive.flatMap { archive_error_string($0) }.map { String(cString: $0) } ?? "it cannot be read"
        return .invalid(file: subject, field: "archive", reason: words)
    }
}

/// libarchive turns pax names (UTF-8) into the thread's locale, and composes their accents on the way where that is UTF-8 too. Into the
/// locale "C" it cannot turn them, says so, and leaves the bytes as they are.
enum Names {
    // SAFETY: a locale object is never changed after it was made, and any thread may use it.
    nonisolated(unsafe) private static let plain = newlocale(1 << LC_CTYPE, "C", nil)

    static func asBytes<T>(_ body: () -> T) -> T {
        let before = uselocale(plain)
        defer { uselocale(before) }
        return body()
    }

    static func checked<T>(_ body: () throws(Refusal) -> T) throws(Refusal) -> T {
        let before = uselocale(plain)
        defer { uselocale(before) }
        return try body()
    }
}
