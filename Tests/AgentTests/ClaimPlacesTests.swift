// Claims that are bound to a volume lie where the volume says; all others in the node's own directory of their name.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite struct ClaimPlacesTests {
    private static let volumes = [Volume(name: "data", persistentVolumeClaim: .init(claimName: "data"))]

    private static func claim(_ phase: String, volumeName: String?, annotations: [String: String] = [:]) -> PersistentVolumeClaim {
        PersistentVolumeClaim(
            metadata: ObjectMeta(name: "data", namespace: "alice", annotations: annotations),
            spec: PersistentVolumeClaimSpec(accessModes: ["ReadWriteOnce"], volumeName: volumeName),
            status: PersistentVolumeClaimStatus(phase: phase))
    }

    private static func volume(_ change: (inout PersistentVolumeSpec) -> Void) -> PersistentVolume {
        var volume = PersistentVolume(metadata: ObjectMeta(name: "pv-1"))
        change(&volume.spec)
        return volume
    }

    /// The claim is bound to a local volume that is there.
    private func labWithDisk() throws -> (VolumeLab, String) {
        let lab = try VolumeLab()
        let place = lab.directory + "/allowed/disk"
        try DiskFiles.makeDirectory(place)
        try lab.api.put(Self.claim("Bound", volumeName: "pv-1"))
        try lab.api.put(Self.volume { $0.local = LocalVolumeSource(path: place) })
        return (lab, place)
    }

    private func sources(_ manager: VolumeManager, _ pod: Pod) async throws -> [String] {
        try await manager.mounts(pod.spec.containers[0], of: pod).map(\.hostPath)
    }

    private func failure(_ lab: VolumeLab, _ pod: Pod) async -> StepFailure? {
        do throws(StepFailure) {
            try await lab.manager.prepare(pod)
            return nil
        } catch { return error }
    }

    @Test("a claim bound to a local volume lies there, also for a container that starts anew while nobody answers; what is kept goes with the pod")
    func local() async throws {
        let (lab, place) = try labWithDisk()
        let pod = lab.pod(Self.volumes)
        try await lab.manager.prepare(pod)
        #expect(try await sources(lab.manager, pod) == [place])
        let manager = lab.manager
        lab.api.failNext(1_000, with: .transport("nobody answers"))
        #expect(try await sources(manager, pod) == [place])
        try await lab.manager.clean(pod)
        #expect(!DiskFiles.exists(lab.paths.claimPlaces("uid-1")) && DiskFiles.exists(place))
    }

    @Test("a volume's path is bound to the node's allow-list as a pod's own is, and a local one must be a directory that is there: the pod waits")
    func refused() async throws {
        let lab = try VolumeLab()
        try DiskFiles.makeDirectory(lab.directory + "/allowed")
        try lab.api.put(Self.claim("Bound", volumeName: "pv-1"))
        try lab.api.put(Self.volume { $0.hostPath = HostPathVolumeSource(path: "/etc") })
        let outside = await failure(lab, lab.pod(Self.volumes))
        #expect(outside?.retriable == true && outside?.message.contains("/etc: is not in the node's allow-list") == true)
        #expect(outside?.message.contains("persistentvolumeclaim \"data\"") == true)
        let place = lab.directory + "/allowed/absent"
        try lab.api.put(Self.volume { $0.local = LocalVolumeSource(path: place) })
        #expect(await failure(lab, lab.pod(Self.volumes))?.retriable == true)
        try DiskFiles.makeDirectory(place)
        #expect(await failure(lab, lab.pod(Self.volumes)) == nil)
        // Its disk is away when a container starts again.
        try DiskFiles.removeTree(place)
        await #expect(throws: StepFailure.self) { try await sources(lab.manager, lab.pod(Self.volumes)) }
    }

    @Test("a claim that was bound elsewhere at first and is a name now lies by its name; one that is Lost is waited for")
    func rebound() async throws {
        let (lab, _) = try labWithDisk()
        let pod = lab.pod(Self.volumes)
        try await lab.manager.prepare(pod)
        try lab.api.put(Self.claim("Pending", volumeName: nil))
        try await lab.manager.prepare(pod)
        #expect(try await sources(lab.manager, pod) == [lab.paths.claim("alice", "data")])
        try lab.api.put(Self.claim("Lost", volumeName: "pv-1"))
        let lost = await failure(lab, pod)
        #expect(lost?.retriable == true && lost?.message.contains("found Lost, expected Bound") == true)
    }

    @Test("a volume that is not there may come; one of a kind that no node of ours reaches will not, and is named")
    func unreachable() async throws {
        let lab = try VolumeLab()
        try lab.api.put(Self.claim("Bound", volumeName: "pv-1"))
        let absent = await failure(lab, lab.pod(Self.volumes))
        #expect(absent?.retriable == true && absent?.message.contains("persistentvolume \"pv-1\" not found") == true)
        try lab.api.put(Self.volume { $0.csi = CSIPersistentVolumeSource(driver: "ebs.csi.aws.com", volumeHandle: "vol-1") })
        let foreign = await failure(lab, lab.pod(Self.volumes))
        #expect(foreign?.retriable == false && foreign?.message.contains("found csi.driver ebs.csi.aws.com, expected local or hostPath") == true)
    }

    @Test(
        "without an object, unbound, or bound to what the master made of it, a claim is the directory of its name",
        arguments: [nil, claim("Pending", volumeName: nil), claim("Pending", volumeName: "theirs"),
            claim("Bound", volumeName: "pvc-1", annotations: [LocalStorage.provisionerAnnotation: LocalStorage.driver])])
    func byName(_ claim: PersistentVolumeClaim?) async throws {
        let lab = try VolumeLab()
        if let claim { try lab.api.put(claim) }
        let pod = lab.pod(Self.volumes)
        try await lab.manager.prepare(pod)
        #expect(try await sources(lab.manager, pod) == [lab.paths.claim("alice", "data")])
        #expect(!DiskFiles.exists(lab.paths.claimPlaces("uid-1")))
        #expect(!lab.api.calls.contains { $0.resource == PersistentVolume.resource })
    }

    @Test("a pod on another node than its claim's data waits and says where that is: it would find an empty directory")
    func elsewhere() async throws {
        let lab = try VolumeLab()
        func put(_ node: String) throws {
            let annotations = [LocalStorage.provisionerAnnotation: LocalStorage.driver, LocalStorage.nodeAnnotation: node]
            try lab.api.put(Self.claim("Bound", volumeName: "pvc-1", annotations: annotations))
        }
        try put("bob-node")
        let found = await failure(lab, lab.pod(Self.volumes))
        #expect(found?.retriable == true && found?.message.contains("its data is on node bob-node, expected alice-node") == true)
        try put("alice-node")
        #expect(await failure(lab, lab.pod(Self.volumes)) == nil)
    }

    @Test("a static pod has no objects: nobody is asked for its claims")
    func ofFile() async throws {
        let lab = try VolumeLab()
        try lab.api.put(Self.claim("Bound", volumeName: "pv-1"))
        let pod = lab.pod(Self.volumes) { $0.metadata.annotations = [StaticPod.sourceAnnotation: "file"] }
        try await lab.manager.prepare(pod)
        #expect(try await sources(lab.manager, pod) == [lab.paths.claim("alice", "data")])
        #expect(lab.api.calls.isEmpty)
    }
}
