// An archive's bytes on their way: read, counted, uncompressed, hashed. Nothing is kept but one block.
import CArchive
import Glibc

/// Serves one thread. libarchive takes the compression off; the archive inside is read by `ArchiveEntries` from `next`.
final class ArchiveStream {
    /// Fills the buffer and says with how much; 0 at the end.
    typealias Source = (_ buffer: UnsafeMutableRawBufferPointer) throws(ImageStoreError) -> Int

    private static let blockBytes = 256 << 10
    /// How often `check` is asked.
    private static let checkBytes: Int64 = 16 << 20

    private let subject: String
    private let limits: ExtractionLimits
    private let source: Source
    private let check: (() throws(ImageStoreError) -> Void)?
    private var archive: OpaquePointer?
    private let block: UnsafeMutableRawBufferPointer
    private var uncompressed = RunningDigest(.sha256)
    private let isHashed: Bool
    private(set) var compressedBytes: Int64 = 0
    private(set) var uncompressedBytes: Int64 = 0
    private var nextCheck = checkBytes
    private var isAtEnd = false
    /// What `readBlock` found wrong: C cannot carry an error.
    private var failure: ImageStoreError?
    /// Of the last piece, what `fill` had no room for; and what came instead of the next one.
    private var rest = UnsafeRawBufferPointer(start: nil, count: 0)
    private var deferred: ImageStoreError?

    /// `check` is asked now and then whether to go on (space on the disk, a caller that has lost interest), and throws if not.
    /// Unless it `isHashed` there is no `diffID`.
    init(
        subject: String, limits: ExtractionLimits, isHashed: Bool = true, check: (() throws(ImageStoreError) -> Void)? = nil,
        source: @escaping Source
    ) throws(ImageStoreError) {
        self.subject = subject
        self.isHashed = isHashed
        self.limits = limits
        self.check = check
        self.source = source
        block = .allocate(byteCount: Self.blockBytes, alignment: 4096)
        guard let archive = archive_read_new() else { throw .inputOutput(file: subject, operation: "archive", errno: ENOMEM) }
        self.archive = archive
        archive_read_support_filter_gzip(archive)
        archive_read_support_filter_zstd(archive)
        archive_read_support_format_raw(archive)
        archive_read_support_format_empty(archive)
        // SAFETY: the stream outlives the archive, which its deinit frees.
        let me = Unmanaged.passUnretained(self).toOpaque()
        let opened = archive_read_open(
            archive, me, nil,
            { _, data, buffer in
                guard let data, let buffer else { return -1 }
                return Unmanaged<ArchiveStream>.fromOpaque(data).takeUnretainedValue().readBlock(into: buffer)
            }, nil)
        guard opened == ARCHIVE_OK else { throw corrupt() }
        // One compression and the file itself; more is no layer but a way to hide a bomb from its ratio.
        guard archive_filter_count(archive) <= 2 else {
            throw .unsupported(subject: subject, reason: "it is compressed more than once")
        }
        var entry: OpaquePointer?
        switch archive_read_next_header(archive, &entry) {
        case ARCHIVE_OK: break
        case ARCHIVE_EOF: isAtEnd = true
        default: throw corrupt()
        }
    }

    deinit {
        if let archive { archive_read_free(archive) }
        block.deallocate()
    }

    /// What was found, whatever a media type says.
    var compression: LayerCompression {
        switch archive_filter_code(archive, 0) {
        case ARCHIVE_FILTER_GZIP: .gzip
        case ARCHIVE_FILTER_ZSTD: .zstd
        default: .none
        }
    }

    /// The digest of the archive uncompressed: the diff id. Call it behind `drain`.
    var diffID: ContentDigest { uncompressed.finish() }

    /// The next uncompressed bytes, valid until the next call; nil at the end.
    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer? {
        while !isAtEnd {
            var bytes: UnsafeRawPointer?
            var count = 0
            var offset: la_int64_t = 0
            switch archive_read_data_block(archive, &bytes, &count, &offset) {
            case ARCHIVE_OK:
                guard count > 0, let bytes else { continue }
                let piece = UnsafeRawBufferPointer(start: bytes, count: count)
                try note(piece)
                return piece
            case ARCHIVE_EOF:
                isAtEnd = true
            default:
                throw corrupt()
            }
        }
        return nil
    }

    /// The same into the caller's buffer, as full as it gets; 0 at the end. What is wrong is thrown behind the bytes before it.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(ImageStoreError) -> Int {
        if let deferred { throw deferred }
        var filled = 0
        while filled < buffer.count {
            if rest.isEmpty {
                do throws(ImageStoreError) {
                    guard let piece = try next() else { break }
                    rest = piece
                } catch {
                    deferred = error
                    if filled == 0 { throw error }
                    break
                }
            }
            let count = min(rest.count, buffer.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            filled += count
        }
        return filled
    }

    /// Reads what stands behind the archive's end: its digest covers it too.
    func drain() throws(ImageStoreError) {
        while try next() != nil {}
        // Bytes behind the compression's end, which libarchive leaves alone.
        var rest: UnsafeRawPointer?
        while readBlock(into: &rest) > 0 {}
        if let failure { throw failure }
    }

    private func note(_ piece: UnsafeRawBufferPointer) throws(ImageStoreError) {
        if isHashed { uncompressed.update(piece) }
        uncompressedBytes += Int64(piece.count)
        guard uncompressedBytes <= limits.bytes else {
            throw .tooLarge(subject: "\(subject): uncompressed", limit: "\(limits.bytes) bytes")
        }
        if uncompressedBytes > limits.expansionAllowance, uncompressedBytes / max(1, compressedBytes) > limits.expansionRatio {
            throw .tooLarge(subject: "\(subject): uncompressed", limit: "\(limits.expansionRatio) times its compressed size")
        }
        if let check, uncompressedBytes >= nextCheck {
            try check()
            nextCheck = uncompressedBytes + Self.checkBytes
        }
    }

    private func readBlock(into buffer: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
        do throws(ImageStoreError) {
            let count = try source(block)
            compressedBytes += Int64(count)
            buffer.pointee = UnsafeRawPointer(block.baseAddress)
            return count
        } catch {
            failure = error
            return -1
        }
    }

    private func corrupt() -> ImageStoreError {
        if let failure { return failure }
        let words = archive.flatMap { archive_error_string($0) }.map { String(cString: $0) } ?? "it cannot be read"
        return .invalid(file: subject, field: "compression", reason: words)
    }
}
