// The local copy never misses a change, whatever happens to its watch.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import Synchronization
import Testing

/// What an informer told its handler, in order; tests wait for a condition on it.
private final class EventLog<T: KubernetesObject>: Sendable {
    private struct Content {
        var lines: [String] = []
        var waiters: [(condition: @Sendable ([String]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let content = Mutex(Content())

    var lines: [String] { content.withLock { $0.lines } }

    func record(_ event: InformerEvent<T>) {
        let line =
            switch event {
            case .added(let object): "+\(object.metadata.name)"
            case .updated(_, let object): "~\(object.metadata.name)"
            case .deleted(let object): "-\(object.metadata.name)"
            }
        let ready = content.withLock { content in
            content.lines.append(line)
            let lines = content.lines
            let ready = content.waiters.filter { $0.condition(lines) }
            content.waiters.removeAll { $0.condition(lines) }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    func wait(_ condition: @escaping @Sendable ([String]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let ready = content.withLock { content in
                if condition(content.lines) { return true }
                content.waiters.append((condition, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }
}

@Suite("Informer", .timeLimit(.minutes(1)))
struct InformerTests {
    private let api = InMemoryKubernetesAPI()

    private func pod(_ name: String, labels: [String: String] = [:]) -> Pod {
        Pod(metadata: .init(name: name, namespace: "alice", labels: labels))
    }

    /// Runs an informer of pods around `body`, and checks that cancelling ends it.
    private func following(
        options: ListOptions = .init(), _ body: (Informer<Pod>, EventLog<Pod>) async throws -> Void
    ) async throws {
        let informer = Informer<Pod>(
            api: api, namespace: "alice", options: options,
            backoff: Backoff(first: .milliseconds(1), longest: .milliseconds(5)), logger: Logger(label: "test"))
        let log = EventLog<Pod>()
        informer.onEvent { log.record($0) }
        let running = Task { await informer.run() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(informer, log))
        } catch {
            result = .failure(error)
        }
        running.cancel()
        await running.value
        #expect(api.watchCount == 0, "the watch was left behind")
        try result.get()
    }

    @Test("what is there is listed, over all pages, before the informer calls itself synced")
    func firstList() async throws {
        for index in 0..<1203 { try api.put(pod("p\(index)")) }
        try api.put(Pod(metadata: .init(name: "other", namespace: "bob")))
        try await following { informer, log in
            await informer.waitUntilSynced()
            #expect(informer.hasSynced)
            #expect(informer.objects.count == 1203)
            #expect(log.lines.count == 1203)
            #expect(informer.get(namespace: "alice", name: "p7") != nil)
            #expect(api.calls.filter { $0.verb == .list }.count == 3)
        }
    }

    @Test("changes arrive in their order")
    func changes() async throws {
        try await following { informer, log in
            await informer.waitUntilSynced()
            try await api.create(pod("a"))
            try await api.patch(Pod.self, namespace: "alice", name: "a", merge: ["metadata": ["labels": ["x": "y"]]])
            try await api.delete(Pod.self, namespace: "alice", name: "a")
            await log.wait { $0.count == 3 }
            #expect(log.lines == ["+a", "~a", "-a"])
            #expect(informer.objects.isEmpty)
        }
    }

    @Test("a deletion while the watch is broken is found by the next list")
    func missedDeletion() async throws {
        try api.put(pod("stays"))
        try api.put(pod("goes"))
        try await following { informer, log in
            await informer.waitUntilSynced()
            await log.wait { $0.count == 2 }
            api.failNext(3, verb: .list, with: .transport("connection refused"))
            api.failNext(1, verb: .watch, with: .status(APIStatus(status: "Failure", reason: "Expired", code: 410)))
            api.dropWatches(.transport("connection reset"))
            api.remove(Pod.resource, namespace: "alice", name: "goes")
            try api.put(pod("new"))
            await log.wait { $0.contains("-goes") && $0.contains("+new") }
            #expect(Set(informer.objects.map(\.metadata.name)) == ["stays", "new"])
            #expect(!log.lines.contains("-stays"))
        }
    }

    @Test("a pod that was deleted and made again while nobody watched is a deletion and an addition, not an update")
    func sameNameOtherIncarnation() async throws {
        try api.put(pod("a"))
        try await following { informer, log in
            await log.wait { $0 == ["+a"] }
            // The hook holds the re-list until the pod has been replaced.
            api.failNext(5, verb: .list, with: .transport("down"))
            api.remove(Pod.resource, namespace: "alice", name: "a")
            api.dropWatches(.transport("reset"))
            try api.put(pod("a"))
            await log.wait { $0.filter { $0 == "+a" }.count == 2 }
            #expect(log.lines == ["+a", "-a", "+a"])
            #expect(
                informer.get(namespace: "alice", name: "a")?.metadata.uid
                    == (try api.object(Pod.self, namespace: "alice", name: "a"))?.metadata.uid)
        }
    }

    @Test("410 Gone, as an answer or as an event inside the watch, makes it list again", arguments: [true, false])
    func gone(asAnswer: Bool) async throws {
        try api.put(pod("a"))
        try await following { informer, log in
            await log.wait { $0 == ["+a"] }
            let expired = KubernetesAPIError.status(APIStatus(status: "Failure", reason: "Expired", code: 410))
            if asAnswer { api.failNext(verb: .watch, with: expired) }
            api.dropWatches(asAnswer ? nil : expired)
            try api.put(pod("b"))
            await log.wait { $0.contains("+b") }
            #expect(log.lines == ["+a", "+b"])
        }
    }

    @Test("a server that ends every watch at once is not asked without pause")
    func endedWatches() async throws {
        try await following { informer, log in
            await informer.waitUntilSynced()
            for index in 0..<20 {
                api.dropWatches()
                try api.put(pod("p\(index)"))
                await log.wait { $0.contains("+p\(index)") }
            }
            #expect(informer.objects.count == 20)
        }
    }

    @Test("an object that does not fit the view is skipped, and is no deletion when it fitted before")
    func misfit() async throws {
        try api.put(pod("good"))
        try api.put(pod("turns-bad"))
        try await following { informer, log in
            await log.wait { $0.count == 2 }
            _ = try await api.patch(
                Pod.resource, namespace: "alice", name: "turns-bad", subresource: "status", type: .merge,
                body: Array(#"{"status":{"phase":"Sideways"}}"#.utf8))
            api.dropWatches(.transport("reset"))
            try api.put(pod("later"))
            await log.wait { $0.contains("+later") }
            #expect(!log.lines.contains("-turns-bad"))
            #expect(informer.get(namespace: "alice", name: "turns-bad") != nil)
        }
    }

    @Test("an object that stops matching the selector is deleted for this informer")
    func selector() async throws {
        try api.put(pod("mine", labels: ["x": "y"]))
        try api.put(pod("other"))
        try await following(options: ListOptions(labelSelector: "x=y")) { informer, log in
            await log.wait { $0 == ["+mine"] }
            try await api.patch(Pod.self, namespace: "alice", name: "mine", merge: ["metadata": ["labels": ["x": "z"]]])
            try await api.patch(Pod.self, namespace: "alice", name: "other", merge: ["metadata": ["labels": ["x": "y"]]])
            await log.wait { $0.count == 3 }
            #expect(log.lines == ["+mine", "-mine", "+other"])
        }
    }

    @Test("a handler that comes late is told of everything present")
    func lateHandler() async throws {
        try api.put(pod("a"))
        try await following { informer, log in
            await log.wait { $0 == ["+a"] }
            let late = EventLog<Pod>()
            informer.onEvent { late.record($0) }
            #expect(late.lines == ["+a"])
        }
    }

    @Test("waiting for an informer that was cancelled before it synced ends")
    func cancelledBeforeSync() async {
        api.failNext(1_000_000, verb: .list, with: .transport("down"))
        let informer = Informer<Pod>(api: api, backoff: Backoff(first: .milliseconds(1)), logger: Logger(label: "test"))
        let running = Task { await informer.run() }
        running.cancel()
        await running.value
        await informer.waitUntilSynced()
        #expect(!informer.hasSynced)
    }
}
