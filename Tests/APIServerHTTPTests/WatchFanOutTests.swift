// Many watchers of the same events, and those that do not keep up.
import APIServer
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Testing

@testable import APIServerHTTP

@Suite("Watches side by side")
struct WatchFanOutTests {
    @Test("each see every event of theirs once and in order, from wherever they began") func fanOut() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                var revisions: [String] = []
                for number in 0..<300 {
                    let body = FrontLaboratory.configMap("c\(number)")
                    let namespace = number % 3 == 0 ? "bob" : "alice"
                    let made = try await api.create(configMaps, namespace: namespace, name: nil, subresource: nil, body: body)
                    revisions.append(try JSONValue(parsing: made)[path: "metadata", "resourceVersion"]?.stringValue ?? "")
                }
                // Half of what each sees is past when it begins, half comes while it watches.
                try await withThrowingTaskGroup(of: [String].self) { group in
                    for watcher in 0..<40 {
                        let start = 100 + watcher
                        let namespace: String? = watcher % 2 == 0 ? "alice" : nil
                        let revision = revisions[start]
                        group.addTask {
                            let watch = try await api.watch(
                                configMaps, namespace: namespace, options: ListOptions(resourceVersion: revision))
                            defer { watch.cancel() }
                            var names: [String] = []
                            while names.last != "last", let events = try await watch.next() {
                                for event in events where event.kind != .bookmark {
                                    names.append(
                                        try JSONValue(parsing: event.object)[path: "metadata", "name"]?.stringValue ?? "")
                                }
                            }
                            let wanted = (start + 1..<600).filter { namespace == nil || $0 % 3 != 0 }.map { "c\($0)" } + ["last"]
                            #expect(names == wanted)
                            return names
                        }
                    }
                    try await eventually("all watch") { laboratory.service.openWatches == 40 }
                    for number in 300..<600 {
                        _ = try await api.create(
                            configMaps, namespace: number % 3 == 0 ? "bob" : "alice", name: nil, subresource: nil,
                            body: FrontLaboratory.configMap("c\(number)"))
                    }
                    _ = try await api.create(
                        configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap("last"))
                    for try await _ in group {}
                }
            }
        }
    }

    @Test("do not wait for one that never reads: it is closed when its time is over") func neverReads() async throws {
        try await FrontLaboratory.run(configure: { $0.stallTimeout = .milliseconds(500) }) { laboratory async throws in
            let lazy = try await RawConnection.open(laboratory, reads: false)
            lazy.send("GET /api/v1/configmaps?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
            try await eventually("it watches") { laboratory.service.openWatches == 1 }
            try await laboratory.client(laboratory.admin) { api in
                let value = String(repeating: "v", count: 500_000)
                _ = try await api.create(
                    configMaps, namespace: "bob", name: nil, subresource: nil, body: FrontLaboratory.configMap("big", value))
                var number = 0
                // More than sockets hold.
                while laboratory.service.openWatches > 0, number < 400 {
                    number += 1
                    _ = try await api.patch(
                        configMaps, namespace: "bob", name: "big", subresource: nil, type: .merge,
                        body: Array(#"{"data":{"n":"\#(number)"}}"#.utf8))
                }
                try await eventually("it was closed") { laboratory.service.openWatches == 0 }
            }
            lazy.close()
        }
    }

    @Test("come unframed to a client of HTTP/1.0, until the connection's end") func oldClient() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let old = try await RawConnection.open(laboratory)
            old.send("GET /api/v1/namespaces?watch=true&timeoutSeconds=1 HTTP/1.0\r\n\r\n")
            let text = try await old.everything()
            #expect(text.contains("\r\n\r\n{\"type\":\"ADDED\""))
            #expect(!text.contains("Transfer-Encoding"))
        }
    }

    @Test("leave the connection usable when they end") func reuse() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let connection = try await RawConnection.open(laboratory)
            connection.send("GET /api/v1/namespaces?watch=true&timeoutSeconds=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.send("GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            let text = try await connection.received("HTTP/1.1 200 OK", times: 2)
            #expect(text.contains("\r\n0\r\n\r\nHTTP/1.1 200 OK"))
            connection.close()
        }
    }
}
