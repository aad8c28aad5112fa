// Header blocks of SPDY/3: name and value pairs in zlib streams that live as long as the connection.
import CZlib

enum SPDYHeaders {
    /// Both ends begin with these bytes as if they had been sent (SPDY/3, 2.6.10.1): words with their lengths, then bare text.
    static let dictionary: [UInt8] =
        words.flatMap { word in
            [0, 0, 0, UInt8(word.utf8.count)] + Array(word.utf8)
        } + Array(text.utf8)

    private static let words = [
        "options", "head", "post", "put", "delete", "trace", "accept", "accept-charset", "accept-encoding", "accept-language",
        "accept-ranges", "age", "allow", "authorization", "cache-control", "connection", "content-base", "content-encoding",
        "content-language", "content-length", "content-location", "content-md5", "content-range", "content-type", "date",
        "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
        "if-unmodified-since", "last-modified", "location", "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization",
        "range", "referer", "retry-after", "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary",
        "via", "warning", "www-authenticate", "method", "get", "status", "200 OK", "version", "HTTP/1.1", "url", "public",
        "set-cookie", "keep-alive", "origin",
    ]

    private static let text =
        "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Au"
        + "thoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidd"
        + "en404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr Ma"
        + "y Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,imag"
        + "e/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicpri"
        + "vatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."

    static func encode(_ headers: [String: String]) -> [UInt8] {
        func sized(_ text: String) -> [UInt8] { number(text.utf8.count) + Array(text.utf8) }
        return headers.sorted { $0.key < $1.key }.reduce(number(headers.count)) { $0 + sized($1.key) + sized($1.value) }
    }

    /// nil unless it is one whole block.
    static func decode(_ block: [UInt8]) -> [String: String]? {
        var rest = block[...]
        func take() -> [UInt8]? {
            guard rest.count >= 4 else { return nil }
            let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard rest.count - 4 >= count else { return nil }
            defer { rest = rest.dropFirst(4 + count) }
            return Array(rest.dropFirst(4).prefix(count))
        }
        guard rest.count >= 4 else { return nil }
        let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(4)
        guard count <= 64 else { return nil }
        var headers: [String: String] = [:]
        for _ in 0..<count {
            guard let name = take(), let value = take() else { return nil }
            headers[String(decoding: name, as: UTF8.self).lowercased()] = String(decoding: value, as: UTF8.self)
        }
        return rest.isEmpty ? headers : nil
    }

    private static func number(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
}

/// The peer's header blocks, in order.
final class SPDYHeaderInflater {
    /// Of one block: nobody needs more to name a stream, and a small block must not become a large one.
    private static let maximumBytes = 64 << 10

    private var stream = z_stream()
    private var isOpen = false

    deinit { if isOpen { inflateEnd(&stream) } }

    func inflate(_ block: [UInt8]) throws(SPDYError) -> [String: String] {
        if !isOpen {
            isOpen = inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
            guard isOpen else { throw SPDYError(reason: "no memory for headers") }
        }
        guard let plain = expand(block), let headers = SPDYHeaders.decode(plain) else {
            throw SPDYError(reason: "a header block that is none")
        }
        return headers
    }

    private func expand(_ block: [UInt8]) -> [UInt8]? {
        var (source, output, count) = (block, [UInt8](repeating: 0, count: Self.maximumBytes), 0)
        let isWhole = source.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { output in
                // SAFETY: both buffers outlive the calls, and inflate keeps within the lengths that it is given.
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                var result = CZlib.inflate(&stream, Z_SYNC_FLUSH)
                if result == Z_NEED_DICT {
                    guard inflateSetDictionary(&stream, SPDYHeaders.dictionary, UInt32(SPDYHeaders.dictionary.count)) == Z_OK
                    else { return false }
                    result = CZlib.inflate(&stream, Z_SYNC_FLUSH)
                }
                count = output.count - Int(stream.avail_out)
                return (result == Z_OK || result == Z_BUF_ERROR) && stream.avail_in == 0 && stream.avail_out > 0
            }
        }
        return isWhole ? Array(output.prefix(count)) : nil
    }
}

/// Our header blocks.
final class SPDYHeaderDeflater {
    private var stream = z_stream()
    private var isOpen = false

    deinit { if isOpen { deflateEnd(&stream) } }

    func deflate(_ headers: [String: String]) throws(SPDYError) -> [UInt8] {
        if !isOpen {
            // Z_DEFAULT_COMPRESSION, in zlib's own framing.
            isOpen = swiftlet_deflateInit2(&stream, -1, 15) == Z_OK
            guard isOpen, deflateSetDictionary(&stream, SPDYHeaders.dictionary, UInt32(SPDYHeaders.dictionary.count)) == Z_OK
            else {
                throw SPDYError(reason: "no memory for headers")
            }
        }
        var source = SPDYHeaders.encode(headers)
        return source.withUnsafeMutableBufferPointer { source in
            let room = source.count + 256
            return [UInt8](unsafeUninitializedCapacity: room) { output, count in
                // SAFETY: as above; a block of so few bytes grows by less than the room that it has.
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(room)
                count = CZlib.deflate(&stream, Z_SYNC_FLUSH) == Z_OK ? room - Int(stream.avail_out) : 0
            }
        }
    }
}
