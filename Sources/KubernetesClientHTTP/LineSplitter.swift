// Cuts a stream of newline-terminated JSON documents into its lines, wherever the network cut it.
import Glibc
import NIOCore

struct LineSplitter {
    /// Larger than any object that an API server stores (etcd takes 1.5 MiB, ours 3), and a bound on what a server can cost us.
    static let maximumLineBytes = 16 << 20

    struct LineTooLong: Error, CustomStringConvertible {
        var description: String { "a line of more than \(LineSplitter.maximumLineBytes) bytes" }
    }

    /// The beginning of a line whose end has not come yet.
    private var carried: [UInt8] = []

    /// Calls `body` with every line that is complete now, without its newline; empty lines are left out.
    mutating func append(_ buffer: ByteBuffer, body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try buffer.withUnsafeReadableBytes { bytes in
            var start = 0
            // SAFETY: memchr reads `bytes.count - start` bytes from an address inside the buffer, which lives until the
            // closure ends; the difference of the two pointers lies within it.
            while start < bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + start, 0x0A, bytes.count - start)
            {
                let end = UnsafeRawPointer(found) - base
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                start = end + 1
                if carried.isEmpty {
                    if !piece.isEmpty { try body(piece) }
                } else {
                    try carry(piece)
                    try carried.withUnsafeBytes(body)
                    carried.removeAll(keepingCapacity: carried.capacity <= 64 << 10)
                }
            }
            if start < bytes.count { try carry(UnsafeRawBufferPointer(rebasing: bytes[start...])) }
        }
    }

    private mutating func carry(_ piece: UnsafeRawBufferPointer) throws {
        guard carried.count + piece.count <= Self.maximumLineBytes else { throw LineTooLong() }
        carried.append(contentsOf: piece)
    }
}
