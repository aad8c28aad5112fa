// Watches with gzip: what is compressed once for many is, for each of them, a whole stream whose events come out as they come in.
import APIServer
import CZlib
import JSON
import KubernetesClient
import KubernetesModel
import Testing

@testable import APIServerHTTP

@Suite("Watches with gzip", .timeLimit(.minutes(5)))
struct WatchCompressionTests {
    /// What comes out of so much of a stream; nil: it is not gzip's. `isWhole`: its end was met, and its checksum holds.
    private static func inflated(_ bytes: [UInt8]) -> (text: [UInt8], isWhole: Bool)? {
        var stream = z_stream()
        guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var (input, result, room) = (bytes, [UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        return input.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            while true {
                let code = room.withUnsafeMutableBufferPointer { output in
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(output.count)
                    return inflate(&stream, Z_SYNC_FLUSH)
                }
                result += room.prefix(room.count - Int(stream.avail_out))
                if code == Z_STREAM_END { return (result, stream.avail_in == 0) }
                if code == Z_BUF_ERROR || code == Z_OK && stream.avail_in == 0 && stream.avail_out > 0 { return (result, false) }
                if code != Z_OK { return nil }
            }
        }
    }

    @Test(
        "shared pieces and a watch's own bytes, in any order, are one stream of which every part is readable when it is there",
        arguments: UInt64(1)...20)
    func streams(seed: UInt64) throws {
        var state = seed
        func random(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        func text() -> [UInt8] {
            let kind = random(3)
            return (0..<random(random(4) == 0 ? 150_000 : 5000) + 1).map { _ in
                kind == 0 ? UInt8(random(256)) : 97 + UInt8(random(3))
            }
        }
        let shared = try (0..<4).map { _ in
            let plain = text()
            return (plain, try #require(CompressedPiece(plain)))
        }
        var stream = GzipStream()
        var (sent, plain) = (GzipStream.head, [UInt8]())
        for _ in 0..<12 {
            if random(3) == 0 {
                let own = text()
                sent += stream.stored(own)
                plain += own
            } else {
                let (bytes, piece) = shared[random(4)]
                stream.add(piece)
                sent += piece.deflated
                plain += bytes
            }
            let out = try #require(Self.inflated(sent), "seed \(seed)")
            #expect(out.text == plain && !out.isWhole, "seed \(seed): \(out.text.count) of \(plain.count) bytes")
        }
        let out = try #require(Self.inflated(sent + stream.end()), "seed \(seed)")
        #expect(out.text == plain && out.isWhole, "seed \(seed)")
    }

    /// The body of the first answer with chunks, as far as it is there.
    private static func body(_ bytes: [UInt8]) -> [UInt8] {
        guard let head = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return [] }
        var (rest, body) = (bytes[head.upperBound...], [UInt8]())
        while let line = rest.firstRange(of: Array("\r\n".utf8)),
            let size = Int(String(decoding: rest[..<line.lowerBound], as: UTF8.self), radix: 16),
            size > 0, rest.endIndex - line.upperBound >= size + 2
        {
            body += rest[line.upperBound..<line.upperBound + size]
            rest = rest[(line.upperBound + size + 2)...]
        }
        return body
    }

    private static func names(_ lines: [UInt8]) throws -> [String] {
        try lines.split(separator: 10).map { line in
            try JSONValue(parsing: Array(line))[path: "object", "metadata", "name"]?.stringValue ?? ""
        }
    }

    @Test(
        "few watches are as they are; one of many is compressed if its client takes it, sees every event in order, and ends in order"
    )
    func many() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let path = "/api/v1/namespaces/alice/configmaps?watch=true&resourceVersion="
            try await laboratory.client(laboratory.admin) { api in
                func create(_ name: String) async throws -> String {
                    let made = try await api.create(
                        configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap(name))
                    return try JSONValue(parsing: made)[path: "metadata", "resourceVersion"]?.stringValue ?? ""
                }
                let revision = try await create("first")
                var open: [RawConnection] = []
                func watch(_ count: Int, _ query: String = "") async throws -> RawConnection {
                    let connection = try await RawConnection.open(laboratory)
                    connection.send("GET \(path)\(revision)\(query) HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
                    open.append(connection)
                    try await eventually("it watches") { laboratory.service.openWatches == count }
                    return connection
                }
                let few = try await watch(1)
                for number in 1..<WatchCompression.manyWatches { _ = try await watch(number + 1) }
                let late = try await watch(WatchCompression.manyWatches + 1)
                let short = try await watch(WatchCompression.manyWatches + 2, "&timeoutSeconds=2")
                for number in 0..<50 { _ = try await create("c\(number)") }
                let names = (0..<50).map { "c\($0)" }
                let plain = try await few.received(#""name":"c49""#)
                #expect(!plain.lowercased().contains("content-encoding"))
                // Readable before the stream ends.
                let bytes = try await late.bytes { bytes in
                    Self.inflated(Self.body(bytes)).map { String(decoding: $0.text, as: UTF8.self).contains(#""name":"c49""#) }
                        ?? false
                }
                #expect(String(decoding: bytes.prefix(1000), as: UTF8.self).contains("Content-Encoding: gzip\r\n"))
                #expect(try Self.names(try #require(Self.inflated(Self.body(bytes))).text) == names)
                // Its own time limit ends this one, before or after the events.
                let all = try await short.bytes { $0.suffix(7) == Array("\r\n0\r\n\r\n".utf8) }
                let ended = try #require(Self.inflated(Self.body(all)))
                #expect(ended.isWhole, "the checksum at the end holds")
                #expect(names.starts(with: try Self.names(ended.text)))
                for connection in open { connection.close() }
            }
        }
    }
}
