// RunP on the contract's stage: a machine is a directory, a cgroup parent and the processes below it; programs are shell scripts.

import CLinux
import Cgroups
import Glibc
import RunP
import RuntimeInterface
import Synchronization
import Testing

final class RunPStage: ContractStage {
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
        lab.config(Self.script(program), name: name) { config in
            config.attempt = attempt
            config.logPath = "\(lab.directory)/log/\(name)_\(attempt).log"
            if program == .missing { config.command = ["/no/such/program"] }
            if program == .eatsMemory { config.limits.memoryBytes = 32 << 20 }
        }
    }

    static func script(_ program: ContractProgram) -> String {
        switch program {
        case .exits(let code): "echo begin; exit \(code)"
        case .dies(let signal): "echo begin; kill -\(signal) $$; sleep 60"
        case .waits(let code): "echo begin; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit \(code)"
        case .obeysTerm(let code): "trap 'exit \(code)' TERM; echo begin; while :; do sleep 0.02; done"
        // A daemon of its own beside it: the whole tree is meant.
        case .ignoresTerm: "trap '' TERM; (setsid sleep 600 &); echo begin; while :; do sleep 0.05; done"
        case .missing: ""
        case .eatsMemory: "echo begin; exec tail /dev/zero"
        }
    }

    func command(_ command: ContractCommand) -> [String] { Self.command(command) }

    static func command(_ command: ContractCommand) -> [String] {
        switch command {
        case .prints(let stdout, let stderr, let code):
            ["/bin/sh", "-c", "printf %s '\(stdout)'; printf %s '\(stderr)' >&2; exit \(code)"]
        case .hangs: ["/bin/sh", "-c", "trap '' TERM; sleep 600 & while :; do sleep 1; done"]
        }
    }

    private func logPath(_ id: ContainerID) -> String { "\(lab.directory)/log/\(id.name)_\(id.attempt).log" }
    private func record(_ id: ContainerID) -> String { "\(lab.directory)/runp/pods/\(id.podUID)/\(id.name)_\(id.attempt)" }

    func waitUntilBegun(_ id: ContainerID) async throws {
        for _ in 0..<1_000 {
            if starts(id) > 0 { return }
            // A process of another namespace says nothing when it begins: its file is looked for, within a bound.
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("\(id) did not begin")
    }

    func release(_ id: ContainerID) async throws {
        let descriptor = clinux_open("\(record(id))/tmp/go", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
        try #require(descriptor >= 0)
        Glibc.close(descriptor)
    }

    func graceElapses(_ id: ContainerID) async {}

    func starts(_ id: ContainerID) -> Int { lab.lines(logPath(id)).count { $0 == "begin" } }

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

    /// After a restart the records say what they said, nothing runs, and the boot id is another.
    func reboot(_ running: [ContainerID]) async throws -> [ContainerStatusReport] {
        await crash()
        for id in running {
            let before = Lab.text("\(record(id))/state.json")
            let boot = try #require(before.firstRange(of: "\"bootId\":\"").map { before[$0.upperBound...].prefix(36) })
            try await life.withLock(\.runtime).stopContainer(id, graceSeconds: 0)
            let descriptor = clinux_open("\(record(id))/state.json", O_WRONLY | O_TRUNC | O_CLOEXEC, 0)
            try #require(descriptor >= 0)
            let text = before.replacing(boot, with: "00000000-0000-0000-0000-000000000000")
            #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
            Glibc.close(descriptor)
        }
        return try await recover()
    }

    func remains(_ podUID: String) -> [String] {
        let group = Machine.cgroups.group("\(lab.parent)/\(podUID)")
        let directory = "\(lab.directory)/runp/pods/\(podUID)"
        var found = Machine.cgroups.children(of: "\(lab.parent)/\(podUID)").map { "cgroup \($0)" }
        if group.exists { found.append("cgroup of the pod") }
        if access(directory, F_OK) == 0 { found.append("records") }
        if Lab.text("/proc/self/mounts").contains(directory) { found.append("mounts") }
        return found + group.processes().map { "process \($0)" }
    }

    func close() async throws {
        let (runtime, former) = life.withLock { ($0.runtime, $0.former) }
        for uid in Set(try await runtime.list().map(\.id.podUID)).union([pod]) { try await remove(uid) }
        try await runtime.close()
        for runtime in former { try await runtime.close() }
        lab.removeDirectory()
    }
}
