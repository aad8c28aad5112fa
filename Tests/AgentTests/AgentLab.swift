// A whole agent over a fake runtime and an API server in memory, in a directory of its own.
import AgentCore
import Glibc
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

@testable import Agent

/// Where the parts of one life of an agent are; `restart` begins the next with the same disk, runtime machine and server.
final class AgentLab {
    let directory: String
    let api: InMemoryKubernetesAPI
    private(set) var runtime: FakeRuntime
    let images = FakeImages(present: ["psi:1"])
    private(set) var service: AgentService
    private var running: Task<Void, any Error>?
    var takenPorts: [UInt16] = []
    var stopPolicy = AgentConfig.StopPolicy.leave
    /// Another one: the machine was restarted.
    var bootID = "b-1"
    /// Another server's view in front of the one in memory, e.g. one that refuses.
    var front: (any KubernetesAPI)?
    /// Changes what the agent is told about its node.
    var configure: (inout AgentConfig) -> Void = { _ in }
    /// What the agent measures.
    let machine = MeasuredMachine()

    static let node = "alice-node"
    static let now: @Sendable () -> Int64 = { SystemClock().now() }

    init() throws {
        var template = Array("/tmp/swiftlet-agent-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError("mkdtemp: errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        mkdir(directory + "/data", 0o755)
        api = InMemoryKubernetesAPI()
        runtime = FakeRuntime(now: Self.now)
        service = Self.makeService(directory, api, runtime, images, [], .leave, measure: { [machine] in machine.load })
    }

    deinit {
        // An agent lets its file system in memory be while volumes of pods lie on it; no agent follows this one.
        umount2("\(directory)/state/memory", Int32(MNT_DETACH))
        // The test's own temporary directory, made by mkdtemp above.
        try? DiskFiles.removeTree(directory)
    }

    /// Starts the agent and waits until its node is registered.
    func start() async {
        service = Self.makeService(
            directory, front ?? api, runtime, images, takenPorts, stopPolicy, bootID, configure,
            measure: { [machine] in machine.load })
        running = Task { [service] in try await service.run() }
        await service.waitUntilRegistered()
    }

    func stop() async throws {
        service.shutDown()
        try await running?.value
        running = nil
    }

    /// What the machine remembers goes on to a new runtime; `between` may change it while no agent looks.
    func restart(_ between: (FakeRuntime) -> Void = { _ in }) async throws {
        try await stop()
        runtime = FakeRuntime(machine: runtime.machine, now: Self.now)
        between(runtime)
        await start()
    }

    private static func makeService(
        _ directory: String, _ api: any KubernetesAPI, _ runtime: FakeRuntime, _ images: FakeImages, _ taken: [UInt16],
        _ stopPolicy: AgentConfig.StopPolicy, _ bootID: String = "b-1", _ configure: (inout AgentConfig) -> Void = { _ in },
        measure: @escaping @Sendable () -> NodeMeasurement
    ) -> AgentService {
        var config = AgentConfig(
            nodeName: node, domain: "alice", stateDirectory: directory + "/state", dataDirectory: directory + "/data",
            nodeIP: "10.0.0.7", capacityCPUMillis: 4000, capacityMemoryBytes: 8 << 30, stopPolicy: stopPolicy)
        // Small, so that its halves are often written anew.
        config.recordJournalBytes = 64 << 10
        configure(&config)
        var logger = Logger(label: "agent")
        logger.logLevel = .critical
        return AgentService(
            config: config,
            dependencies: AgentDependencies(
                api: api, runtime: runtime, images: images,
                facts: MachineFacts(
                    hostname: "machine", cpuMillis: 4000, memoryBytes: 8 << 30, machineID: "m-1", bootID: bootID,
                    kernelVersion: "6.1",
                    osImage: "Debian", architecture: "amd64"),
                measure: measure,
                takenPorts: { asked in asked.filter(taken.contains) }),
            logger: logger)
    }

    // MARK: Pods

    @discardableResult
    func submit(_ name: String, change: (inout Pod) -> Void = { _ in }) throws -> Pod {
        var pod = Pod(
            metadata: ObjectMeta(name: name, namespace: "alice"),
            spec: PodSpec(
                containers: [Container(name: "main", image: "psi:1", command: ["run"])], restartPolicy: .never,
                terminationGracePeriodSeconds: 2, nodeName: Self.node))
        pod.status.phase = .pending
        change(&pod)
        return try api.put(pod)
    }

    func pod(_ name: String) throws -> Pod? { try api.object(Pod.self, namespace: "alice", name: name) }

    /// Suspends until the API server's pod is so; tests bound it with a time limit. nil in the condition: it is gone.
    @discardableResult
    func wait(for name: String, until condition: (Pod?) -> Bool) async throws -> Pod? {
        let api = api
        return try await watching(api, name, condition)
    }

    @discardableResult
    func waitForPhase(_ name: String, _ phase: PodPhase) async throws -> Pod {
        guard let pod = try await wait(for: name, until: { $0?.status.phase == phase }) else { throw LabError("\(name) is gone") }
        return pod
    }

    func waitUntilGone(_ name: String) async throws { try await wait(for: name) { $0 == nil } }

    func containerID(_ pod: Pod, _ name: String = "main") -> ContainerID {
        ContainerID(podUID: pod.metadata.uid ?? "", name: name, attempt: 0)
    }

    /// Of the pod's only container.
    func log(of name: String) async throws -> ContainerLogFile {
        let log = await service.pods.log(namespace: "alice", pod: name, container: "", previous: false)
        guard case .file(let file)? = log else { throw LabError("\(name) has no log: \(String(describing: log))") }
        return file
    }

    /// Looks again and again: for facts of the disk, which nobody announces.
    func eventually(_ condition: () async -> Bool) async throws {
        // Between two looks; the suite's time limit is the deadline.
        while await !condition() { try await Task.sleep(for: .milliseconds(5)) }
    }

    func path(_ relative: String) -> String { directory + "/state/" + relative }
    func exists(_ relative: String) -> Bool { access(path(relative), F_OK) == 0 }
}

/// A watch from before the first look, so that no change between look and watch is missed.
private func watching(_ api: InMemoryKubernetesAPI, _ name: String, _ condition: (Pod?) -> Bool) async throws -> Pod? {
    // Not through `list`, whose injected failures belong to the agent.
    let pods = try api.objects(Pod.self, namespace: "alice")
    let revision = pods.compactMap { Int($0.metadata.resourceVersion ?? "") }.max() ?? 0
    let stream = try await api.watch(Pod.resource, namespace: "alice", options: ListOptions(resourceVersion: String(revision)))
    defer { stream.cancel() }
    var current = pods.first { $0.metadata.name == name }
    if condition(current) { return current }
    while let events = try await stream.next() {
        for event in events {
            let pod = try JSON.decode(Pod.self, from: event.object)
            guard pod.metadata.name == name else { continue }
            current = event.kind == .deleted ? nil : pod
            if condition(current) { return current }
        }
    }
    throw LabError("the watch ended")
}

/// A machine as full as a test says.
final class MeasuredMachine: Sendable {
    private let current = Mutex(
        NodeMeasurement(
            memoryAvailableBytes: 4 << 30, diskFreeBytes: 50 << 30, diskTotalBytes: 100 << 30, inodesFree: 900, inodesTotal: 1000,
            processes: 100, processLimit: 32768, memoryTotalBytes: 8 << 30))

    var load: NodeMeasurement { current.withLock { $0 } }
    func change(_ body: @Sendable (inout NodeMeasurement) -> Void) { current.withLock { body(&$0) } }
}

struct LabError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Collects pieces from several tasks.
actor Collector {
    private(set) var text = ""
    private var waiters: [(String, CheckedContinuation<Void, Never>)] = []

    func append(_ bytes: [UInt8]) {
        text += String(decoding: bytes, as: UTF8.self)
        let met = waiters.filter { text.contains($0.0) }
        waiters.removeAll { text.contains($0.0) }
        for (_, waiter) in met { waiter.resume() }
    }

    func waitFor(_ part: String) async {
        if text.contains(part) { return }
        await withCheckedContinuation { waiters.append((part, $0)) }
    }
}

func readFile(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
}

func appendFile(_ path: String, _ text: String) {
    guard let file = fopen(path, "a") else { return }
    defer { fclose(file) }
    fputs(text, file)
}
