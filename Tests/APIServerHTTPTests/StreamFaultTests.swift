// Streams into pods over a wire that is cut, late or silent, and servers that refuse: each ends in bounded time, with the reason, and
// leaves no connection behind; what was said whole arrives whole.
import KubernetesClient
import KubernetesModel
import Synchronization
import Testing

@testable import APIServerHTTP
@testable import KubernetesClientHTTP

@Suite("Streams into pods under faults", .serialized, .timeLimit(.minutes(10)))
struct StreamFaultTests {
    enum Kind: String, CaseIterable, Sendable { case exec, attach, port }

    private static let success = Array(#"{"metadata":{},"status":"Success"}"#.utf8)

    /// A node that says "here" and then waits for ever; what it was asked for is noted when it ends.
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
                    await wire.close()
                    await api.shutdown()
                    throw error
                }
                await api.shutdown()
                try await eventually("no connection is left") { wire.connections == 0 }
                await wire.close()
            }
        }
    }

    private static func open(_ kind: Kind, _ api: HTTPKubernetesAPI) async throws -> any PodChannels {
        switch kind {
        case .port: try await api.openPort(80, namespace: "alice", pod: "web")
        case .attach:
            try await api.open(
                PodCommand(verb: .attach, container: "main", stdin: true), namespace: "alice", pod: "web")
        case .exec:
            try await api.open(
                PodCommand(verb: .exec, container: "main", command: ["cat"], stdin: true), namespace: "alice", pod: "web")
        }
    }

    private static func text(_ channels: any PodChannels) async throws -> String? {
        try await bounded("a message") { try await channels.receive().map { String(decoding: $0.bytes, as: UTF8.self) } }
    }

    /// The error with which nothing more is received.
    private static func end(of channels: any PodChannels) async throws -> String {
        try await bounded("the end of the stream") {
            do {
                while try await channels.receive() != nil {}
                return "ended without a word"
            } catch let error as KubernetesAPIError {
                return error.description
            }
        }
    }

    @Test("a stream whose wire is cut ends with that reason, on both sides, and takes nothing more", arguments: Kind.allCases)
    func cut(_ kind: Kind) async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            let channels = try await Self.open(kind, api)
            #expect(try await Self.text(channels) == "here")
            wire.cut()
            let end = try await Self.end(of: channels)
            #expect(end.contains("the connection broke"), "\(end)")
            try await bounded("a refusal of more") {
                _ = await #expect(throws: (any Error).self) {
                    // What fits the pipe may still be taken, then nothing is.
                    for _ in 0..<64 {
                        try await channels.send(ChannelFrame(ChannelFrame.stdin, [UInt8](repeating: 0, count: 64 << 10)))
                    }
                }
            }
            try await eventually("the node's side ends") { ended.text.contains("ended") }
            await channels.close()
        }
    }

    @Test("a stream whose wire is cut behind any number of bytes ends, and no message comes in half", arguments: Kind.allCases)
    func truncated(_ kind: Kind) async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            // Within TLS's greeting, the answer's head, the first messages; behind them.
            for limit in [1, 100, 700, 1100, 1500, 1900, 2000, 2100, 2200, 2300, 2400, 2500, 2700, 3000] {
                wire.cut(behind: limit)
                do {
                    let channels = try await bounded("an answer, or none") { try await Self.open(kind, api) }
                    while let message = try await Self.text(channels) {
                        #expect(message == "here", "cut behind \(limit)")
                        wire.cut()
                    }
                    await channels.close()
                } catch let error as KubernetesAPIError {
                    #expect(error.code == nil, "cut behind \(limit): \(error)")
                }
            }
        }
    }

    @Test("a stream whose wire is late arrives late, and whole", arguments: Kind.allCases)
    func late(_ kind: Kind) async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            wire.hold()
            let opening = Task { try await Self.open(kind, api) }
            try await eventually("the client has dialled") { wire.connections > 0 }
            try await Task.sleep(for: .seconds(2))  // how late it is
            wire.release()
            let channels = try await bounded("an answer") { try await opening.value }
            #expect(try await Self.text(channels) == "here")
            await channels.close()
            try await eventually("the node's side ends") { ended.text.contains("ended") }
        }
    }

    @Test("a server that accepts a connection and says nothing is given up in bounded time")
    func mute() async throws {
        try await overWire(Self.waiting(TextBox())) { _, wire in
            wire.hold()
            var dialer = try WebSocketDialer(server: "http://127.0.0.1:\(wire.port)", tls: nil, bearerToken: nil)
            dialer.answerTimeout = .seconds(1)
            let error = try await bounded("that it is given up") { [dialer] in
                try await refusal { _ = try await dialer.dial("/", subprotocols: ["v5.channel.k8s.io"]) }
            }
            #expect(error.description.contains("no answer within"), "\(error)")
            wire.cut()
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
                try await eventually("its first words come") { seen.text == "here" }
                wire.cut()
                let error = try await bounded("the log's end") { try await refusal { try await reading.value } }
                #expect(error.description.contains("log of pod alice/web broke off"), "\(error)")
            }
        }
    }

    @Test("a log that breaks off on its way is an error, not an end")
    func halfLog() async throws {
        struct Broken: Error {}
        let seen = TextBox()
        let answer: FakeNode.Answer = { request, tunnel in
            try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { body in
                try await body.write(Array("half a li".utf8))
                while seen.text.isEmpty { try await Task.sleep(for: .milliseconds(5)) }  // until the caller has it, or has left
                throw Broken()
            }
        }
        try await overWire(answer) { api, _ in
            let error = try await bounded("the log's end") {
                try await refusal {
                    try await api.podLog(namespace: "alice", pod: "web", options: PodLogOptions()) { seen.append($0) }
                }
            }
            #expect(error.description.contains("broke off") && seen.text == "half a li", "\(error)")
        }
    }

    @Test("a connection that stays open and says nothing is given up in bounded time; one that answers pings is not")
    func silence() async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            let path =
                "/api/v1/namespaces/alice/pods/web/exec?command=cat&container=main&stdin=true&stdout=true&stderr=true&tty=false"
            let (socket, _) = try await api.dial(path, subprotocols: ["v5.channel.k8s.io"])
            let patience = WebSocketChannels.Patience(ping: .milliseconds(200), silence: .seconds(12))
            let channels = WebSocketChannels(socket, closesChannels: true, portPrefixes: [], patience: patience)
            #expect(try await Self.text(channels) == "here")
            let stays = Task { try await Self.text(channels) }
            try await Task.sleep(for: .seconds(14))  // longer than it may be silent, and nothing may happen
            wire.hold()
            let outcome = await stays.result
            guard case .failure(let error) = outcome else { throw Unexpected.success }
            #expect("\(error)".contains("said nothing for"), "\(error)")
            wire.cut()
            await channels.close()
        }
    }

    @Test("a caller that closes ends everything at once, though the other side never answers", arguments: Kind.allCases)
    func closing(_ kind: Kind) async throws {
        try await overWire(Self.waiting(TextBox())) { api, wire in
            let channels = try await Self.open(kind, api)
            #expect(try await Self.text(channels) == "here")
            wire.hold()
            await channels.close()
            #expect(try await Self.text(channels) == nil)
            wire.cut()
        }
    }

    @Test("a node that refuses is told in its own words", arguments: [404, 429, 500, 503])
    func refused(status: Int) async throws {
        let answer: FakeNode.Answer = { request, tunnel in
            try await tunnel.respond(to: request.id, status: status, contentType: "text/plain") {
                try await $0.write(Array("not today".utf8))
            }
        }
        try await overWire(answer) { api, _ in
            for kind in Kind.allCases {
                do {
                    let channels = try await bounded("an answer") { try await Self.open(kind, api) }
                    var words = ""
                    while let message = try await Self.text(channels) { words += message }
                    #expect(words.contains("not today"), "\(kind): \(words)")
                    await channels.close()
                } catch let error as KubernetesAPIError {
                    #expect(error.description.contains("not today"), "\(kind): \(error)")
                }
            }
            let error = try await bounded("the log's refusal") {
                try await refusal { try await api.podLog(namespace: "alice", pod: "web", options: PodLogOptions()) { _ in } }
            }
            #expect(error.description.contains("not today"), "\(error)")
        }
    }

    @Test("a command's last words and its status arrive, however short it is, and though its caller still writes")
    func lastWords() async throws {
        let answer: FakeNode.Answer = { request, tunnel in
            try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
                try await body.write(ChannelFrame(ChannelFrame.stdout, Array("out".utf8)).encoded)
                try await body.write(ChannelFrame(ChannelFrame.status, Self.success).encoded)
            }
        }
        try await overWire(answer) { api, _ in
            for round in 0..<30 {
                let channels = try await Self.open(.exec, api)
                let writing = Task {
                    let much = [UInt8](repeating: 1, count: 1000)
                    while !Task.isCancelled { try await channels.send(ChannelFrame(ChannelFrame.stdin, much)) }
                }
                var found: [UInt8: [UInt8]] = [:]
                while let frame = try await bounded("the end of round \(round)", { try await channels.receive() }) {
                    found[frame.channel, default: []] += frame.bytes
                }
                #expect(found == [ChannelFrame.stdout: Array("out".utf8), ChannelFrame.status: Self.success], "round \(round)")
                writing.cancel()
                await channels.close()
                _ = await writing.result
            }
        }
    }

    @Test("what a command said is not lost when its answer's head, its words and its end arrive at once", arguments: Kind.allCases)
    func together(_ kind: Kind) async throws {
        let held = Mutex<Wire?>(nil)
        let answer: FakeNode.Answer = { request, tunnel in
            // The request has passed: from now on all is kept back.
            held.withLock { $0 }?.hold()
            try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
                if kind == .port { return try await body.write(Array("out".utf8)) }
                try await body.write(ChannelFrame(ChannelFrame.stdout, Array("out".utf8)).encoded)
                try await body.write(ChannelFrame(ChannelFrame.status, Self.success).encoded)
            }
        }
        try await overWire(answer) { api, wire in
            held.withLock { $0 = wire }
            for round in 0..<5 {
                let opening = Task { try await Self.open(kind, api) }
                try await eventually("the node is asked") { wire.isHeld }
                try await Task.sleep(for: .milliseconds(300))  // for its answer to come as far as the wire; the test holds without
                wire.release()
                let channels = try await bounded("an answer") { try await opening.value }
                var found = ""
                while let text = try await Self.text(channels) { found += text }
                #expect(found == (kind == .port ? "out" : "out" + String(decoding: Self.success, as: UTF8.self)), "round \(round)")
                await channels.close()
            }
        }
    }

    @Test("a caller who leaves ends the node's side, though that takes none of what he sent", arguments: Kind.allCases)
    func leaving(_ kind: Kind) async throws {
        let ended = TextBox()
        try await overWire(Self.waiting(ended)) { api, wire in
            let channels = try await Self.open(kind, api)
            #expect(try await Self.text(channels) == "here")
            // More than one place on the way keeps, less than all of them.
            for _ in 0..<20 { try await channels.send(ChannelFrame(ChannelFrame.stdin, [UInt8](repeating: 0, count: 16 << 10))) }
            try await Task.sleep(for: .milliseconds(500))  // for what is sent to arrive; the test holds without it
            await channels.close()
            try await eventually("the node's side ends") { ended.text.contains("ended") }
        }
    }
}

/// Throws when `body` takes longer than any machine needs for it.
func bounded<Value: Sendable>(
    _ what: String, within limit: Duration = .seconds(60), _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let (ends, end) = AsyncStream<Result<Value, any Error>>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let working = Task {
        do { end.yield(.success(try await body())) } catch { end.yield(.failure(error)) }
    }
    let timer = Task {
        // The bound.
        if (try? await Task.sleep(for: limit)) != nil { end.yield(.failure(TooLate(what: what, limit: limit))) }
    }
    defer {
        working.cancel()
        timer.cancel()
    }
    for await result in ends { return try result.get() }
    throw CancellationError()
}

struct TooLate: Error, CustomStringConvertible {
    var what: String
    var limit: Duration
    var description: String { "not within \(limit): \(what)" }
}
