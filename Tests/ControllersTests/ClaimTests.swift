// Claims over nodes' own directories: bound when their first pod has a node, and from then on where their data is.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Logging
import Scheduling
import Testing

@testable import Controllers

@Suite struct ClaimTests {
    /// alice has two nodes with one core each; the scheduler and the binder run while `body` does.
    private func withCluster(
        before: (InMemoryKubernetesAPI) throws -> Void = { _ in }, _ body: (InMemoryKubernetesAPI) async throws -> Void
    ) async throws {
        let api = InMemoryKubernetesAPI()
        try api.put(Domain(metadata: ObjectMeta(name: "alice")))
        for name in ["alice-1", "alice-2"] { try putNode(api, name, cpu: "1") }
        try before(api)
        let logger = SchedulerServiceTests.quiet()
        let informers = SharedInformers(api: api, logger: logger)
        let recorder = EventRecorder(api: api, component: "test", now: Fixture.clock(), logger: logger)
        let now: @Sendable () -> Timestamp = { Timestamp(unixSeconds: 0) }
        let service = SchedulerService(
            api: api, binder: api, informers: informers, recorder: recorder, reportDelay: .zero, now: now, logger: logger)
        let binder = ClaimBinder(
            ControllerParts(api: api, informers: informers, recorder: recorder, now: now, logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await informers.run() }
            group.addTask { await recorder.run() }
            group.addTask { try? await service.run() }
            group.addTask { try? await binder.run() }
            do {
                try await body(api)
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
        }
    }

    private static func claim(_ name: String, volumeName: String? = nil, mode: String? = nil) throws -> PersistentVolumeClaim {
        PersistentVolumeClaim(
            metadata: ObjectMeta(name: name, namespace: "alice"),
            spec: PersistentVolumeClaimSpec(
                accessModes: ["ReadWriteOnce"], resources: ResourceRequirements(requests: ["storage": try Quantity("1Gi")]),
                volumeName: volumeName, storageClassName: "standard", volumeMode: mode),
            status: PersistentVolumeClaimStatus(phase: "Pending"))
    }

    private static func pod(_ name: String, of claim: String, cpu: String = "100m") -> Pod {
        var pod = Fixture.pod("alice", name, cpu: cpu)
        pod.spec.volumes = [
            Volume(name: "data", persistentVolumeClaim: PersistentVolumeClaimVolumeSource(claimName: claim))
        ]
        return pod
    }

    private func putNode(_ api: InMemoryKubernetesAPI, _ name: String, cpu: String) throws {
        var node = try Fixture.node("alice", cpu: cpu)
        node.metadata.name = name
        try api.put(node)
    }

    /// psi-0 and psi-1, which name the claim `data`.
    private func putGang(_ api: InMemoryKubernetesAPI, cpu: String) throws {
        for index in 0..<2 {
            var pod = Self.pod("psi-\(index)", of: "data", cpu: cpu)
            pod.metadata.annotations = [
                KusciaAnnotation.podGroup: "psi", KusciaAnnotation.podGroupSize: "2", KusciaAnnotation.podGroupMinMembers: "2",
            ]
            try api.put(pod)
        }
    }

    private func node(_ api: InMemoryKubernetesAPI, _ pod: String) throws -> String? {
        try api.object(Pod.self, namespace: "alice", name: pod)?.spec.nodeName
    }

    private func claim(_ api: InMemoryKubernetesAPI, _ name: String) throws -> PersistentVolumeClaim {
        try #require(try api.object(PersistentVolumeClaim.self, namespace: "alice", name: name))
    }

    private func volume(_ api: InMemoryKubernetesAPI, of claim: PersistentVolumeClaim) throws -> PersistentVolume? {
        try claim.spec.volumeName.flatMap { try api.object(PersistentVolume.self, namespace: nil, name: $0) }
    }

    private func bound(_ api: InMemoryKubernetesAPI, _ name: String) throws -> PersistentVolume? {
        let claim = try claim(api, name)
        return claim.status.phase == "Bound" ? try volume(api, of: claim) : nil
    }

    @Test("a claim waits for its first pod, and is bound to a volume on that pod's node: claim, volume and event say so")
    func firstConsumer() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            try await eventually("told that it waits") {
                try api.objects(Event.self).contains { $0.reason == "WaitForFirstConsumer" && $0.involvedObject.name == "data" }
            }
            #expect(try claim(api, "data").status.phase == "Pending")
            try api.put(Self.pod("first", of: "data"))
            try await eventually("bound") { try bound(api, "data") != nil }
            let volume = try #require(try bound(api, "data"))
            let home = try #require(try node(api, "first"))
            #expect(volume.spec.nodeAffinity?.required?.nodeSelectorTerms == LocalVolume.terms(on: home))
            #expect(volume.metadata.name == "pvc-\(try claim(api, "data").metadata.uid ?? "")")
            #expect(volume.status.phase == "Bound" && volume.spec.claimRef?.name == "data")
            let claim = try claim(api, "data")
            #expect(claim.metadata.annotations[LocalStorage.nodeAnnotation] == home)
            #expect(claim.status.capacity == ["storage": try Quantity("1Gi")] && claim.status.accessModes == ["ReadWriteOnce"])
            try await eventually("told") {
                try api.objects(Event.self).contains { $0.reason == "ProvisioningSucceeded" && ($0.message ?? "").contains(home) }
            }
        }
    }

    @Test("pods of a bound claim go where its data is, also where another node has more room; without room there they wait and say why")
    func followsData() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            try api.put(Self.pod("first", of: "data", cpu: "500m"))
            try await eventually("bound") { try bound(api, "data") != nil }
            let home = try #require(try node(api, "first"))
            try api.put(Self.pod("second", of: "data", cpu: "300m"))
            try await eventually("placed") { try node(api, "second") != nil }
            #expect(try node(api, "second") == home)
            try api.put(Self.pod("third", of: "data", cpu: "300m"))
            try await eventually("told") {
                let message = try Fixture.unschedulable(api, "alice", "third") ?? ""
                return message.contains("1 node(s) didn't match PersistentVolume's node affinity")
                    && message.contains("1 Insufficient cpu")
            }
            // Whoever asks for no data of that node is not kept from the other.
            try api.put(Self.pod("elsewhere", of: "name-without-object", cpu: "800m"))
            try await eventually("placed on the other") { try node(api, "elsewhere").map { $0 != home } ?? false }
        }
    }

    @Test("pods that share a claim and are placed at once do not choose a node each, though each by itself would take the emptier one")
    func together() async throws {
        try await withCluster(before: { api in
            try api.put(Self.claim("data"))
            for index in 0..<4 { try api.put(Self.pod("pod\(index)", of: "data", cpu: "200m")) }
            for index in 0..<2 { try api.put(Self.pod("free\(index)", of: "name-without-object", cpu: "50m")) }
        }) { api in
            try await eventually("all placed") { try (0..<4).allSatisfy { try node(api, "pod\($0)") != nil } }
            #expect(try Set((0..<4).map { try node(api, "pod\($0)") }).count == 1)
            try await eventually("bound") { try bound(api, "data") != nil }
            #expect(try api.objects(PersistentVolume.self).count == 1)
        }
    }

    @Test("pods of a claim that come while its first one is on its way go where that one goes", arguments: 0..<8)
    func behind(_ round: Int) async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            for index in 0..<4 { try api.put(Self.pod("pod\(index)", of: "data", cpu: "200m")) }
            try await eventually("all placed") { try (0..<4).allSatisfy { try node(api, "pod\($0)") != nil } }
            #expect(try Set((0..<4).map { try node(api, "pod\($0)") }).count == 1)
        }
    }

    @Test("a gang whose own pods share a claim is bound together to one node, though its pods would choose one each", .timeLimit(.minutes(1)))
    func gang() async throws {
        try await withCluster(before: { api in
            try api.put(Self.claim("data"))
            try putGang(api, cpu: "400m")
        }) { api in
            try await eventually("bound") { try bound(api, "data") != nil }
            let homes = try (0..<2).map { try node(api, "psi-\($0)") }
            #expect(homes[0] != nil && homes[0] == homes[1])
        }
        // One that one node cannot hold says so, and does not keep the scheduler busy.
        try await withCluster(before: { api in
            try api.put(Self.claim("data"))
            try putGang(api, cpu: "700m")
        }) { api in
            try await eventually("told") {
                try (0..<2).contains { try Fixture.unschedulable(api, "alice", "psi-\($0)")?.contains("Insufficient cpu") ?? false }
            }
            try api.put(Fixture.pod("alice", "other", cpu: "100m"))
            try await eventually("others go on") { try node(api, "other") != nil }
        }
    }

    @Test(
        "a gang that only one of the nodes can hold together finds that one, also where it is the fullest", .timeLimit(.minutes(1)),
        arguments: ["alice-0", "alice-9"], ["0", "2800m"])
    func roomierNode(_ name: String, taken: String) async throws {
        try await withCluster(before: { api in
            try putNode(api, name, cpu: taken == "0" ? "1200m" : "4")
            var resident = Fixture.pod("alice", "resident", cpu: taken)
            resident.spec.nodeName = name
            try api.put(resident)
            try api.put(Self.claim("data"))
            try putGang(api, cpu: "600m")
        }) { api in
            try await eventually("bound") { try (0..<2).allSatisfy { try node(api, "psi-\($0)") == name } }
        }
    }

    @Test("a claim whose pod was bound before its node was there is bound when the node comes")
    func lateNode() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            var early = Self.pod("early", of: "data")
            early.spec.nodeName = "alice-3"
            try api.put(early)
            try await eventually("told that it waits") {
                try api.objects(Event.self).contains { $0.reason == "WaitForFirstConsumer" && $0.involvedObject.name == "data" }
            }
            try putNode(api, "alice-3", cpu: "1")
            try await eventually("bound") { try bound(api, "data") != nil }
            #expect(try bound(api, "data")?.spec.nodeAffinity?.required?.nodeSelectorTerms == LocalVolume.terms(on: "alice-3"))
        }
    }

    @Test("a volume that somebody deletes while its claim is bound is made again, on the node that has the data")
    func remade() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            try api.put(Self.pod("first", of: "data"))
            try await eventually("bound") { try bound(api, "data") != nil }
            let (home, name) = (try #require(try node(api, "first")), try #require(try bound(api, "data")).metadata.name)
            try await api.delete(Pod.self, namespace: "alice", name: "first")
            try await api.delete(PersistentVolume.self, name: name)
            try await eventually("made again") {
                try api.object(PersistentVolume.self, namespace: nil, name: name)?.status.phase == "Bound"
            }
            #expect(try bound(api, "data")?.spec.nodeAffinity?.required?.nodeSelectorTerms == LocalVolume.terms(on: home))
            try api.put(Self.pod("second", of: "data"))
            try await eventually("placed") { try node(api, "second") == home }
        }
    }

    @Test("a pod that names a node which does not exist binds no claim to it")
    func noSuchNode() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            var stray = Self.pod("stray", of: "data")
            stray.spec.nodeName = "typo"
            try api.put(stray)
            try api.put(Self.pod("real", of: "data"))
            try await eventually("bound") { try bound(api, "data") != nil }
            let home = try #require(try node(api, "real"))
            #expect(try bound(api, "data")?.spec.nodeAffinity?.required?.nodeSelectorTerms == LocalVolume.terms(on: home))
        }
    }

    @Test("the claim that stands for every node's data directory binds nothing, also where somebody makes an object of it")
    func dataDirectory() async throws {
        try await withCluster { api in
            try api.put(Self.claim(LocalStorage.dataClaim))
            for index in 0..<2 { try api.put(Self.pod("pod\(index)", of: LocalStorage.dataClaim, cpu: "700m")) }
            try await eventually("each on its node") { try (0..<2).allSatisfy { try node(api, "pod\($0)") != nil } }
            #expect(try api.objects(PersistentVolume.self).isEmpty)
        }
    }

    @Test("a pod that finds no place does not keep the others of its claim from theirs")
    func noHeadOfLine() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            try api.put(Self.pod("huge", of: "data", cpu: "64"))
            try await eventually("told") { try Fixture.unschedulable(api, "alice", "huge") != nil }
            try api.put(Self.pod("small", of: "data"))
            try await eventually("placed") { try node(api, "small") != nil }
        }
    }

    @Test("a master that ended between a volume and its claim is followed by one that binds the two, whoever is there; pods go to that node")
    func half() async throws {
        try await withCluster(before: { api in
            let claim = try api.put(Self.claim("data"))
            try api.put(LocalVolume.volume(for: claim, on: "alice-2"))
            for index in 0..<3 { try api.put(Self.pod("pod\(index)", of: "data")) }
        }) { api in
            try await eventually("bound") { try bound(api, "data") != nil }
            try await eventually("placed") { try (0..<3).allSatisfy { try node(api, "pod\($0)") == "alice-2" } }
            #expect(try claim(api, "data").metadata.annotations[LocalStorage.nodeAnnotation] == "alice-2")
            #expect(try api.objects(PersistentVolume.self).count == 1)
        }
    }

    @Test("a volume whose claim is gone is Released and stays; a claim of the same name made anew gets one of its own")
    func released() async throws {
        try await withCluster { api in
            try api.put(Self.claim("data"))
            try api.put(Self.pod("first", of: "data"))
            try await eventually("bound") { try bound(api, "data") != nil }
            let old = try #require(try bound(api, "data"))
            try await api.delete(PersistentVolumeClaim.self, namespace: "alice", name: "data")
            try await eventually("released") {
                try api.object(PersistentVolume.self, namespace: nil, name: old.metadata.name)?.status.phase == "Released"
            }
            try api.put(Self.claim("data"))
            try await eventually("bound anew") { try bound(api, "data").map { $0.metadata.name != old.metadata.name } ?? false }
            #expect(try api.objects(PersistentVolume.self).count == 2)
        }
    }

    @Test("a claim that names a volume of its own is left to whoever made that, and one of blocks is refused with its field")
    func others() async throws {
        try await withCluster { api in
            try api.put(Self.claim("named", volumeName: "theirs"))
            try api.put(Self.claim("blocks", mode: "Block"))
            for (name, claim) in [("a", "named"), ("b", "blocks")] { try api.put(Self.pod(name, of: claim)) }
            try await eventually("placed") { try node(api, "a") != nil && node(api, "b") != nil }
            try await eventually("refused") {
                try api.objects(Event.self).contains {
                    $0.reason == "ProvisioningFailed" && ($0.message ?? "").hasPrefix("spec.volumeMode: found Block")
                }
            }
            #expect(try api.objects(PersistentVolume.self).isEmpty)
            #expect(try claim(api, "named").status.phase == "Pending")
        }
    }

    @Test("a claim that is being deleted takes no pod more, and the pod says what it waits for")
    func deleting() async throws {
        try await withCluster { api in
            var claim = try Self.claim("data")
            claim.metadata.deletionTimestamp = testTime
            claim.metadata.finalizers = ["example.com/keeps"]
            try api.put(claim)
            try api.put(Self.pod("late", of: "data"))
            try await eventually("told") {
                try Fixture.unschedulable(api, "alice", "late") == "persistentvolumeclaim \"data\" is being deleted"
            }
            #expect(try node(api, "late") == nil)
        }
    }
}
