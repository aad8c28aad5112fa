// Garbage collection: the pure graph and decision over random families of objects, and the shell's deletion modes.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Testing

@testable import Controllers

@Suite("owners and dependents", .timeLimit(.minutes(1)))
struct OwnerGraphTests {
    private static func identity(_ name: String) -> ObjectIdentity {
        ObjectIdentity(resource: ConfigMap.resource, namespace: "a", name: name)
    }

    private static func owner(_ uid: String, blocking: Bool = false) -> OwnerReference {
        OwnerReference(apiVersion: "v1", kind: "ConfigMap", name: uid, uid: uid, blockOwnerDeletion: blocking)
    }

    @Test(
        "I-GC-1: whatever comes and goes in whatever order, what is left is what has an owner that exists or never had one",
        arguments: UInt64(1)...60)
    func converges(seed: UInt64) {
        var dice = SeededDice(seed)
        var graph = OwnerGraph()
        var stored: [String: LifeMetadata] = [:]
        var pending: [ObjectIdentity] = []
        var everOwned: Set<String> = []
        func look(_ identity: ObjectIdentity) {
            guard let metadata = stored[identity.name], !metadata.owners.isEmpty else { return }
            let owners = metadata.owners.map { owner -> (owner: OwnerReference, state: OwnerState) in
                (owner, stored[owner.name]?.uid == owner.uid ? .present : .absent)
            }
            switch GarbageDecision.decide(metadata, owners: owners, hasDependents: !graph.dependents(of: metadata.uid).isEmpty) {
            case .keep: for one in owners where one.state == .present { graph.confirm(one.owner.uid, asOf: graph.removals) }
            case .dropOwners(let uids):
                stored[identity.name]?.owners.removeAll { uids.contains($0.uid) }
                if let now = stored[identity.name] { pending += graph.set(identity, now) }
            case .delete:
                stored[identity.name] = nil
                pending += graph.remove(identity, uid: metadata.uid)
            }
        }
        for step in 0..<200 {
            if dice.chance(1, of: 4), let name = stored.keys.sorted().randomElement(using: &dice), let metadata = stored[name] {
                stored[name] = nil
                pending += graph.remove(Self.identity(name), uid: metadata.uid)
            } else {
                let known = stored.keys.sorted()
                let owners = (0..<dice.pick(3)).compactMap { _ in
                    dice.chance(1, of: 8) ? "never" : known.randomElement(using: &dice)
                }
                let name = "o\(step)"
                stored[name] = LifeMetadata(uid: name, owners: Array(Set(owners)).sorted().map { Self.owner($0) })
                if !owners.isEmpty { everOwned.insert(name) }
                if let made = stored[name] { pending += graph.set(Self.identity(name), made) }
            }
            // Late and out of order, as queues are.
            if dice.chance(1, of: 2), !pending.isEmpty { look(pending.remove(at: dice.pick(pending.count))) }
        }
        while let next = pending.popLast() { look(next) }
        for (name, metadata) in stored {
            #expect(metadata.owners.allSatisfy { stored[$0.name]?.uid == $0.uid }, "seed \(seed): \(name) has a dead owner")
        }
        #expect(graph.entries.keys.allSatisfy { stored[$0.name] != nil }, "seed \(seed): nothing stays in the graph")
    }

    @Test("an object whose every owner is wrong by uid goes; one that stands is enough; who cannot be judged stays")
    func decisions() {
        let one = Self.owner("1")
        let two = Self.owner("2")
        let object = LifeMetadata(uid: "x", owners: [one, two])
        func decide(_ first: OwnerState, _ second: OwnerState, dependents: Bool = false) -> GarbageDecision {
            GarbageDecision.decide(object, owners: [(one, first), (two, second)], hasDependents: dependents)
        }
        #expect(decide(.present, .present) == .keep)
        #expect(decide(.present, .absent) == .dropOwners(uids: ["2"]))
        #expect(decide(.absent, .absent) == .delete(propagationPolicy: "Background"))
        #expect(decide(.absent, .unresolvable) == .keep)
        #expect(decide(.waitsForDependents, .absent, dependents: true) == .delete(propagationPolicy: "Foreground"))
        #expect(decide(.waitsForDependents, .present) == .dropOwners(uids: ["1"]))
    }

    private func withCollector(_ api: InMemoryKubernetesAPI, _ lab: ControllerLab, _ body: () async throws -> Void) async throws {
        let recorder = EventRecorder(api: api, component: "test", now: { MicroTimestamp(testTime) }, logger: lab.logger)
        let feed = ObjectFeed(api: api, resources: api.servedResources, logger: lab.logger)
        let collector = GarbageCollector(
            api: api, feed: feed, resources: api.servedResources, recorder: recorder, logger: lab.logger)
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await feed.run() }
                group.addTask { await recorder.run() }
                group.addTask { try? await collector.run() }
            }
        }
        defer { running.cancel() }
        try await body()
    }

    private func map(_ name: String, owners: [OwnerReference] = [], finalizers: [String] = [], deleting: Bool = false)
        -> ConfigMap
    {
        ConfigMap(
            metadata: ObjectMeta(
                name: name, namespace: "alice", uid: "uid-\(name)", deletionTimestamp: deleting ? testTime : nil,
                ownerReferences: owners,
                finalizers: finalizers))
    }

    @Test("I-GC-2: in foreground deletion the owner goes after its dependents; in orphan deletion they stay and forget it")
    func modes() async throws {
        let lab = try ControllerLab()
        let api = lab.api
        for name in ["fore", "orphan"] {
            let finalizer = name == "fore" ? OwnerGraph.foreground : OwnerGraph.orphan
            let made = try api.put(map(name, finalizers: [finalizer], deleting: true))
            let owner = OwnerReference(
                apiVersion: "v1", kind: "ConfigMap", name: name, uid: made.metadata.uid ?? "", controller: true,
                blockOwnerDeletion: true)
            try api.put(map("\(name)-child", owners: [owner]))
        }
        try await withCollector(api, lab) {
            let left = try await lab.wait("dependents judged", ConfigMap.self) { maps in
                !maps.contains { $0.metadata.name == "fore-child" }
                    && maps.contains { $0.metadata.name == "orphan-child" && $0.metadata.ownerReferences.isEmpty }
                    && !maps.contains { ["fore", "orphan"].contains($0.metadata.name) && !$0.metadata.finalizers.isEmpty }
            }
            #expect(left.contains { $0.metadata.name == "orphan-child" })
        }
    }

    @Test("an owner in another namespace counts as absent, and an event says why the object went")
    func crossNamespace() async throws {
        let lab = try ControllerLab()
        let made = try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "far", namespace: "bob")))
        let owner = OwnerReference(apiVersion: "v1", kind: "ConfigMap", name: "far", uid: made.metadata.uid ?? "")
        try lab.api.put(map("child", owners: [owner]))
        try await withCollector(lab.api, lab) {
            try await lab.wait("child gone", ConfigMap.self) { !$0.contains { $0.metadata.name == "child" } }
            try await lab.wait("told", Event.self) { $0.contains { $0.reason == "OwnerRefInvalidNamespace" } }
        }
        #expect(try lab.api.object(ConfigMap.self, namespace: "bob", name: "far") != nil)
    }
}
