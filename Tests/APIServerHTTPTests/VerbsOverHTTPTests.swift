// The verbs through TLS and back, and what the front refuses itself.
import APIServer
import JSON
import KubernetesClient
import KubernetesModel
import NIOCore
import Testing

@testable import APIServerHTTP
@testable import KubernetesClientHTTP

@Suite("The API over HTTPS")
struct VerbsOverHTTPTests {
    @Test("creates, reads, updates, patches, lists and deletes") func verbs() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                let made = try await api.create(
                    configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap("one"))
                var object = try JSONValue(parsing: made)
                #expect(object[path: "metadata", "uid"]?.stringValue?.isEmpty == false)
                object.set(["data", "key"], to: "w")
                let updated = try await api.update(
                    configMaps, namespace: "alice", name: "one", subresource: nil, body: object.serialized())
                #expect(try JSONValue(parsing: updated)[path: "data", "key"] == "w")
                let stale = try await refusal {
                    _ = try await api.update(
                        configMaps, namespace: "alice", name: "one", subresource: nil, body: object.serialized())
                }
                #expect(stale.isConflict)
                let patched = try await api.patch(
                    configMaps, namespace: "alice", name: "one", subresource: nil, type: .merge,
                    body: Array(#"{"data":{"key":"x"}}"#.utf8))
                #expect(try JSONValue(parsing: patched)[path: "data", "key"] == "x")
                let list = try await api.list(
                    configMaps, namespace: "alice", options: ListOptions(fieldSelector: "metadata.name=one"))
                #expect(try JSONValue(parsing: list)["items"]?.arrayValue?.count == 1)
                _ = try await api.delete(configMaps, namespace: "alice", name: "one", options: DeleteOptions())
                let gone = try await refusal {
                    _ = try await api.get(configMaps, namespace: "alice", name: "one", subresource: nil)
                }
                #expect(gone.isNotFound && gone.reason == "NotFound")
            }
        }
    }

    @Test("a body above 3 MiB is refused with a Status, and the connection lives on") func bodyTooLarge() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                for size in [APIHandler.maximumBodyBytes + 1, 8 << 20] {
                    let error = try await refusal {
                        _ = try await api.create(
                            configMaps, namespace: "alice", name: nil, subresource: nil,
                            body: [UInt8](repeating: 0x20, count: size))
                    }
                    #expect(error.code == 413 && error.reason == "RequestEntityTooLarge")
                }
                _ = try await api.list(configMaps, namespace: "alice", options: ListOptions())
            }
        }
    }

    @Test(
        "a strange request gets a Status",
        arguments: [
            ("GET", "/api/v1/nothing", 404), ("GET", "/no/such/path", 404),
            ("PUT", "/api/v1/namespaces/alice/pods", 405), ("TRACE", "/api/v1/pods", 405), ("DELETE", "/version", 405),
            ("GET", "/api/v1/pods?labelSelector=%ff", 400),
        ])
    func strangeRequests(_ method: String, _ target: String, _ code: Int) async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                let error = try await refusal { _ = try await api.send(method, target) }
                guard case .status(let status) = error else {
                    Issue.record("no Status: \(error)")
                    return
                }
                #expect(status.code == code && status.status == "Failure" && status.kind == "Status")
            }
        }
    }

    @Test(
        "a request target that is not in origin form or badly escaped is refused",
        arguments: [
            "", "*", "https://host/path", "/a%zz", "/a%2", "/a?b=%", "/a?b=%ff", "/" + String(repeating: "a", count: 300_000),
        ])
    func malformedTargets(_ text: String) { #expect(RequestTarget(text) == nil) }

    @Test("a request target is split and its query decoded") func targets() throws {
        let target = try #require(RequestTarget("/api/v1/pods?labelSelector=a%3Db%2Cc&x=1+2&flag&e=%20%C3%A4="))
        #expect(target.path == "/api/v1/pods")
        #expect(target.query.map(\.name) == ["labelSelector", "x", "flag", "e"])
        #expect(target.query.map(\.value) == ["a=b,c", "1 2", "", " ä="])
    }

    @Test("HEAD answers like GET, without the body") func head() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                let response = try await api.send("HEAD", "/api/v1/namespaces/alice/configmaps")
                #expect(response.status.code == 200)
                #expect(try await api.collect(response, "HEAD").isEmpty)
                #expect(response.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0 > 0)
                #expect(try await api.send("HEAD", "/api/v1/configmaps?watch=true").status.code == 200)
                #expect(response.headers.first(name: "Audit-Id") != nil)
            }
        }
    }

    @Test("counts requests for the administrator") func metrics() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                _ = try await api.list(configMaps, namespace: "alice", options: ListOptions())
                let text = String(
                    decoding: try await api.collect(try await api.send("GET", "/metrics"), "metrics"), as: UTF8.self)
                #expect(text.contains(#"apiserver_request_total{verb="LIST",resource="configmaps",code="200"} 1"#))
            }
        }
    }

    @Test("lines are cut wherever the network cut them", arguments: [1, 2, 7, 1000])
    func lineSplitter(_ piece: Int) throws {
        let text = Array("one\n\ntwo\n\(String(repeating: "x", count: 5000))\nlast".utf8)
        var splitter = LineSplitter()
        var lines: [Int] = []
        var start = 0
        while start < text.count {
            let end = min(start + piece, text.count)
            try splitter.append(ByteBuffer(bytes: text[start..<end])) { lines.append($0.count) }
            start = end
        }
        #expect(lines == [3, 3, 5000])
    }

    @Test("an endless line is refused") func endlessLine() throws {
        var splitter = LineSplitter()
        let piece = ByteBuffer(repeating: 0x20, count: 1 << 20)
        for _ in 0..<16 { try splitter.append(piece) { _ in } }
        #expect(throws: LineSplitter.LineTooLong.self) { try splitter.append(piece) { _ in } }
    }

    @Test("a watch line in any form is read, and an error line is thrown")
    func watchLines() throws {
        func event(_ text: String) throws -> RawWatchEvent { try Array(text.utf8).withUnsafeBytes { try WatchLine.event($0) } }
        let quick = try event(#"{"type":"MODIFIED","object":{"a":1}}"#)
        #expect(quick.kind == .modified && quick.object == Array(#"{"a":1}"#.utf8))
        let spaced = try event(#"{ "object": {"a":1}, "type": "ADDED" }"#)
        #expect(spaced.kind == .added && spaced.object == Array(#"{"a":1}"#.utf8))
        let error = #expect(throws: KubernetesAPIError.self) {
            try event(#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#)
        }
        #expect(error?.isGone == true)
        #expect(throws: KubernetesAPIError.self) { try event("{}") }
    }
}
