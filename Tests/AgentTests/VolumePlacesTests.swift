// Volumes that are places: scratch on disk and in memory, paths of the node, claims, parts of them.
import AgentCore
import Glibc
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite("volumes that are places", .timeLimit(.minutes(1)))
struct VolumePlacesTests {
    private func failure(_ lab: VolumeLab, _ pod: Pod) async -> StepFailure? {
        do throws(StepFailure) {
            try await lab.manager.prepare(pod)
            _ = try await lab.manager.mounts(pod.spec.containers[0], of: pod)
            return nil
        } catch { return error }
    }

    @Test(
        "an emptyDir in memory is a tmpfs of its size, whose end the kernel holds, and is unmounted with the pod",
        .enabled(if: geteuid() == 0))
    func memory() async throws {
        let lab = try VolumeLab()
        let pod = lab.pod([
            Volume(name: "m", emptyDir: EmptyDirVolumeSource(medium: "Memory", sizeLimit: Quantity(bytes: 1 << 20)))
        ])
        try await lab.manager.prepare(pod)
        try await lab.manager.prepare(pod)
        let path = try await lab.mount(pod).hostPath
        #expect(DiskFiles.isMountPoint(path) && lab.mode(path) == 0o777)
        #expect(throws: FileError(operation: "write", path: path + "/x.new", code: ENOSPC)) {
            try DiskFiles.replace(path + "/x", with: [UInt8](repeating: 1, count: 2 << 20))
        }
        try await lab.manager.clean(pod)
        #expect(!DiskFiles.exists(path))
        // What an agent that died left behind goes with the pod's directory.
        try await lab.manager.prepare(pod)
        try await PodRecordStore(paths: lab.paths, boot: "").remove(uid: "uid-1")
        #expect(!DiskFiles.exists(lab.paths.pod("uid-1")))
    }

    @Test(
        "a secret's memory is mounted where there is none, for one agent's life, and not left behind when it is empty",
        .enabled(if: geteuid() == 0))
    func secretMemory() async throws {
        let lab = try VolumeLab()
        let place = lab.directory + "/memory"
        defer { MemoryFiles.release(place) }
        try MemoryFiles.prepare(place)
        try MemoryFiles.prepare(place)
        #expect(DiskFiles.isMountPoint(place))
        try DiskFiles.makeDirectory(place + "/uid")
        MemoryFiles.release(place)
        #expect(DiskFiles.isMountPoint(place))
        try DiskFiles.removeTree(place + "/uid")
        MemoryFiles.release(place)
        #expect(!DiskFiles.exists(place))
    }

    @Test("an unknown medium is refused")
    func medium() async throws {
        let lab = try VolumeLab()
        let found = await failure(lab, lab.pod([Volume(name: "m", emptyDir: EmptyDirVolumeSource(medium: "HugePages"))]))
        #expect(found?.retriable == false && found?.message.contains("HugePages") == true)
    }

    // MARK: Paths of the node

    private func hostPath(_ lab: VolumeLab, _ path: String, _ type: String?) async -> StepFailure? {
        await failure(lab, lab.pod([Volume(name: "h", hostPath: HostPathVolumeSource(path: path, type: type))]))
    }

    @Test("types of hostPath: made, found, or refused for what they are")
    func types() async throws {
        let lab = try VolumeLab()
        let root = lab.directory + "/allowed"
        #expect(
            await hostPath(lab, root + "/made/deep", "DirectoryOrCreate") == nil && DiskFiles.isDirectory(root + "/made/deep"))
        #expect(await hostPath(lab, root + "/made/file", "FileOrCreate") == nil && lab.mode(root + "/made/file") == 0o644)
        #expect(await hostPath(lab, root + "/made/file", "File") == nil)
        #expect(await hostPath(lab, root + "/made/file", "Directory")?.message.contains("is not a directory") == true)
        #expect(await hostPath(lab, root + "/made", "File")?.message.contains("is not a file") == true)
        #expect(await hostPath(lab, root + "/made/file", "Socket")?.message.contains("is not a socket") == true)
        #expect(await hostPath(lab, root + "/made/file", "CharDevice")?.retriable == false)
        #expect(await hostPath(lab, root + "/made/file", "BlockDevice")?.retriable == false)
        #expect(await hostPath(lab, root + "/made", "Pipe")?.message.contains("type Pipe is not supported") == true)
        // Waited for, as a kubelet does.
        #expect(await hostPath(lab, root + "/later", "Directory")?.retriable == true)
    }

    @Test("what is not in the allow-list is refused, and so is a link that leads out of it; nothing is made behind one")
    func allowList() async throws {
        let lab = try VolumeLab()
        let root = lab.directory + "/allowed"
        mkdir(root, 0o755)
        mkdir(lab.directory + "/outside", 0o755)
        symlink(lab.directory + "/outside", root + "/link")
        #expect(await hostPath(lab, "/etc", "Directory")?.message.contains("is not in the node's allow-list") == true)
        #expect(await hostPath(lab, root + "/../outside", nil)?.retriable == false)
        #expect(await hostPath(lab, root + "x", "DirectoryOrCreate")?.message.contains("is not in the node's allow-list") == true)
        #expect(await hostPath(lab, root + "/link", nil)?.message.contains("which is not in the node's allow-list") == true)
        #expect(await hostPath(lab, root + "/link/made", "DirectoryOrCreate")?.message.contains("behind a link") == true)
        #expect(await hostPath(lab, root + "/link/file", "FileOrCreate")?.message.contains("behind a link") == true)
        #expect(DiskFiles.names(in: lab.directory + "/outside").isEmpty)
    }

    // MARK: Parts

    @Test("subPathExpr takes the container's variables: each replica its own part of a claim")
    func subPathExpression() async throws {
        let lab = try VolumeLab()
        let pod = lab.pod([Volume(name: "job", persistentVolumeClaim: .init(claimName: "job-1"))]) {
            $0.spec.containers[0].volumeMounts[0].subPathExpr = "out/$(POD)"
        }
        try await lab.manager.prepare(pod)
        let mounts = try await lab.manager.mounts(pod.spec.containers[0], of: pod, environment: [("POD", "p-0")])
        #expect(mounts.map(\.hostPath) == [lab.paths.claim("alice", "job-1") + "/out/p-0"])
        #expect(DiskFiles.isDirectory(mounts[0].hostPath) && mounts[0].refusesLinks)
        await #expect(throws: StepFailure.self) { try await lab.manager.mounts(pod.spec.containers[0], of: pod, environment: []) }
        await #expect(throws: StepFailure.self) {
            try await lab.manager.mounts(pod.spec.containers[0], of: pod, environment: [("POD", "../../etc")])
        }
    }

    @Test("a claim's name leads nowhere else", arguments: ["", "../x", "a/b", ".hidden"])
    func claimNames(_ name: String) async throws {
        let lab = try VolumeLab()
        let found = await failure(lab, lab.pod([Volume(name: "c", persistentVolumeClaim: .init(claimName: name))]))
        #expect(found?.retriable == false)
    }
}
