// The front's connections under odd clients: what is malformed is told so, what is slow or too much is bounded.
import APIServer
import Testing

@testable import APIServerHTTP

@Suite("A connection")
struct ConnectionTests {
    private static let configMapsPath = "/api/v1/namespaces/alice/configmaps"

    private static func post(_ name: String, headers: String = "", length: Int? = nil) -> (head: String, body: String) {
        let body = String(decoding: FrontLaboratory.configMap(name), as: UTF8.self)
        let length = "Content-Length: \(length ?? body.utf8.count)\r\n"
        return ("POST \(configMapsPath) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\(length)\(headers)\r\n", body)
    }

    @Test(
        "that speaks no HTTP is told 400 with a Status and closed",
        arguments: [
            "nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /healthz HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nbad header\r\n\r\n", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ])
    func malformed(_ bytes: String) async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send(bytes)
            let answer = try await connection.received(#""kind":"Status""#)
            #expect(answer.hasPrefix("HTTP/1.1 400 ") || answer.hasPrefix("HTTP/1.1 405 "))
            #expect(answer.contains("Content-Length: "))
            if answer.hasPrefix("HTTP/1.1 400 ") { _ = try await connection.everything() }
            connection.close()
        }
    }

    @Test("whose header fields are beyond the bound is told 431") func headers() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: \(String(repeating: "a", count: 70_000))\r\n\r\n")
            #expect(try await connection.everything().hasPrefix("HTTP/1.1 431 "))
        }
    }

    @Test("whose selector is long is answered, and told 414 when it is longer than any") func longTarget() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            for (bytes, status) in [(200_000, "200 "), (320_000, "414 ")] {
                let names = (0..<bytes / 50).map { "name-\($0)-" + String(repeating: "a", count: 32) }
                let selector = "app%20in%20(\(names.joined(separator: ",")))"
                let connection = try await RawConnection.open(laboratory)
                connection.send(
                    "GET \(Self.configMapsPath)?labelSelector=\(selector) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        + "Authorization: Bearer \(FrontLaboratory.adminToken)\r\n\r\n")
                let answer = try await connection.everything()
                #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "\(bytes): \(answer.prefix(400))")
            }
        }
    }

    @Test("whose request line has no end is told 431, and nothing of it is kept") func endlessLine() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send("GET /")
            for _ in 0..<24 { connection.send(String(repeating: "a", count: 16_000)) }
            #expect(try await connection.everything().hasPrefix("HTTP/1.1 431 "))
        }
    }

    @Test(
        "that wants to leave HTTP is answered and closed",
        arguments: [
            "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /version HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        ])
    func upgrade(_ bytes: String) async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send(bytes)
            let answer = try await connection.everything()
            #expect(answer.hasPrefix("HTTP/1.1 ") && answer.contains("Connection: close"))
        }
    }

    @Test("that sends ahead gets its answers in order") func pipelining() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            let (head, body) = Self.post("ahead")
            let get = "GET \(Self.configMapsPath)/ahead HTTP/1.1\r\nHost: x\r\n\r\n"
            let list = "GET \(Self.configMapsPath) HTTP/1.1\r\nHost: x\r\n\r\n"
            connection.send(get + head + body + get + list + "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = try await connection.everything()
            let codes = answer.split(separator: "HTTP/1.1 ").map { $0.prefix(3) }
            #expect(codes == ["404", "201", "200", "200", "200"])
            #expect(answer.contains("Connection: close"))
        }
    }

    @Test("may send hundreds of requests ahead") func deepPipelining() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send(String(repeating: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", count: 500))
            try await connection.received("HTTP/1.1 200 OK", times: 500)
            connection.close()
        }
    }

    @Test("that expects 100 is told to go on, then its body counts") func continues() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            let (head, body) = Self.post("expected", headers: "Expect: 100-continue\r\n")
            connection.send(head)
            try await connection.received("HTTP/1.1 100 Continue\r\n\r\n")
            connection.send(body)
            try await connection.received("HTTP/1.1 201 ")
            let (large, _) = Self.post("large", headers: "Expect: 100-continue\r\n", length: 4 << 20)
            connection.send(large)
            #expect(try await connection.everything().contains("HTTP/1.1 413 "))
        }
    }

    @Test("may send its body in chunks") func chunks() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            let body = String(decoding: FrontLaboratory.configMap("chunked"), as: UTF8.self)
            connection.send(
                "POST \(Self.configMapsPath) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for byte in body { connection.send("1\r\n\(byte)\r\n") }
            connection.send("0\r\n\r\n")
            try await connection.received("HTTP/1.1 201 ")
            connection.close()
        }
    }

    @Test("with a body beyond the limit is told 413, in whatever form it comes") func large() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send("POST \(Self.configMapsPath) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            let piece = "100000\r\n" + String(repeating: " ", count: 0x100000) + "\r\n"
            for _ in 0..<4 { connection.send(piece) }
            connection.send("0\r\n\r\n")
            try await connection.received("HTTP/1.1 413 ")
            connection.close()
        }
    }

    @Test("gets the length of what GET would answer, and nothing else, for HEAD") func head() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send("HEAD /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = try await connection.everything()
            #expect(
                answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\n") && answer.contains("Content-Length: "))
            #expect(answer.contains("Date: ") && answer.contains("Audit-Id: "))
        }
    }

    @Test("gets a large list compressed when it asks for that, and a small one never") func compression() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            let list = "GET \(Self.configMapsPath) HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n"
            connection.send(list + "\r\n")
            #expect(!(try await connection.received("HTTP/1.1 200 OK")).contains("Content-Encoding"))
            let master = LocalKubernetesAPI(handler: laboratory.handler)
            _ = try await master.create(
                configMaps, namespace: "alice", name: nil, subresource: nil,
                body: FrontLaboratory.configMap("big", String(repeating: "v", count: 300_000)))
            connection.send(list + "Connection: close\r\n\r\n")
            let answer = try await connection.everything()
            #expect(answer.contains("Content-Encoding: gzip\r\n") && answer.utf8.count < 20_000)
        }
        #expect(ResponseCompression.accepts("deflate, gzip;q=0.5") && ResponseCompression.accepts("*"))
        #expect(!ResponseCompression.accepts("deflate, gzip;q=0") && !ResponseCompression.accepts("identity"))
    }

    @Test("without credentials learns nothing, and what it sends is not kept") func anonymous() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory, anonymous: true)
            connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            try await connection.received("HTTP/1.1 200 OK")
            let (head, body) = Self.post("nobody")
            connection.send(head + body)
            try await connection.received("HTTP/1.1 401 ")
            connection.close()
        }
    }

    @Test("that never asks, or never ends its question, is closed in time") func slow() async throws {
        try await FrontLaboratory.run(configure: { $0.firstRequestTimeout = .milliseconds(300) }) { laboratory async throws in
            let silent = try await RawConnection.open(laboratory)
            let dripping = try await RawConnection.open(laboratory)
            dripping.send("GET /healthz HTT")
            #expect(try await silent.everything().isEmpty)
            #expect(try await dripping.everything().isEmpty)
        }
        // The handshake has its own, longer time here: on a busy machine it takes some.
        try await FrontLaboratory.run(configure: {
            $0.idleTimeout = .milliseconds(300)
            $0.bodyTimeout = .milliseconds(300)
        }) { laboratory async throws in
            let idle = try await RawConnection.open(laboratory)
            idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            let half = try await RawConnection.open(laboratory)
            half.send(Self.post("half", length: 1000).head + "{")
            #expect(try await idle.everything().hasPrefix("HTTP/1.1 200 OK"))
            #expect(try await half.everything().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test("beyond the limit is closed at once, and others go on") func limit() async throws {
        try await FrontLaboratory.run(configure: { $0.maximumConnections = 2 }) { laboratory async throws in
            let first = try await RawConnection.open(laboratory)
            let second = try await RawConnection.open(laboratory)
            for connection in [first, second] {
                connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                try await connection.received("HTTP/1.1 200 OK")
            }
            if let third = try? await RawConnection.open(laboratory) { #expect(try await third.everything().isEmpty) }
            first.close()
            try await eventually("the place is free again") {
                guard let next = try? await RawConnection.open(laboratory) else { return false }
                next.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                defer { next.close() }
                return (try? await next.received("HTTP/1.1 200 OK")) != nil
            }
            second.close()
        }
    }

    @Test("shows what happened to administrators under /metrics, and to nobody else") func metrics() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send("GET \(Self.configMapsPath)/none HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.send("GET \(Self.configMapsPath) HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let text = try await connection.everything()
            #expect(text.contains(#"apiserver_request_total{verb="LIST",resource="configmaps",code="200"} 1"#))
            #expect(text.contains(#"apiserver_request_duration_seconds_bucket{verb="LIST",resource="configmaps",le="+Inf"} 1"#))
            #expect(text.contains("process_resident_memory_bytes "))
            let other = try await RawConnection.open(laboratory, anonymous: true)
            other.send(
                "GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(FrontLaboratory.deployToken)\r\nConnection: close\r\n\r\n"
            )
            #expect(try await other.everything().hasPrefix("HTTP/1.1 403 "))
        }
    }
}
