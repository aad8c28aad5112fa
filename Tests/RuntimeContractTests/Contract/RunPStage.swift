// RunP on the contract's stage: a machine is a directory, a cgroup parent and the processes below it; programs are shell scripts.

import CLinux
import Cgroups
import Glibc
import RunP
import RuntimeInterface
import Synchronization
import Testing

final class RunPStage: LocalStage {
    private struct Life {
        var runtime: RunPRuntime
        var events: Events
        /// Kept so that their watches go on, as the kernel's own would not: what they see is told to nobody.
        var former: [RunPRuntime] = []
    }

    private let lab: Lab
    private let life: Mutex<Life>

    init() async throws {
        let lab = try await Lab()
        self.lab = lab
        life = Mutex(Life(runtime: lab.runtime, events: lab.events))
    }

    var runtime: any ContainerRuntime { life.withLock(\.runtime) }
    var events: Events { life.withLock(\.events) }
    let missingImage = "nothing"

    func sandbox(_ podUID: String) -> PodSandboxConfig { lab.sandboxConfig(podUID: podUID) }

    func container(_ program: ContractProgram, name: String, attempt: Int) -> ContainerConfig {
        lab.config(program.script, name: name) { config in
            config.attempt = attempt
            config.logPath = "\(lab.directory)/log/\(name)_\(attempt).log"
            if program == .missing { config.command = ["/no/such/program"] }
            if program == .eatsMemory { config.limits.memoryBytes = 32 << 20 }
        }
    }

    func logPath(_ id: ContainerID) -> String { "\(lab.directory)/log/\(id.name)_\(id.attempt).log" }
    func record(_ id: ContainerID) -> String { "\(lab.directory)/runp/pods/\(id.podUID)/\(id.name)_\(id.attempt)" }

    func crash() async {
        let runtime = life.withLock(\.runtime)
        await runtime.onEvent { _ in }
        // It would have gone with its agent.
        let socket = "\(lab.directory)/runp/launcher.sock"
        for pid in ResidentServer.children(of: getpid()) where Lab.text("/proc/\(pid)/cmdline").contains(socket) {
            kill(pid, SIGKILL)
        }
    }

    func recover() async throws -> [ContainerStatusReport] {
        let next = try Lab.makeRuntime(lab.configuration)
        let events = Events()
        await next.onEvent { events.add($0) }
        life.withLock { life in
            life.former.append(life.runtime)
            (life.runtime, life.events) = (next, events)
        }
        return try await next.adopt()
    }

    func remains(_ podUID: String) -> [String] {
        let group = Machine.cgroups.group("\(lab.parent)/\(podUID)")
        let directory = "\(lab.directory)/runp/pods/\(podUID)"
        var found = Machine.cgroups.children(of: "\(lab.parent)/\(podUID)").map { "cgroup \($0)" }
        if group.exists { found.append("cgroup of the pod") }
        if access(directory, F_OK) == 0 { found.append("records") }
        if Lab.text("/proc/self/mounts").contains(directory) { found.append("mounts") }
        return found + group.allProcesses().map { "process \($0)" }
    }

    func close() async throws {
        let (runtime, former) = life.withLock { ($0.runtime, $0.former) }
        for uid in Set(try await runtime.list().map(\.id.podUID)).union([pod]) { try await remove(uid) }
        try await runtime.close()
        for runtime in former { try await runtime.close() }
        lab.removeDirectory()
    }
}
