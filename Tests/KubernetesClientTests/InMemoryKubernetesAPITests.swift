// The fake server that other tests rely on keeps the real one's rules.
import Dispatch
import Glibc
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Synchronization
import Testing

@Suite("The server in memory", .timeLimit(.minutes(1)))
struct InMemoryKubernetesAPITests {
    private let api = InMemoryKubernetesAPI()

    private func pod(_ name: String, node: String? = nil) -> Pod {
        Pod(metadata: .init(name: name, namespace: "alice"), spec: .init(containers: [.init(name: "c")], nodeName: node))
    }

    @Test("create gives identity and version; a second of the name is refused; get and list find it")
    func create() async throws {
        let created = try await api.create(pod("a"))
        #expect(created.metadata.uid != nil && created.metadata.resourceVersion == "1" && created.metadata.generation == 1)
        let error = await #expect(throws: KubernetesAPIError.self) { try await api.create(pod("a")) }
        #expect(error?.isAlreadyExists == true)
        #expect(try await api.get(Pod.self, namespace: "alice", name: "a") == created)
        #expect(try await api.find(Pod.self, namespace: "alice", name: "b") == nil)
        #expect(try await api.list(Pod.self, namespace: "bob").items.isEmpty)
        #expect(try await api.list(Pod.self).items == [created])
        #expect(try await api.createIfAbsent(pod("a")) == created)
    }

    @Test("a generated name is unique")
    func generateName() async throws {
        let event = Event(metadata: .init(generateName: "e-", namespace: "alice"))
        let names = Set([try await api.create(event).metadata.name, try await api.create(event).metadata.name])
        #expect(names.count == 2 && names.allSatisfy { $0.hasPrefix("e-") })
    }

    @Test("status and spec change through their own endpoints only; an unchanged object keeps its version")
    func subresources() async throws {
        try await api.create(pod("a"))
        let merge: JSONValue = [
            "metadata": ["annotations": ["k": "v"]], "spec": ["hostname": "h"], "status": ["phase": "Running"],
        ]
        let status = try await api.patchStatus(Pod.self, namespace: "alice", name: "a", merge: merge)
        #expect(status.status.phase == .running && status.spec.hostname == nil && status.metadata.annotations == ["k": "v"])
        #expect(status.metadata.generation == 1)
        let same = try await api.patchStatus(Pod.self, namespace: "alice", name: "a", merge: merge)
        #expect(same.metadata.resourceVersion == status.metadata.resourceVersion)
        let spec = try await api.patch(
            Pod.self, namespace: "alice", name: "a", merge: ["spec": ["hostname": "h"], "status": ["phase": "Failed"]])
        #expect(spec.status.phase == .running && spec.spec.hostname == "h" && spec.metadata.generation == 2)
    }

    @Test("a stale version or another incarnation is a conflict")
    func conflict() async throws {
        let first = try await api.create(pod("a"))
        try await api.patch(Pod.self, namespace: "alice", name: "a", merge: ["metadata": ["labels": ["x": "y"]]])
        for patch: JSONValue in [
            ["metadata": ["resourceVersion": .string(first.metadata.resourceVersion ?? "")]], ["metadata": ["uid": "other"]],
        ] {
            let error = await #expect(throws: KubernetesAPIError.self) {
                try await api.patch(Pod.self, namespace: "alice", name: "a", merge: patch)
            }
            #expect(error?.isConflict == true)
        }
        let error = await #expect(throws: KubernetesAPIError.self) {
            try await api.delete(Pod.self, namespace: "alice", name: "a", options: .init(uid: "other"))
        }
        #expect(error?.isConflict == true)
    }

    @Test("JSON patch and strategic merge change what they name")
    func patches() async throws {
        try await api.create(pod("a"))
        func patch(_ type: PatchType, _ body: JSONValue, status: Bool = false) async throws -> Pod {
            let answer = try await api.patch(
                Pod.resource, namespace: "alice", name: "a", subresource: status ? "status" : nil, type: type,
                body: body.serialized())
            return try JSON.decode(Pod.self, from: answer)
        }
        let labelled = try await patch(
            .json,
            [
                ["op": "test", "path": "/spec/containers/0/name", "value": "c"],
                ["op": "add", "path": "/metadata/labels", "value": ["a~/b": "1"]],
                ["op": "replace", "path": "/metadata/labels/a~0~1b", "value": "2"],
            ])
        #expect(labelled.metadata.labels == ["a~/b": "2"])
        #expect(try await patch(.json, [["op": "remove", "path": "/metadata/labels/a~0~1b"]]).metadata.labels.isEmpty)
        await #expect(throws: KubernetesAPIError.self) { try await patch(.json, [["op": "remove", "path": "/nothing"]]) }
        _ = try await patch(
            .strategicMerge,
            ["status": ["conditions": [["type": "Ready", "status": "False"], ["type": "X", "status": "True"]]]], status: true)
        let merged = try await patch(
            .strategicMerge, ["status": ["conditions": [["type": "Ready", "status": "True"]]]], status: true)
        #expect(merged.status.conditions.map(\.status) == [.true, .true])
    }

    @Test("a gang is bound together or not at all")
    func gang() async throws {
        let one = try await api.create(pod("a"))
        let two = try await api.create(pod("b"))
        func binding(_ pod: Pod, uid: String? = nil) -> PodBinding {
            PodBinding(namespace: "alice", name: pod.metadata.name, uid: uid ?? pod.metadata.uid ?? "", node: "n")
        }
        await #expect(throws: KubernetesAPIError.self) { try await api.bindTogether([binding(one), binding(two, uid: "old")]) }
        #expect(try api.objects(Pod.self).allSatisfy { $0.spec.nodeName == nil })
        try await api.bindTogether([binding(one), binding(two)])
        #expect(
            try api.objects(Pod.self).allSatisfy { $0.spec.nodeName == "n" && $0.status.conditions[0].type == "PodScheduled" })
        let error = await #expect(throws: KubernetesAPIError.self) { try await api.bindTogether([binding(one)]) }
        #expect(error?.isConflict == true)
    }

    @Test("a pod on a node is deleted in two steps; a finished or unbound one, or with no grace, at once")
    func gracefulDeletion() async throws {
        try await api.create(pod("bound", node: "n"))
        try await api.create(pod("unbound"))
        try await api.delete(Pod.self, namespace: "alice", name: "unbound")
        try await api.delete(Pod.self, namespace: "alice", name: "bound", options: .init(gracePeriodSeconds: 2))
        let stopping = try await api.get(Pod.self, namespace: "alice", name: "bound")
        #expect(stopping.metadata.deletionTimestamp != nil && stopping.metadata.deletionGracePeriodSeconds == 2)
        #expect(try await api.find(Pod.self, namespace: "alice", name: "unbound") == nil)
        try await api.delete(Pod.self, namespace: "alice", name: "bound", options: .init(gracePeriodSeconds: 0))
        #expect(try await api.find(Pod.self, namespace: "alice", name: "bound") == nil)
        try await api.deleteIfPresent(Pod.self, namespace: "alice", name: "bound")
    }

    @Test("a watch from a revision tells what came after it, and an expired one says so")
    func watch() async throws {
        let first = try await api.create(pod("a"))
        try await api.create(pod("b"))
        let stream = try await api.watch(
            Pod.resource, namespace: "alice", options: .init(resourceVersion: first.metadata.resourceVersion))
        let events = try #require(try await stream.next())
        #expect(events.map(\.kind) == [.added])
        stream.cancel()
        #expect(try await stream.next() == nil)
        api.expireHistory()
        let error = await #expect(throws: KubernetesAPIError.self) {
            try await api.watch(Pod.resource, namespace: nil, options: .init(resourceVersion: "1"))
        }
        #expect(error?.isGone == true)
    }

    @Test("field and label selectors narrow a list; a malformed one is refused")
    func selectors() async throws {
        try await api.create(pod("a", node: "n"))
        try await api.create(pod("b", node: "m"))
        #expect(
            try await api.list(Pod.self, options: .init(fieldSelector: "spec.nodeName=n")).items.map(\.metadata.name) == ["a"])
        #expect(try await api.list(Pod.self, options: .init(labelSelector: "x")).items.isEmpty)
        await #expect(throws: KubernetesAPIError.self) { try await api.list(Pod.self, options: .init(labelSelector: "a in")) }
    }

    @Test("failures are spent on the calls that they are meant for; every call is recorded")
    func knobs() async throws {
        api.failNext(verb: .create, resource: Pod.resource)
        #expect(try await api.list(Pod.self).items.isEmpty)
        let error = await #expect(throws: KubernetesAPIError.self) { try await api.create(pod("a")) }
        #expect(error?.code == 500)
        try await api.create(pod("a"))
        #expect(api.calls.map(\.verb) == [.list, .create, .create])
    }

    /// A task's lock is held while its cancellation is told, and taken by who wakes it: with a lock of the server's around either, each
    /// would wait for the other, and so for ever.
    @Test("a reader that is cancelled while it is told of a change ends")
    func cancelledReader() async throws {
        let queue = DispatchQueue(label: "outside of the tasks' threads", attributes: .concurrent)
        // Large, so that the server takes its time.
        let data = Dictionary(uniqueKeysWithValues: (0..<2000).map { ("key-\($0)", "value") })
        for round in 0..<50 {
            let api = InMemoryKubernetesAPI()  // without objects that a watch would begin with
            let stream = try await api.watch(ConfigMap.resource, namespace: nil, options: .init())
            let reader = Task { _ = try? await stream.next() }
            try await Task.sleep(for: .milliseconds(2))  // for it to wait; it ends without, too
            let (both, begun) = (DispatchGroup(), Flag())
            queue.async(group: both) {
                begun.value.store(true, ordering: .releasing)
                _ = try? api.put(ConfigMap(metadata: .init(name: "map-\(round)", namespace: "alice"), data: data))
            }
            queue.async(group: both) {
                while !begun.value.load(ordering: .acquiring) {}
                usleep(UInt32.random(in: 0..<20_000))  // to be somewhere within the change, which takes about so long
                reader.cancel()
            }
            let ended = await withCheckedContinuation { continuation in
                queue.async { continuation.resume(returning: both.wait(timeout: .now() + 20) == .success) }
            }
            try #require(ended, "round \(round)")
            await reader.value
        }
    }

    private final class Flag: Sendable { let value = Atomic(false) }
}
