// One HTTP/1.1 GET over a byte stream, as far as a probe needs it: the status, where it redirects to, and the body's beginning.
import RuntimeInterface

struct HTTPProbeAnswer: Sendable, Hashable {
    var status: Int
    var location: String?
    var body: [UInt8]
}

enum HTTPProbe {
    /// Bytes of head and body that are looked at; a server that sends more is not listened to.
    static let headLimit = 16 * 1024
    static let bodyLimit = 1024

    static func request(host: String, path: String, headers: [(name: String, value: String)]) -> [UInt8] {
        let target = escaped(path.hasPrefix("/") ? path : "/" + path)
        var lines = ["GET \(target) HTTP/1.1"]
        var rest = headers.filter { isClean($0.name) && isClean($0.value) && !$0.name.isEmpty }
        func take(_ name: String) -> String? {
            guard let index = rest.firstIndex(where: { $0.name.lowercased() == name }) else { return nil }
            return rest.remove(at: index).value
        }
        lines.append("Host: \(take("host") ?? host)")
        lines.append("User-Agent: \(take("user-agent") ?? "kube-probe/1.33")")
        lines.append("Accept: \(take("accept") ?? "*/*")")
        _ = take("connection")
        lines += rest.map { "\($0.name): \($0.value)" }
        lines.append("Connection: close")
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// What a request's target may not hold, in percent signs; a fragment is not sent.
    private static func escaped(_ path: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        let bytes = path.utf8.prefix { $0 != UInt8(ascii: "#") }.flatMap { byte -> [UInt8] in
            byte > 0x20 && byte < 0x7F ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// No line of the pod's spec may end a line of the request.
    private static func isClean(_ text: String) -> Bool { !text.utf8.contains { $0 < 0x20 || $0 == 0x7F } }

    static func get(
        _ stream: any ByteStream, host: String, path: String, headers: [(name: String, value: String)]
    ) async throws -> HTTPProbeAnswer {
        try await stream.write(request(host: host, path: path, headers: headers))
        var received: [UInt8] = []
        while true {
            if let answer = try parse(received, ended: false) { return answer }
            guard received.count < headLimit + bodyLimit, let more = try await stream.read() else { break }
            received += more
        }
        guard let answer = try parse(received, ended: true) else {
            throw RuntimeError.unavailable(stage: "GET \(path)", reason: "the connection ended before an answer")
        }
        return answer
    }

    /// nil: more is needed. With an end of the connection whatever body there is counts.
    static func parse(_ bytes: [UInt8], ended: Bool) throws -> HTTPProbeAnswer? {
        try parse(bytes, ended: ended, earlier: 0)
    }

    /// Answers before the answer; nobody needs more.
    private static let maximumEarlier = 16

    private static func parse(_ bytes: [UInt8], ended: Bool, earlier: Int) throws -> HTTPProbeAnswer? {
        guard earlier <= maximumEarlier else { throw malformed("more than \(maximumEarlier) answers like 100 Continue") }
        guard let end = headEnd(bytes) else {
            guard bytes.count <= headLimit else { throw malformed("more than \(headLimit) bytes of header") }
            return nil
        }
        var lines = String(decoding: bytes[..<end.head], as: UTF8.self).split(whereSeparator: \.isNewline)
        let statusLine = lines.isEmpty ? [] : lines.removeFirst().split(separator: " ", maxSplits: 2)
        guard statusLine.count >= 2, statusLine[0].hasPrefix("HTTP/1."), let status = Int(statusLine[1]),
            (100...599).contains(status)
        else { throw malformed("not an HTTP/1 answer") }
        // 100 Continue and its kind come before the answer; after 101 there is none in HTTP.
        if status < 200 && status != 101 { return try parse(Array(bytes[end.body...]), ended: ended, earlier: earlier + 1) }
        let body = Array(bytes[end.body...].prefix(bodyLimit))
        let fields = lines.compactMap { line -> (String, String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), String(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }))
        }
        let length = fields.first { $0.0 == "content-length" }.flatMap { Int($0.1) }
        let isChunked = fields.contains { $0.0 == "transfer-encoding" && $0.1.lowercased().hasSuffix("chunked") }
        let isWhole = isChunked ? hasLastChunk(body[...]) : body.count >= min(bodyLimit, length ?? bodyLimit)
        guard ended || isWhole || body.count == bodyLimit || [101, 204, 304].contains(status) else { return nil }
        return HTTPProbeAnswer(status: status, location: fields.first { $0.0 == "location" }?.1, body: body)
    }

    /// RFC 9112, section 7.1: a server that keeps the connection open all the same has said everything with a chunk of size 0.
    private static func hasLastChunk(_ body: ArraySlice<UInt8>) -> Bool {
        var rest = body
        while let end = rest.firstIndex(of: 0x0A) {
            let digits = rest[..<end].prefix { $0 != UInt8(ascii: ";") && $0 != 0x0D && $0 != 0x20 }
            // What is no chunk can only be over with its connection.
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else { return false }
            if size == 0 { return true }
            guard size < bodyLimit else { return false }
            rest = rest[(end + 1)...].dropFirst(size)
            rest = rest.first == 0x0D ? rest.dropFirst(2) : rest.dropFirst(1)
        }
        return false
    }

    private static func headEnd(_ bytes: [UInt8]) -> (head: Int, body: Int)? {
        for index in bytes.indices where bytes[index] == 0x0A {
            let next = index + 1
            if next < bytes.count, bytes[next] == 0x0A { return (index, next + 1) }
            if next + 1 < bytes.count, bytes[next] == 0x0D, bytes[next + 1] == 0x0A { return (index, next + 2) }
        }
        return nil
    }

    private static func malformed(_ what: String) -> RuntimeError {
        .unavailable(stage: "malformed HTTP response", reason: what)
    }
}
