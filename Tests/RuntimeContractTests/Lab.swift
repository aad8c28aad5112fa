// A private RunP for one test: its own directory, cgroup parent and runtime; `cleanUp` says what was left behind.

import CLinux
import Cgroups
import Dispatch
import Glibc
import Logging
import RunP
import RuntimeInterface
import Synchronization
import Testing

enum Machine {
    static let isRoot = geteuid() == 0
    static let cgroups = CgroupHost()

    /// Why the tests against a real kernel cannot run here; nil when they can.
    static let obstacle: String? = {
        if !isRoot { return "not root: namespaces with id ranges and cgroups cannot be made" }
        if launcher == nil { return "swiftlet-sandbox was not built beside the tests (or set SWIFTLET_SANDBOX)" }
        return nil
    }()

    static let canRun: Bool = {
        if let obstacle { print("SKIPPED RuntimeContractTests: \(obstacle)") }
        return obstacle == nil
    }()

    /// $SWIFTLET_SANDBOX, else beside the test bundle.
    static let launcher: String? = {
        var candidates: [String] = []
        if let path = getenv("SWIFTLET_SANDBOX") { candidates.append(String(cString: path)) }
        for argument in CommandLine.arguments {
            guard argument.contains(".xctest") || argument.contains("PackageTests"), let slash = argument.lastIndex(of: "/")
            else { continue }
            candidates.append("\(argument[..<slash])/swiftlet-sandbox")
        }
        candidates.append(".build/debug/swiftlet-sandbox")
        guard let found = candidates.first(where: { access($0, X_OK) == 0 }), let real = realpath(found, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }()
}

/// Collects a runtime's events; waits for one without polling.
final class Events: Sendable {
    private struct State {
        var seen: [ContainerID: Int] = [:]
        var waiting: [(id: ContainerID, continuation: CheckedContinuation<Bool, Never>, number: Int)] = []
        var next = 0
    }
    private let state = Mutex(State())

    func add(_ event: ContainerEvent) {
        let resumed = state.withLock { state in
            state.seen[event.id, default: 0] += 1
            let resumed = state.waiting.filter { $0.id == event.id }
            state.waiting.removeAll { $0.id == event.id }
            return resumed
        }
        for waiter in resumed { waiter.continuation.resume(returning: true) }
    }

    func count(_ id: ContainerID) -> Int { state.withLock { $0.seen[id] ?? 0 } }

    /// False when nothing came within the deadline.
    func wait(_ id: ContainerID, seconds: Int = 60) async -> Bool {
        await withCheckedContinuation { continuation in
            let number: Int? = state.withLock { state in
                if state.seen[id] != nil { return nil }
                state.next += 1
                state.waiting.append((id, continuation, state.next))
                return state.next
            }
            guard let number else { return continuation.resume(returning: true) }
            DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) {
                let expired = self.state.withLock { state -> CheckedContinuation<Bool, Never>? in
                    guard let index = state.waiting.firstIndex(where: { $0.number == number }) else { return nil }
                    return state.waiting.remove(at: index).continuation
                }
                expired?.resume(returning: false)
            }
        }
    }
}

struct Lab {
    let directory: String
    let parent: String
    let configuration: RunPConfiguration
    let runtime: RunPRuntime
    let events = Events()
    let podUID = "11111111-2222-3333-4444-555555555555"

    private let network: PodNetwork?
    private let kernelParameters: [KernelParameter]

    init(
        network: PodNetwork? = nil, kernelParameters: [KernelParameter] = [],
        configure: (inout RunPConfiguration) -> Void = { _ in }
    ) async throws {
        self.network = network
        self.kernelParameters = kernelParameters
        var template = Array("/var/tmp/swiftlet-lab.XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        parent = "swiftlet-test.\(directory.suffix(6))"
        var configuration = RunPConfiguration(
            launcherPath: try #require(Machine.launcher), stateDirectory: "\(directory)/runp", cgroupParent: parent)
        configuration.permitsUnconfined = true
        configure(&configuration)
        self.configuration = configuration
        runtime = try Self.makeRuntime(configuration)
        let events = events
        await runtime.onEvent { events.add($0) }
        try await runtime.runPodSandbox(sandboxConfig())
    }

    static func makeRuntime(_ configuration: RunPConfiguration, logger: Logger = Logger(label: "runp")) throws -> RunPRuntime {
        try RunPRuntime(configuration: configuration, logger: logger) { image in
            // "host+/a/path" is the host view with one more read-only path.
            if image.hasPrefix("host+") { return RunPImage(root: .hostView(readOnlyPaths: [String(image.dropFirst(5))])) }
            guard image == "host" else { throw RuntimeError.imageNotPresent(image) }
            return RunPImage()
        }
    }

    func sandboxConfig(podUID: String? = nil) -> PodSandboxConfig {
        PodSandboxConfig(
            podUID: podUID ?? self.podUID, namespace: "alice", name: "pod", hostname: "alice-pod", stateDirectory: directory,
            logDirectory: "\(directory)/log", hostAliases: [HostAlias(ip: "10.1.2.3", hostnames: ["bob.svc"])],
            nameservers: ["10.0.0.10"], searches: ["svc.local"], network: network, kernelParameters: kernelParameters)
    }

    func config(_ script: String, name: String = "main", _ change: (inout ContainerConfig) -> Void = { _ in }) -> ContainerConfig
    {
        var config = ContainerConfig(
            name: name, image: "host", command: ["/bin/sh", "-c", script], logPath: "\(directory)/log/\(name).log")
        change(&config)
        return config
    }

    func start(_ config: ContainerConfig) async throws -> ContainerID {
        let id = try await runtime.createContainer(podUID: podUID, config: config)
        try await runtime.startContainer(id)
        return id
    }

    /// Runs a script to its end.
    func run(
        _ script: String, name: String = "main", seconds: Int = 60, _ change: (inout ContainerConfig) -> Void = { _ in }
    ) async throws -> (exit: ContainerExit, output: [String]) {
        let config = config(script, name: name, change)
        let id = try await start(config)
        return (try await exit(id, seconds: seconds), lines(config.logPath))
    }

    func exit(_ id: ContainerID, seconds: Int = 60) async throws -> ContainerExit {
        #expect(await events.wait(id, seconds: seconds), "the task did not end in time")
        guard case .exited(let exit) = try await runtime.status(id)?.phase else {
            throw RuntimeError.notFound("exit of \(id)")
        }
        return exit
    }

    /// Waits for a line in the log, by inotify-free means: the file is short and the deadline bounds it.
    func waitForLine(_ line: String, in path: String, seconds: Int = 60) -> Bool {
        for _ in 0..<(seconds * 100) {
            if lines(path).contains(line) { return true }
            usleep(10_000)
        }
        return false
    }

    /// The log at this path and what rotation made of it.
    func logFiles(_ path: String) -> [(name: String, bytes: Int)] {
        let (directory, name) = (
            path.split(separator: "/").dropLast().joined(separator: "/"), String(path.split(separator: "/").last ?? "")
        )
        guard let stream = opendir("/" + directory) else { return [] }
        defer { closedir(stream) }
        var found: [(name: String, bytes: Int)] = []
        while let entry = readdir(stream) {
            // SAFETY: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let file = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var facts = stat()
            guard file == name || file.hasPrefix(name + "."), stat("/\(directory)/\(file)", &facts) == 0 else { continue }
            found.append((file, Int(facts.st_size)))
        }
        return found
    }

    /// The log's messages without time, stream and tag.
    func lines(_ path: String) -> [String] {
        rawLines(path).map { $0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).joined() }
    }

    func rawLines(_ path: String) -> [String] { Self.text(path).split(separator: "\n").map(String.init) }

    static func text(_ path: String) -> String {
        let descriptor = clinux_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            let chunk = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk
        }
    }

    /// Removes the pod and everything of the lab; what the runtime should have removed and did not is a failure.
    func cleanUp() async throws {
        try await runtime.stopPodSandbox(podUID: podUID)
        try await runtime.removePodSandbox(podUID: podUID)
        #expect(Machine.cgroups.children(of: parent) == [], "cgroups are left")
        try await runtime.close()
        #expect(!Machine.cgroups.group(parent).exists, "the cgroup above the tasks is left")
        #expect(!Self.text("/proc/self/mounts").contains(directory), "mounts are left")
        #expect(access("\(directory)/runp/pods/\(podUID)", F_OK) != 0, "records are left")
        removeDirectory()
    }

    func removeDirectory() {
        var pid: pid_t = 0
        var arguments = (["/bin/rm", "-rf", directory] as [String]).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        if clinux_spawn(&pid, "/bin/rm", &arguments, &environment, -1, -1) == 0 { waitpid(pid, nil, 0) }
    }
}

/// Makes a lab, runs the body, cleans up whatever happens.
func withLab(
    network: PodNetwork? = nil, kernelParameters: [KernelParameter] = [], configure: (inout RunPConfiguration) -> Void = { _ in },
    _ body: (Lab) async throws -> Void
) async throws {
    let lab = try await Lab(network: network, kernelParameters: kernelParameters, configure: configure)
    do { try await body(lab) } catch {
        try? await lab.cleanUp()
        throw error
    }
    try await lab.cleanUp()
}
