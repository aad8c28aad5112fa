// Watches: nothing missed, nothing twice, 410 when the past is gone.
import JSON
import KubernetesClient
import KubernetesModel
import Testing

@testable import APIServer

struct WatchTests {
    private let pods = "/api/v1/namespaces/alice/pods"

    /// The lines of a watch, as (type, object).
    private func lines(_ bytes: [UInt8]) throws -> [(type: String, object: JSONValue)] {
        try bytes.split(separator: UInt8(ascii: "\n")).map { line in
            let event = try JSONValue(parsing: Array(line))
            return (event["type"]?.stringValue ?? "", event["object"] ?? .null)
        }
    }

    /// Reads until so many events have come.
    private func read(_ watch: APIWatch, _ count: Int) async throws -> [(type: String, object: JSONValue)] {
        var events: [(type: String, object: JSONValue)] = []
        while events.count < count {
            guard let bytes = await watch.next() else { break }
            #expect(bytes.last == UInt8(ascii: "\n"))
            events += try lines(bytes)
        }
        return events
    }

    @Test("a watch tells what happened after its revision, and nothing twice", arguments: StoreKind.allCases)
    func events(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        try await lab.must(.post, pods, Laboratory.pod("before"))
        let revision = lab.store.revision
        let watch = try await lab.watch("\(pods)?watch=true&resourceVersion=\(revision)")
        try await lab.must(.post, pods, Laboratory.pod("p"))
        try await lab.must(.patch, "\(pods)/p", ["metadata": ["labels": ["a": "b"]]], type: "application/merge-patch+json")
        try await lab.must(.delete, "\(pods)/p")
        let events = try await read(watch, 3)
        #expect(events.map(\.type) == ["ADDED", "MODIFIED", "DELETED"])
        #expect(events.allSatisfy { $0.object["metadata"]?["name"] == "p" })
        let revisions = events.compactMap { $0.object["metadata"]?["resourceVersion"]?.stringValue.flatMap(UInt64.init) }
        #expect(revisions == [revision + 1, revision + 2, revision + 3])
        watch.cancel()
        #expect(await watch.next() == nil)
    }

    @Test("without a revision the present state comes first")
    func initialState() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p"))
        let watch = try await lab.watch("\(pods)?watch=1&resourceVersion=0")
        #expect(try await read(watch, 1).map(\.type) == ["ADDED"])
        watch.cancel()
    }

    @Test("an object that leaves the selection is deleted for the watcher, one that enters is added")
    func selection() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p").with(["metadata", "labels"], ["in": "yes"]))
        let watch = try await lab.watch("\(pods)?watch=true&labelSelector=in=yes&resourceVersion=\(lab.store.revision)")
        for value in ["no", "yes"] {
            try await lab.must(
                .patch, "\(pods)/p", ["metadata": ["labels": ["in": .string(value)]]], type: "application/merge-patch+json")
        }
        #expect(try await read(watch, 2).map(\.type) == ["DELETED", "ADDED"])
        watch.cancel()
    }

    @Test("a revision that is gone is told as an ERROR event with code 410, then the end")
    func gone() async throws {
        let lab = try await Laboratory()
        let watch = try await lab.watch("\(pods)?watch=true&resourceVersion=999999")
        let events = try await read(watch, 1)
        #expect(events.map(\.type) == ["ERROR"])
        #expect(events.first?.object["code"] == 410)
        #expect(events.first?.object["reason"] == "Expired")
        #expect(await watch.next() == nil)
    }

    @Test("a watch as a Table sends its columns once")
    func table() async throws {
        let lab = try await Laboratory()
        let watch = try await lab.watch(
            "\(pods)?watch=true&resourceVersion=\(lab.store.revision)",
            accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
        try await lab.must(.post, pods, Laboratory.pod("a"))
        try await lab.must(.post, pods, Laboratory.pod("b"))
        let events = try await read(watch, 2)
        #expect(events.allSatisfy { $0.object["kind"] == "Table" })
        #expect(events[0].object["columnDefinitions"]?.arrayValue?.count == 9)
        #expect(events[1].object["columnDefinitions"] == [])
        #expect(events[1].object["rows"]?[0]?["cells"]?[0] == "b")
        watch.cancel()
    }

    @Test("a watch ends when its time is over")
    func timeout() async throws {
        let lab = try await Laboratory()
        let watch = try await lab.watch("\(pods)?watch=true&timeoutSeconds=1&resourceVersion=\(lab.store.revision)")
        #expect(await watch.next() == nil)
    }

    @Test("a watch by name is a watch of one object")
    func byName() async throws {
        let lab = try await Laboratory()
        let watch = try await lab.watch("\(pods)/b?watch=true&resourceVersion=\(lab.store.revision)")
        try await lab.must(.post, pods, Laboratory.pod("a"))
        try await lab.must(.post, pods, Laboratory.pod("b"))
        #expect(try await read(watch, 1).first?.object["metadata"]?["name"] == "b")
        watch.cancel()
    }

    // MARK: In process

    @Test("the in-process client watches, and is told of a revision that is gone by an error")
    func local() async throws {
        let lab = try await Laboratory()
        let resource = GroupVersionResource(resource: "pods")
        let options = ListOptions(resourceVersion: String(lab.store.revision))
        let watch = try await lab.api.watch(resource, namespace: "alice", options: options)
        _ = try await lab.api.create(
            resource, namespace: "alice", name: nil, subresource: nil, body: Laboratory.pod("p").serialized())
        let events = try await watch.next()
        #expect(events?.map(\.kind) == [.added])
        watch.cancel()
        #expect(try await watch.next() == nil)
        let gone = try await lab.api.watch(resource, namespace: "alice", options: ListOptions(resourceVersion: "99999"))
        do {
            _ = try await gone.next()
            Issue.record("no error")
        } catch let error as KubernetesAPIError {
            #expect(error.isGone)
        }
    }
}
