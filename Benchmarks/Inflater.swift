// A watch's stream with gzip, as a client takes it: piece by piece, each event as soon as its bytes are there.
import CZlib
import NIOCore

/// Lives on one event loop; `@unchecked Sendable` because it is only handed between closures of that loop.
final class Inflater: @unchecked Sendable {
    /// zlib's way to say: with a gzip head.
    private static let windowBits: Int32 = 15 + 16
    private static let room = 64 << 10

    // zlib's state points back at this: it must not move.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let output = UnsafeMutablePointer<UInt8>.allocate(capacity: Inflater.room)

    init() throws {
        stream.initialize(to: z_stream())
        guard inflateInit2_(stream, Self.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw BenchError("zlib has no memory")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    /// Hands on what the piece holds; false: it is not what gzip makes.
    func inflate(_ piece: ByteBuffer, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        piece.withUnsafeReadableBytes { input in
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(clamping: input.count)
            repeat {
                stream.pointee.next_out = output
                stream.pointee.avail_out = UInt32(Self.room)
                let code = CZlib.inflate(stream, Z_SYNC_FLUSH)
                guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else { return false }
                body(UnsafeRawBufferPointer(start: output, count: Self.room - Int(stream.pointee.avail_out)))
            } while stream.pointee.avail_out == 0
            return true
        }
    }
}
