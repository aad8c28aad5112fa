// Logs through a node's tunnel: the node dials the master, the master asks, the answer streams to whoever asked.
import APIServer
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Synchronization
import Testing

@testable import APIServerHTTP

/// A node that answers each request as the test says.
struct FakeNode: Sendable {
    typealias Answer = @Sendable (TunnelRequest, any NodeTunnel) async throws -> Void

    /// Serves until `body` returns.
    static func serve<Value: Sendable>(
        _ name: String, _ laboratory: FrontLaboratory, answer: @escaping Answer,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await laboratory.client(laboratory.node(name)) { api in
            let tunnel = try await api.openTunnel(node: name)
            return try await withThrowingTaskGroup(of: Value?.self) { group in
                group.addTask {
                    await withTaskGroup(of: Void.self) { answers in
                        while let request = try? await tunnel.nextRequest() {
                            answers.addTask { try? await answer(request, tunnel) }
                        }
                        answers.cancelAll()
                    }
                    return nil
                }
                group.addTask { try await body() }
                while let result = try await group.next() {
                    if let result {
                        await tunnel.close()
                        group.cancelAll()
                        return result
                    }
                }
                throw Unexpected.success
            }
        }
    }
}

@Suite("Pod logs through the node's tunnel")
struct PodLogTests {
    private func collect(_ api: HTTPKubernetesAPI, _ options: PodLogOptions = PodLogOptions()) async throws -> String {
        let text = TextBox()
        try await api.podLog(namespace: "alice", pod: "web", options: options) { text.append($0) }
        return text.text
    }

    @Test("a whole log comes back, with the query for the node") func wholeLog() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            let path = TextBox()
            let answer: FakeNode.Answer = { request, tunnel in
                path.append(Array(request.path.utf8))
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    for number in 0..<1000 { try await writer.write(Array("line \(number)\n".utf8)) }
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                try await laboratory.client(laboratory.admin) { api in
                    let log = try await collect(api, PodLogOptions(tailLines: 5000))
                    #expect(log.split(separator: "\n").count == 1000)
                    #expect(path.text == "/containerLogs/alice/web/main?tailLines=5000")
                }
            }
        }
    }

    @Test("several logs at once do not mix") func parallel() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            let answer: FakeNode.Answer = { request, tunnel in
                let tail = request.path.split(separator: "=").last.map(String.init) ?? ""
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    for _ in 0..<200 { try await writer.write(Array("\(tail)\n".utf8)) }
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                try await laboratory.client(laboratory.admin) { api in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for number in 1...20 {
                            group.addTask {
                                let log = try await collect(api, PodLogOptions(tailLines: number))
                                #expect(log == String(repeating: "\(number)\n", count: 200))
                            }
                        }
                        try await group.waitForAll()
                    }
                }
            }
        }
    }

    @Test("following delivers each line as it is written, and ends on the node when the reader leaves") func follow() async throws
    {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            let feed = BytePipe()
            let ended = TextBox()
            let answer: FakeNode.Answer = { request, tunnel in
                defer { ended.append(Array("ended".utf8)) }
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    while let bytes = try await feed.next() { try await writer.write(bytes) }
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                try await laboratory.client(laboratory.admin) { api in
                    let seen = TextBox()
                    let reader = Task {
                        try await api.podLog(
                            namespace: "alice", pod: "web", options: PodLogOptions(follow: true)
                        ) { seen.append($0) }
                    }
                    try await feed.write(Array("first\n".utf8))
                    try await eventually("the first line arrives") { seen.text == "first\n" }
                    try await feed.write(Array("second\n".utf8))
                    try await eventually("the second line arrives") { seen.text == "first\nsecond\n" }
                    #expect(ended.text.isEmpty)
                    // The node is waiting for a line that never comes: it must learn all the same.
                    reader.cancel()
                    _ = try? await reader.value
                    try await eventually("the node stops answering") { ended.text == "ended" }
                }
            }
        }
    }

    @Test("without a tunnel, 503 names the node") func noTunnel() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n7")
            try await laboratory.client(laboratory.admin) { api in
                let error = try await refusal { _ = try await collect(api) }
                #expect(error.code == 503 && error.description.contains("n7"))
            }
        }
    }

    @Test("the node's refusal reaches the reader as a Status") func nodeRefuses() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            let answer: FakeNode.Answer = { request, tunnel in
                try await tunnel.respond(to: request.id, status: 404, contentType: "text/plain") { writer in
                    try await writer.write(Array("container has not started".utf8))
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                try await laboratory.client(laboratory.admin) { api in
                    let error = try await refusal { _ = try await collect(api) }
                    #expect(error.code == 404 && error.description.contains("container has not started"))
                }
            }
        }
    }

    @Test("a node that breaks off leaves a log that breaks off, not one that seems whole") func nodeVanishes() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            struct Broken: Error {}
            let mayBreak = BytePipe()
            let answer: FakeNode.Answer = { request, tunnel in
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    try await writer.write(Array("half".utf8))
                    _ = try await mayBreak.next()
                    throw Broken()
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                try await laboratory.client(laboratory.admin) { api in
                    let error = try await refusal {
                        try await api.podLog(namespace: "alice", pod: "web", options: PodLogOptions()) { _ in mayBreak.finish() }
                    }
                    #expect(error.code == nil)
                }
            }
        }
    }

    @Test("the newest tunnel of a node wins; a node cannot open another's") func oneTunnel() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.node("n1")) { api in
                let old = try await api.openTunnel(node: "n1")
                let new = try await api.openTunnel(node: "n1")
                #expect(try await old.nextRequest() == nil)
                #expect(laboratory.tunnels.connectedNodes == ["n1"])
                let error = try await refusal { _ = try await api.openTunnel(node: "n2") }
                #expect(error.code == 403)
                await new.close()
                try await eventually("the tunnel is closed") { laboratory.tunnels.connectedNodes.isEmpty }
            }
            let error = try await refusal {
                try await laboratory.client(laboratory.admin) { _ = try await $0.openTunnel(node: "n1") }
            }
            #expect(error.code == 403)
        }
    }

    @Test("a tunnel is of no use to a domain whose Node it is not, though it was opened before") func foreignTunnel() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let answer: FakeNode.Answer = { request, tunnel in
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    try await writer.write(Array("alice answers".utf8))
                }
            }
            try await FakeNode.serve("nb2", laboratory, answer: answer) {
                let master = LocalKubernetesAPI(handler: laboratory.handler)
                let node: JSONValue = [
                    "metadata": [
                        "name": "nb2", "labels": ["kuscia.secretflow/namespace": "bob", "domain": "bob"],
                    ]
                ]
                _ = try await master.create(
                    GroupVersionResource(resource: "nodes"), namespace: nil, name: nil, subresource: nil, body: node.serialized())
                try await laboratory.bindPod("web", to: "nb2", in: "bob")
                try await laboratory.client(laboratory.admin) { api in
                    let error = try await refusal {
                        try await api.podLog(namespace: "bob", pod: "web", options: PodLogOptions()) { _ in }
                    }
                    #expect(error.code == 503, "\(error)")
                }
                #expect(laboratory.tunnels.connectedNodes.isEmpty)
                try await laboratory.client(laboratory.node("nb2")) { api in
                    let error = try await refusal { _ = try await api.openTunnel(node: "nb2") }
                    #expect(error.code == 403)
                }
                try await laboratory.client(laboratory.node("nb2", domain: "bob")) { api in
                    let tunnel = try await api.openTunnel(node: "nb2")
                    #expect(laboratory.tunnels.connectedNodes == ["nb2"])
                    await tunnel.close()
                }
            }
        }
    }

    @Test("a server with an open tunnel and a followed log ends within two seconds") func shutdown() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.bindPod("web", to: "n1")
            let feed = BytePipe()
            let answer: FakeNode.Answer = { request, tunnel in
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    while let bytes = try await feed.next() { try await writer.write(bytes) }
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                try await laboratory.client(laboratory.admin) { api in
                    let seen = TextBox()
                    let reader = Task {
                        try? await api.podLog(
                            namespace: "alice", pod: "web", options: PodLogOptions(follow: true)
                        ) { seen.append($0) }
                    }
                    try await feed.write(Array("first\n".utf8))
                    try await eventually("the first line arrives") { seen.text == "first\n" }
                    let began = ContinuousClock.now
                    await laboratory.group.triggerGracefulShutdown()
                    await reader.value
                    try await eventually("the tunnel is closed") { laboratory.tunnels.connectedNodes.isEmpty }
                    #expect(ContinuousClock.now - began < .seconds(2))
                }
            }
        }
    }
}

final class TextBox: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    func append(_ more: [UInt8]) { bytes.withLock { $0 += more } }
    var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
}
