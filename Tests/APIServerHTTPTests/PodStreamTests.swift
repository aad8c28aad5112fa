// exec, attach and port-forward from a caller's connection to a node's tunnel and back.
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Testing

@testable import APIServerHTTP

@Suite("Streams into pods", .timeLimit(.minutes(2)))
struct PodStreamTests {
    private static let query = "command=cat&command=a%20b%26&container=main&stdin=true&stdout=true&stderr=true"
    private static let kubeletPath = "/exec/alice/web/main?command=cat&command=a%20b%26&input=1&output=1&error=1"
    private static let success = Array(#"{"metadata":{},"status":"Success"}"#.utf8)

    /// A node whose command returns its input, then succeeds.
    private static let echo: FakeNode.Answer = { request, tunnel in
        guard request.path == kubeletPath else {
            return try await tunnel.respond(to: request.id, status: 404, contentType: "text/plain") {
                try await $0.write(Array("no \(request.path)".utf8))
            }
        }
        let input = try await tunnel.input(of: request.id)
        try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
            var reader = ChannelFrameReader()
            reading: while let bytes = try await input.next() {
                for frame in try reader.append(bytes) {
                    if frame.channel == ChannelFrame.close { break reading }
                    try await body.write(ChannelFrame(ChannelFrame.stdout, frame.bytes).encoded)
                }
            }
            try await body.write(ChannelFrame(ChannelFrame.stderr, Array("done".utf8)).encoded)
            try await body.write(ChannelFrame(ChannelFrame.status, success).encoded)
        }
    }

    private func withNode(
        _ answer: @escaping FakeNode.Answer = echo,
        _ body: @escaping @Sendable (FrontLaboratory, RawConnection) async throws -> Void
    ) async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                let connection = try await RawConnection.open(laboratory)
                try await body(laboratory, connection)
                connection.close()
            }
        }
    }

    private static func webSocket(_ path: String, protocols: String) -> String {
        "GET /api/v1/namespaces/alice/pods/web/\(path) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: \(protocols)\r\n\r\n"
    }

    /// Masked, as a client must; with a mask that changes nothing.
    private static func message(_ bytes: [UInt8]) -> [UInt8] { [0x82, 0x80 | UInt8(bytes.count), 0, 0, 0, 0] + bytes }

    @Test(
        "a WebSocket's channels reach the node's command and come back, to the final status",
        arguments: ["v5.channel.k8s.io", "v4.channel.k8s.io"])
    func webSocket(version: String) async throws {
        try await withNode { _, connection in
            connection.send(Self.webSocket("exec?\(Self.query)", protocols: "\(version), v3.channel.k8s.io"))
            let head = try await connection.received("\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 101 ") && head.contains("Sec-WebSocket-Protocol: \(version)\r\n"))
            #expect(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))  // RFC 6455's own example
            connection.send(Self.message([0] + Array("ping pong".utf8)) + Self.message([0] + Array("second".utf8)))
            try await connection.received("\u{1}ping pong")
            try await connection.received("second")
            connection.send(Self.message([255, 0]))
            let all = try await connection.everything()
            #expect(all.contains("\u{2}done") && all.contains("\u{3}{\"metadata\":{},\"status\":\"Success\"}"))
        }
    }

    @Test("SPDY's streams reach the node's command and come back, to the final status")
    func spdy() async throws {
        try await withNode { _, connection in
            var encoder = SPDYEncoder()
            connection.send(
                "POST /api/v1/namespaces/alice/pods/web/exec?\(Self.query) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
                    + "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n\r\n"
            )
            let head = try await connection.received("\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 101 ") && head.contains("X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"))
            for (index, name) in ["error", "stdin", "stdout", "stderr"].enumerated() {
                connection.send(
                    try encoder.encode(.openStream(id: UInt32(index * 2 + 1), headers: ["streamtype": name], finished: false)))
            }
            connection.send(SPDYEncoder.plain(.data(id: 3, Array("ping pong".utf8), finished: false)))
            try await connection.received("ping pong")
            connection.send(SPDYEncoder.plain(.data(id: 3, [], finished: true)))
            try await connection.received("done")
            try await connection.received("\"status\":\"Success\"")
        }
    }

    @Test("bytes sent in one packet with the request are not lost") func eager() async throws {
        try await withNode { _, connection in
            let request = Self.webSocket("exec?\(Self.query)", protocols: "v5.channel.k8s.io")
            connection.send(Array(request.utf8) + Self.message([0] + Array("eager".utf8)) + Self.message([255, 0]))
            let all = try await connection.everything()
            #expect(all.contains("\u{1}eager") && all.contains("Success"))
        }
    }

    @Test("a caller that leaves ends the command on the node") func leaving() async throws {
        let ended = TextBox()
        try await withNode({ request, tunnel in
            defer { ended.append(Array("ended".utf8)) }
            try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
                try await body.write(ChannelFrame(ChannelFrame.stdout, Array("here".utf8)).encoded)
                try await Task.sleep(for: .seconds(3600))  // ended by cancellation
            }
        }) { _, connection in
            connection.send(Self.webSocket("exec?\(Self.query)", protocols: "v5.channel.k8s.io"))
            try await connection.received("here")
            connection.close()
            try await eventually("the node's answer ends") { ended.text == "ended" }
        }
    }

    @Test("a forwarded port is a connection of its own, by WebSocket channels and by SPDY") func forward() async throws {
        let answer: FakeNode.Answer = { request, tunnel in
            guard request.path == "/portForward/alice/web?port=80" else {
                return try await tunnel.respond(to: request.id, status: 500, contentType: "text/plain") {
                    try await $0.write(Array("nobody listens".utf8))
                }
            }
            let input = try await tunnel.input(of: request.id)
            try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
                while let bytes = try await input.next() { try await body.write(Array("<".utf8) + bytes + Array(">".utf8)) }
                try await body.write(Array("bye".utf8))
            }
        }
        try await withNode(answer) { laboratory, connection in
            connection.send(Self.webSocket("portforward?ports=80&ports=81", protocols: "v4.channel.k8s.io"))
            try await connection.received("\r\n\r\n")
            connection.send(Self.message([0] + Array("one".utf8)))
            try await connection.received("<one>")
            try await connection.received("\u{3}error forwarding port 81 to pod: nobody listens")
            let other = try await RawConnection.open(laboratory)
            var encoder = SPDYEncoder()
            other.send(
                "POST /api/v1/namespaces/alice/pods/web/portforward HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
                    + "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n")
            try await other.received("\r\n\r\n")
            for (id, type) in [(UInt32(1), "error"), (3, "data")] {
                other.send(
                    try encoder.encode(
                        .openStream(
                            id: id, headers: ["streamtype": type, "port": "80", "requestid": "0"], finished: type == "error")))
            }
            other.send(SPDYEncoder.plain(.data(id: 3, Array("two".utf8), finished: false)))
            try await other.received("<two>")
            other.send(SPDYEncoder.plain(.data(id: 3, [], finished: true)))
            try await other.received("bye")
            other.close()
        }
    }

    @Test("refusals come before the connection leaves HTTP, as Status documents") func refusals() async throws {
        try await withNode { laboratory, connection in
            connection.send(
                "POST /api/v1/namespaces/alice/pods/web/exec?\(Self.query) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            try await connection.received("Upgrade request required")
            let cases = [
                (Self.webSocket("exec?\(Self.query)", protocols: "v9.channel.k8s.io"), "400", "unable to upgrade"),
                (
                    Self.webSocket("exec?container=main&stdout=true", protocols: "v5.channel.k8s.io"), "400",
                    "at least one command"
                ),
                (
                    Self.webSocket("exec?container=other&command=x&stdout=true", protocols: "v5.channel.k8s.io"), "400",
                    "is not valid for pod"
                ),
                (
                    Self.webSocket("exec?container=main&command=x&stdout=true", protocols: "v5.channel.k8s.io"), "404",
                    "no /exec/alice/web/main"
                ),
                (Self.webSocket("portforward?ports=none", protocols: "v4.channel.k8s.io"), "400", "is not a port"),
            ]
            for (request, status, message) in cases {
                let other = try await RawConnection.open(laboratory)
                other.send(request)
                let answer = try await other.everything()
                #expect(answer.hasPrefix("HTTP/1.1 \(status) ") && answer.contains(message), "\(answer)")
            }
            try await laboratory.bindPod("far", to: "n2")
            let other = try await RawConnection.open(laboratory)
            other.send(
                Self.webSocket("exec?\(Self.query)", protocols: "v5.channel.k8s.io").replacing("pods/web", with: "pods/far"))
            #expect(try await other.everything().contains("is not connected to this master"))
        }
    }
}
