// What the responder gives the connection to write, and the bytes of a response's head.
import APIServer
import NIOCore
import NIOHTTP1

enum FrontAnswer: Sendable {
    case document(APIDocument)
    case watch(APIWatch, resource: String)
    /// A body of unknown length, written by a task while it is produced.
    case stream(AnswerStream)
    /// 101: the connection leaves HTTP.
    case upgrade(StreamUpgrade)
    /// 204.
    case nothing
}

struct AnswerStream: Sendable {
    var contentType: String
    /// Writes the body; returns at its end. Throwing breaks the connection, so that nobody takes the part for the whole.
    var produce: @Sendable (StreamWriter) async throws -> Void
    /// The client has gone or the server shuts down: `produce` must return soon.
    var cancel: @Sendable () -> Void
}

/// One response's head, written straight into the buffer that the body follows in.
struct ResponseHead {
    enum Framing {
        case length(Int)
        case chunked
        /// HTTP/1.0: the body ends with the connection.
        case untilClose
        /// 204, 304.
        case none
    }

    var status: Int
    var contentType: String
    var headers: [(name: String, value: String)] = []
    var framing: Framing
    var date: String
    var auditID: String
    var closes = false

    static let bytesAtMost = 512

    func write(into buffer: inout ByteBuffer) {
        if status == 200 {
            buffer.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            let reason = HTTPResponseStatus(statusCode: status).reasonPhrase
            buffer.writeString("HTTP/1.1 \(status) \(reason)\r\n")
        }
        if !headers.contains(where: { $0.name == "Cache-Control" }) {
            buffer.writeStaticString("Cache-Control: no-cache, private\r\n")
        }
        field("Audit-Id", auditID, &buffer)
        field("Date", date, &buffer)
        if !contentType.isEmpty { field("Content-Type", contentType, &buffer) }
        for header in headers { field(header.name, header.value, &buffer) }
        switch framing {
        case .length(let length): field("Content-Length", String(length), &buffer)
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .untilClose, .none: break
        }
        if closes { buffer.writeStaticString("Connection: close\r\n") }
        buffer.writeStaticString("\r\n")
    }

    private func field(_ name: String, _ value: String, _ buffer: inout ByteBuffer) {
        buffer.writeString(name)
        buffer.writeStaticString(": ")
        // A value may quote what a client sent: a line end in it would begin a header of his.
        if value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            buffer.writeBytes(value.utf8.lazy.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: " ") : $0 })
        } else {
            buffer.writeString(value)
        }
        buffer.writeStaticString("\r\n")
    }
}

extension ByteBuffer {
    /// A chunk's frame of HTTP/1.1 around bytes that follow.
    mutating func writeChunkHead(_ size: Int) {
        writeString(String(size, radix: 16))
        writeStaticString("\r\n")
    }

    mutating func writeChunkEnd() { writeStaticString("\r\n") }
    mutating func writeLastChunk() { writeStaticString("0\r\n\r\n") }
}
