// RunC on the contract's stage: the same machine and programs as RunP's, made by a program of the Open Container Initiative.

import CLinux
import Cgroups
import Glibc
import LocalRuntime
import RunC
import RuntimeInterface
import Synchronization
import Testing

/// The OCI runtimes of this machine.
enum OCIPrograms {
    static let runc = find("runc", in: ["/usr/sbin/runc", "/usr/bin/runc"]).map { OCIProgram(name: "runc", command: [$0]) }

    /// crun serves one version of cgroups or the other: where a machine has both, it is shown one.
    static let crun = find("crun", in: ["/usr/bin/crun", "/usr/sbin/crun"]).flatMap { path in
        Machine.launcher.map { launcher in
            let unified = "\(Machine.cgroups.root)/unified"
            return OCIProgram(name: "crun", command: access(unified, F_OK) == 0 ? [launcher, "hide", unified, path] : [path])
        }
    }

    /// Ours, beside the launcher.
    static let swiftlet = Machine.launcher.flatMap { launcher in
        let directory = launcher.lastIndex(of: "/").map { String(launcher[..<$0]) } ?? "."
        return find("swiftlet-oci", in: ["\(directory)/swiftlet-oci"]).map {
            OCIProgram(name: "swiftlet-oci", command: [$0])
        }
    }

    static let all = [runc, crun, swiftlet].compactMap(\.self)

    private static func find(_ name: String, in paths: [String]) -> String? {
        if let found = paths.first(where: { access($0, X_OK) == 0 }) { return found }
        print("SKIPPED RunC over \(name): not at \(paths.joined(separator: ", "))")
        return nil
    }
}

final class RunCStage: LocalStage {
    private struct Life {
        var runtime: RunCRuntime
        var events: Events
        /// Kept so that their watches go on, as the kernel's own would not: what they see is told to nobody.
        var former: [RunCRuntime] = []
    }

    let configuration: LocalConfiguration
    let directory: String
    private let program: OCIProgram
    private let life: Mutex<Life>

    init(_ program: OCIProgram, configure: (inout LocalConfiguration) -> Void = { _ in }) async throws {
        self.program = program
        var template = Array("/var/tmp/swiftlet-lab.XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        var configuration = LocalConfiguration(
            launcherPath: try #require(Machine.launcher), stateDirectory: "\(directory)/runc",
            cgroupParent: "swiftlet-test.\(directory.suffix(6))")
        configuration.permitsUnconfined = true
        configuration.idRanges = .upperHalf
        configure(&configuration)
        self.configuration = configuration
        let (runtime, events) = (try Self.makeRuntime(configuration, program), Events())
        await runtime.onEvent { events.add($0) }
        life = Mutex(Life(runtime: runtime, events: events))
    }

    private static func makeRuntime(_ configuration: LocalConfiguration, _ program: OCIProgram) throws -> RunCRuntime {
        try RunCRuntime(configuration: configuration, programs: [program]) { image in
            guard image == "host" else { throw RuntimeError.imageNotPresent(image) }
            return RuntimeImage()
        }
    }

    var runc: RunCRuntime { life.withLock(\.runtime) }
    var runtime: any ContainerRuntime { runc }
    var events: Events { life.withLock(\.events) }
    let missingImage = "nothing"

    func sandbox(_ podUID: String) -> PodSandboxConfig {
        PodSandboxConfig(
            podUID: podUID, namespace: "alice", name: "pod", hostname: "alice-pod", stateDirectory: directory,
            logDirectory: "\(directory)/log",
            hostAliases: [HostAlias(ip: "10.1.2.3", hostnames: ["bob.svc"])], nameservers: ["10.0.0.10"], searches: ["svc.local"])
    }

    func container(_ program: ContractProgram, name: String, attempt: Int) -> ContainerConfig {
        var config = container(program.script, name: name, attempt: attempt)
        if program == .missing { config.command = ["/no/such/program"] }
        if program == .eatsMemory { config.limits.memoryBytes = 32 << 20 }
        return config
    }

    func container(_ script: String, name: String = "main", attempt: Int = 0) -> ContainerConfig {
        ContainerConfig(
            name: name, attempt: attempt, image: "host", command: ["/bin/sh", "-c", script],
            logPath: "\(directory)/log/\(name)_\(attempt).log")
    }

    func record(_ id: ContainerID) -> String { "\(directory)/runc/pods/\(id.podUID)/\(id.name)_\(id.attempt)" }

    func logPath(_ id: ContainerID) -> String { "\(directory)/log/\(id.name)_\(id.attempt).log" }

    func crash() async { await life.withLock(\.runtime).onEvent { _ in } }

    func recover() async throws -> [ContainerStatusReport] {
        let (next, events) = (try Self.makeRuntime(configuration, program), Events())
        await next.onEvent { events.add($0) }
        life.withLock { life in
            life.former.append(life.runtime)
            (life.runtime, life.events) = (next, events)
        }
        return try await next.adopt()
    }

    func remains(_ podUID: String) -> [String] {
        let parent = configuration.cgroupParent
        let group = Machine.cgroups.group("\(parent)/\(podUID)")
        let records = "\(directory)/runc/pods/\(podUID)"
        var found = Machine.cgroups.children(of: "\(parent)/\(podUID)").map { "cgroup \($0)" }
        // Also where only the OCI runtime makes groups.
        for hierarchy in RecordFiles.names(in: Machine.cgroups.root)
        where access("\(Machine.cgroups.root)/\(hierarchy)/\(parent)/\(podUID)", F_OK) == 0 {
            found.append("cgroup of the pod in \(hierarchy)")
        }
        if access(records, F_OK) == 0 { found.append("records") }
        let known = RecordFiles.names(in: "\(directory)/runc/oci/\(program.name)").filter { $0.hasPrefix(podUID) }
        found += known.map { "\(program.name)'s record \($0)" }
        if Lab.text("/proc/self/mounts").contains(records) { found.append("mounts") }
        return found + group.allProcesses().map { "process \($0)" }
    }

    func close() async throws {
        let (runtime, former) = life.withLock { ($0.runtime, $0.former) }
        for uid in Set(try await runtime.list().map(\.id.podUID)).union([pod]) { try await remove(uid) }
        try await runtime.close()
        for runtime in former { try await runtime.close() }
        try RecordFiles.removeTree(directory)
    }
}
