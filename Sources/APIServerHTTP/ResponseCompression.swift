// Large lists compressed for clients that ask for it, as kube-apiserver does: client-go asks always.
import APIServer
import CZlib

enum ResponseCompression {
    /// Smaller answers cost more to compress than to send.
    static let minimumBytes = 128 << 10
    /// The fastest: a list of pods shrinks to a tenth with it, and the better levels gain little.
    private static let level: Int32 = 1
    /// zlib's way to say: with a gzip head.
    private static let windowBits: Int32 = 15 + 16

    /// The document, with gzip when the client takes it and it is worth while.
    static func applied(to document: APIDocument, acceptEncoding: String?) -> APIDocument {
        guard document.status == 200, document.body.count >= minimumBytes, document.body.count < UInt32.max, let acceptEncoding,
            accepts(acceptEncoding),
            let body = gzip(document.body)
        else { return document }
        var document = document
        document.body = body
        document.headers.append(("Content-Encoding", "gzip"))
        document.headers.append(("Vary", "Accept-Encoding"))
        return document
    }

    /// "gzip" or "*" without a quality of zero (RFC 9110, 12.5.3).
    static func accepts(_ header: String) -> Bool {
        header.split(separator: ",").contains { entry in
            let parts = entry.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let coding = parts.first, coding == "gzip" || coding == "*" else { return false }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }
            return quality.map { !["q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000"].contains($0) } ?? true
        }
    }

    /// nil when zlib refuses, e.g. for want of memory.
    private static func gzip(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        guard swiftlet_deflateInit2(&stream, level, windowBits) == Z_OK else { return nil }
        defer { deflateEnd(&stream) }
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        var source = bytes
        return source.withUnsafeMutableBufferPointer { source in
            let compressed = [UInt8](unsafeUninitializedCapacity: bound) { output, count in
                // SAFETY: both buffers outlive the call, and deflate keeps within the lengths that it is given.
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(clamping: source.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(clamping: bound)
                count = deflate(&stream, Z_FINISH) == Z_STREAM_END ? bound - Int(stream.avail_out) : 0
            }
            return compressed.isEmpty ? nil : compressed
        }
    }
}
