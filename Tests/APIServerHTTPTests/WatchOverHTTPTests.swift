// Watches through TLS: they deliver, they end with their client, and they never keep the server from ending.
import APIServer
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Testing

@testable import APIServerHTTP

@Suite("Watches over HTTPS")
struct WatchOverHTTPTests {
    private func names(_ watch: any WatchStream, count: Int) async throws -> [String] {
        var names: [String] = []
        while names.count < count, let events = try await watch.next() {
            for event in events where event.kind != .bookmark {
                names.append(try JSONValue(parsing: event.object)[path: "metadata", "name"]?.stringValue ?? "")
            }
        }
        return names
    }

    @Test("deliver every event in order") func delivers() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                let list = try await api.list(configMaps, namespace: "alice", options: ListOptions())
                let revision = try JSONValue(parsing: list)[path: "metadata", "resourceVersion"]?.stringValue
                let watch = try await api.watch(configMaps, namespace: "alice", options: ListOptions(resourceVersion: revision))
                let wanted = (0..<200).map { "c\($0)" }
                for name in wanted {
                    _ = try await api.create(
                        configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap(name))
                }
                #expect(try await names(watch, count: wanted.count) == wanted)
                watch.cancel()
                #expect(try await watch.next() == nil)
            }
        }
    }

    @Test("of a revision that is gone throw 410") func expired() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                let error = try await refusal {
                    let watch = try await api.watch(
                        configMaps, namespace: "alice", options: ListOptions(resourceVersion: "99999999"))
                    _ = try await watch.next()
                }
                #expect(error.code == 410 || error.code == 504)
            }
        }
    }

    @Test("end on the server as soon as their client is gone") func clientLeaves() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                var watches: [any WatchStream] = []
                for _ in 0..<5 { watches.append(try await api.watch(configMaps, namespace: nil, options: ListOptions())) }
                try await eventually("five watches are open") { laboratory.service.openWatches == 5 }
                watches[0].cancel()
                try await eventually("one watch less") { laboratory.service.openWatches == 4 }
                let open = try await api.watch(configMaps, namespace: nil, options: ListOptions())
                open.cancel()
            }
            // The client was shut down: everything it held ends.
            try await eventually("no watch is left") { laboratory.service.openWatches == 0 }
        }
    }

    @Test("a server with open watches ends within two seconds, and their clients see an orderly end") func shutdown() async throws
    {
        let api = try await FrontLaboratory.run { laboratory async throws in
            let api = try HTTPKubernetesAPI(endpoint: laboratory.endpoint, credentials: laboratory.admin)
            let watches = try await withThrowingTaskGroup(of: (any WatchStream).self) { group in
                for _ in 0..<50 {
                    group.addTask { try await api.watch(configMaps, namespace: nil, options: ListOptions(resourceVersion: "0")) }
                }
                var all: [any WatchStream] = []
                for try await watch in group { all.append(watch) }
                return all
            }
            try await eventually("the watches are open") { laboratory.service.openWatches == 50 }
            let began = ContinuousClock.now
            await laboratory.group.triggerGracefulShutdown()
            for watch in watches { while try await watch.next() != nil {} }
            try await eventually("no watch is left") { laboratory.service.openWatches == 0 }
            #expect(ContinuousClock.now - began < .seconds(2))
            return api
        }
        await api.shutdown()
    }

    @Test("a client that reads nothing does not grow the server, and others go on") func slowClient() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            try await laboratory.client(laboratory.admin) { api in
                // Never read: the client's own bound, the sockets and the server's bound fill up in this order.
                let lazy = try await api.watch(configMaps, namespace: nil, options: ListOptions())
                let value = String(repeating: "v", count: 300_000)
                _ = try await api.create(
                    configMaps, namespace: "bob", name: nil, subresource: nil, body: FrontLaboratory.configMap("big", value))
                for number in 0..<40 {
                    _ = try await api.patch(
                        configMaps, namespace: "bob", name: "big", subresource: nil, type: .merge,
                        body: Array(#"{"data":{"n":"\#(number)"}}"#.utf8))
                }
                let watch = try await api.watch(
                    configMaps, namespace: "alice", options: ListOptions(resourceVersion: "0"))
                _ = try await api.create(
                    configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap("small"))
                _ = try await names(watch, count: 1)
                watch.cancel()
                lazy.cancel()
            }
        }
    }
}
