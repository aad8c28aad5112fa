// Streams into pods over a wire that is cut or falls silent, and servers that refuse: each ends in bounded time, with the reason, and
// leaves no connection behind.
import KubernetesClient
import KubernetesModel
import Testing

@testable import APIServerHTTP
@testable import KubernetesClientHTTP

@Suite("Streams into pods under faults", .serialized, .timeLimit(.minutes(5)))
struct StreamFaultTests {
    private static let command = PodCommand(verb: .exec, container: "main", command: ["cat"], stdin: true)

    /// A node whose command says "here" and then waits for ever; what it was asked for is noted when it ends.
    private static func waiting(_ ended: TextBox) -> FakeNode.Answer {
        { request, tunnel in
            defer { ended.append(Array("ended ".utf8)) }
            try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
                let here = Array("here".utf8)
                let isFramed = request.path.hasPrefix("/exec") || request.path.hasPrefix("/attach")
                try await body.write(isFramed ? ChannelFrame(ChannelFrame.stdout, here).encoded : here)
                try await Task.sleep(for: .seconds(3600))  // ended by cancellation
            }
        }
    }

    private func overWire(
        _ answer: @escaping FakeNode.Answer, _ body: @escaping @Sendable (HTTPKubernetesAPI, Wire) async throws -> Void
    ) async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                let wire = try await Wire.open(to: laboratory.port)
                let endpoint = APIServerEndpoint(
                    server: "https://127.0.0.1:\(wire.port)", authorityPEM: laboratory.authority.certificatePEM)
                let api = try HTTPKubernetesAPI(endpoint: endpoint, credentials: laboratory.admin)
                do { try await body(api, wire) } catch {
                    await api.shutdown()
                    await wire.close()
                    throw error
                }
                await api.shutdown()
                try await eventually("no connection is left", within: .seconds(60)) { wire.connections == 0 }
                await wire.close()
            }
        }
    }

    private static func text(_ channels: any PodChannels) async throws -> String? {
        try await channels.receive().map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// The error with which nothing more is received.
    private static func end(of channels: any PodChannels) async throws -> String {
        do {
            while try await channels.receive() != nil {}
            return "ended without a word"
        } catch let error as KubernetesAPIError {
            return error.description
        }
    }

    @Test(
        "a command, an attached container and a port whose wire is cut end with that reason, on both sides",
        arguments: ["exec", "attach", "port"])
    func cut(_ what: String) async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            let channels: any PodChannels
            if what == "port" {
                channels = try await api.openPort(80, namespace: "alice", pod: "web")
            } else {
                var command = Self.command
                if what == "attach" { command = PodCommand(verb: .attach, container: "main") }
                channels = try await api.open(command, namespace: "alice", pod: "web")
            }
            #expect(try await Self.text(channels) == "here")
            wire.cut()
            let end = try await Self.end(of: channels)
            #expect(end.contains("the connection broke") || end == "ended without a word", "\(end)")
            await #expect(throws: (any Error).self) {
                // Bounded: what fits the pipe is taken, then nobody does.
                for _ in 0..<64 {
                    try await channels.send(ChannelFrame(ChannelFrame.stdin, [UInt8](repeating: 0, count: 64 << 10)))
                }
            }
            try await eventually("the node's side ends", within: .seconds(60)) { ended.text.contains("ended") }
            await channels.close()
        }
    }

    @Test("a followed log whose wire is cut fails with that reason, and the next one reads on")
    func log() async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            for _ in 0..<2 {
                let seen = TextBox()
                let reading = Task {
                    try await api.podLog(namespace: "alice", pod: "web", options: PodLogOptions(follow: true)) { seen.append($0) }
                }
                try await eventually("its first words come", within: .seconds(60)) { seen.text == "here" }
                wire.cut()
                let error = try await refusal { try await reading.value }
                #expect(error.description.contains("log of pod alice/web broke off"), "\(error)")
            }
        }
    }

    @Test("a connection that stays open and says nothing is given up in bounded time")
    func silence() async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            let path =
                "/api/v1/namespaces/alice/pods/web/exec?command=cat&container=main&stdin=true&stdout=true&stderr=true&tty=false"
            let (socket, _) = try await api.dial(path, subprotocols: ["v5.channel.k8s.io"])
            let patience = WebSocketChannels.Patience(ping: .milliseconds(200), silence: .seconds(4))
            let channels = WebSocketChannels(socket, closesChannels: true, portPrefixes: [], patience: patience)
            #expect(try await Self.text(channels) == "here")
            // Longer than it may be silent: pings are answered, so it is not.
            let stays = Task { try await Self.text(channels) }
            try await Task.sleep(for: .seconds(6))  // the time in which nothing may happen
            wire.stall()
            let outcome = await stays.result
            guard case .failure(let error) = outcome else { throw Unexpected.success }
            #expect("\(error)".contains("said nothing for"), "\(error)")
            wire.cut()
            await channels.close()
        }
    }

    @Test("a caller that closes ends everything at once, though the other side never answers")
    func closing() async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            let channels = try await api.open(Self.command, namespace: "alice", pod: "web")
            #expect(try await Self.text(channels) == "here")
            wire.stall()
            await channels.close()
            #expect(try await channels.receive() == nil)
            wire.cut()
        }
    }

    @Test("a node that refuses, or breaks off, is told in its own words", arguments: [404, 429, 500, 503])
    func refused(status: Int) async throws {
        let answer: FakeNode.Answer = { request, tunnel in
            try await tunnel.respond(to: request.id, status: status, contentType: "text/plain") {
                try await $0.write(Array("not today".utf8))
            }
        }
        try await overWire(answer) { api, _ in
            do {
                let channels = try await api.open(Self.command, namespace: "alice", pod: "web")
                var words = ""
                while let frame = try await channels.receive() { words += String(decoding: frame.bytes, as: UTF8.self) }
                #expect(words.contains("not today"), "\(words)")
                await channels.close()
            } catch let error as KubernetesAPIError {
                #expect(error.description.contains("not today"), "\(error)")
            }
            let error = try await refusal {
                try await api.podLog(namespace: "alice", pod: "web", options: PodLogOptions()) { _ in }
            }
            #expect(error.description.contains("not today"), "\(error)")
        }
    }

    @Test("a log that breaks off on its way is an error, not an end")
    func truncated() async throws {
        struct Broken: Error {}
        let answer: FakeNode.Answer = { request, tunnel in
            try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { body in
                try await body.write(Array("half a li".utf8))
                throw Broken()
            }
        }
        try await overWire(answer) { api, _ in
            let seen = TextBox()
            let error = try await refusal {
                try await api.podLog(namespace: "alice", pod: "web", options: PodLogOptions()) { seen.append($0) }
            }
            #expect(error.description.contains("broke off"), "\(error)")
        }
    }
}
