// A pod's volumes without an agent around them: an API server in memory, a directory on disk, another in memory.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import RuntimeInterface
import Synchronization

@testable import Agent

/// A clock that stands still until the test moves it.
final class StillClock: AgentClock {
    private let time: Mutex<Int64>
    init(_ seconds: Int64) { time = Mutex(seconds * .nanosecondsPerSecond) }
    func now() -> UnixNanoseconds { time.withLock { $0 } }
    func advance(seconds: Int64) { time.withLock { $0 += seconds * .nanosecondsPerSecond } }
    // Until the test is over: its time does not pass by itself.
    func sleep(until time: UnixNanoseconds) async throws { try await Task.sleep(for: .seconds(3600)) }
}

final class VolumeLab {
    /// Of the server that makes the times of tokens, too.
    static let seconds: Int64 = 1_767_225_600

    let directory: String
    let memory: String
    let api = InMemoryKubernetesAPI()
    let clock = StillClock(seconds)
    var config: AgentConfig
    var paths: AgentPaths { AgentPaths(state: directory + "/state", memory: memory) }
    var manager: VolumeManager {
        VolumeManager(
            api: api, config: config, paths: paths, clock: clock, allocatable: PodResources(cpuMillis: 4000, memoryBytes: 1 << 30)
        )
    }

    init() throws {
        var template = Array("/tmp/swiftlet-volumes-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError("mkdtemp: errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        memory = "/dev/shm/\(directory.split(separator: "/").last ?? "")"
        config = AgentConfig(
            nodeName: "alice-node", domain: "alice", stateDirectory: directory + "/state", dataDirectory: directory + "/data",
            nodeIP: "10.0.0.7", hostPathAllowList: [directory + "/allowed"])
        mkdir(directory + "/data", 0o755)
    }

    deinit {
        // The test's own directories: one made by mkdtemp above, one named after it.
        for name in DiskFiles.names(in: paths.pods) { try? MemoryFiles.unmountVolumes(below: paths.volumes(name)) }
        try? DiskFiles.removeTree(directory)
        try? DiskFiles.removeTree(memory)
    }

    func pod(_ volumes: [Volume], change: (inout Pod) -> Void = { _ in }) -> Pod {
        var pod = Pod(
            metadata: ObjectMeta(name: "p", namespace: "alice", uid: "uid-1", labels: ["app": "psi"]),
            spec: PodSpec(volumes: volumes, containers: [Container(name: "main", image: "psi:1")], nodeName: "alice-node"))
        pod.spec.containers[0].volumeMounts = volumes.map { VolumeMount(name: $0.name, mountPath: "/" + $0.name) }
        change(&pod)
        return pod
    }

    func put(_ name: String, _ data: [String: String], immutable: Bool? = nil) throws {
        try api.put(ConfigMap(metadata: ObjectMeta(name: name, namespace: "alice"), data: data, immutable: immutable))
    }

    func put(secret name: String, _ data: [String: String]) throws {
        try api.put(Secret(metadata: ObjectMeta(name: name, namespace: "alice"), stringData: data))
    }

    /// What the container sees of its first volume.
    func mount(_ pod: Pod) async throws -> ContainerMount {
        guard let mount = try await manager.mounts(pod.spec.containers[0], of: pod).first else { throw LabError("no mount") }
        return mount
    }

    func mode(_ path: String) -> mode_t {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mode & 0o7777 : 0
    }
}
