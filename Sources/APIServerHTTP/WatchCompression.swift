// A watch's stream with gzip (RFC 1952): events are compressed once for all watches that see them, and each watch keeps only the
// checksum that its end needs.
import CZlib
import NIOCore

/// Compressed bytes that may stand anywhere in any watch's stream: they refer to nothing before them, and end at a byte (a full flush).
struct CompressedPiece {
    /// The fastest level: what is sent once a watch is compressed once a piece.
    private static let level: Int32 = 1
    /// zlib's way to say: without head and end.
    private static let windowBits: Int32 = -15
    /// A full flush ends with an empty block of up to so many bytes, which `deflateBound` does not count.
    private static let flushBytes = 16

    let deflated: [UInt8]
    /// CRC-32 of the plain bytes.
    let checksum: UInt
    let length: Int

    /// nil when zlib refuses, e.g. for want of memory.
    init?(_ plain: [UInt8]) {
        var stream = z_stream()
        guard plain.count < UInt32.max, swiftlet_deflateInit2(&stream, Self.level, Self.windowBits) == Z_OK else { return nil }
        defer { deflateEnd(&stream) }
        let room = Int(deflateBound(&stream, UInt(plain.count))) + Self.flushBytes
        var source = plain
        deflated = source.withUnsafeMutableBufferPointer { source in
            [UInt8](unsafeUninitializedCapacity: room) { output, count in
                // SAFETY: both buffers outlive the call, and deflate keeps within the lengths that it is given.
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(clamping: room)
                let isWhole = deflate(&stream, Z_FULL_FLUSH) == Z_OK && stream.avail_in == 0 && stream.avail_out > 0
                count = isWhole ? room - Int(stream.avail_out) : 0
            }
        }
        if deflated.isEmpty { return nil }
        checksum = crc32(0, plain, UInt32(plain.count))
        length = plain.count
    }
}

/// One watch's place in its stream.
struct GzipStream {
    /// No name, no time, fastest, Unix.
    static let head: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 3]
    /// An empty block: whoever inflates hands on what he has when he meets it.
    private static let flush: [UInt8] = [0, 0, 0, 0xFF, 0xFF]
    private static let storedAtMost = 0xFFFF

    private var checksum: UInt = 0
    private var length: UInt32 = 0

    /// The piece goes into the stream.
    mutating func add(_ piece: CompressedPiece) {
        checksum = crc32_combine(checksum, piece.checksum, piece.length)
        length &+= UInt32(truncatingIfNeeded: piece.length)
    }

    /// Few bytes as they are: a bookmark is told to one watch, and would cost more to compress than to send.
    mutating func stored(_ bytes: [UInt8]) -> [UInt8] {
        checksum = crc32(checksum, bytes, UInt32(clamping: bytes.count))
        length &+= UInt32(truncatingIfNeeded: bytes.count)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + 16)
        for start in stride(from: 0, to: bytes.count, by: Self.storedAtMost) {
            let part = bytes[start..<min(bytes.count, start + Self.storedAtMost)]
            result.append(0)
            result += Self.littleEndian(UInt16(part.count)) + Self.littleEndian(~UInt16(part.count))
            result += part
        }
        return result + Self.flush
    }

    /// The last block, and what the stream held.
    func end() -> [UInt8] { [3, 0] + Self.littleEndian(UInt32(truncatingIfNeeded: checksum)) + Self.littleEndian(length) }

    private static func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}

enum WatchCompression {
    /// Watches of a resource from which on new ones are compressed, if their clients take it. Of few watches each event goes out soonest
    /// as it is, as from kube-apiserver; many see the same events, which are then compressed once for all and cost each a fraction of the
    /// bytes to encrypt and send.
    static let manyWatches = 64

    static func isWorthIt(_ acceptEncoding: String?, watches: Int) -> Bool {
        guard watches >= manyWatches, let acceptEncoding else { return false }
        return ResponseCompression.accepts(acceptEncoding)
    }
}
