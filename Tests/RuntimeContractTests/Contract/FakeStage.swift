// The fake runtime on the contract's stage: programs become its knobs, the machine's memory is handed from life to life.

import RuntimeInterface
import Synchronization

final class FakeStage: ContractStage {
    private struct Life {
        var fake: FakeRuntime
        var events: Events
        /// What each container does, for the knobs of the next life.
        var programs: [String: ContractProgram] = [:]
    }

    private let life: Mutex<Life>

    init() {
        let fake = FakeRuntime { 1_700_000_000_000_000_000 }
        let events = Events()
        life = Mutex(Life(fake: fake, events: events))
        listen(fake, events)
    }

    private var fake: FakeRuntime { life.withLock(\.fake) }
    var runtime: any ContainerRuntime { fake }
    var events: Events { life.withLock(\.events) }
    let missingImage = "nothing"

    private func listen(_ fake: FakeRuntime, _ events: Events) { fake.setHandler { events.add($0) } }

    func sandbox(_ podUID: String) -> PodSandboxConfig {
        PodSandboxConfig(
            podUID: podUID, namespace: "alice", name: "pod", hostname: "pod", stateDirectory: "/s", logDirectory: "/l")
    }

    func container(_ program: ContractProgram, name: String, attempt: Int) -> ContainerConfig {
        life.withLock { $0.programs[name] = program }
        Self.turnKnobs(fake, program, name)
        return ContainerConfig(name: name, attempt: attempt, image: "host", logPath: "/l/\(name)_\(attempt).log")
    }

    private static func turnKnobs(_ fake: FakeRuntime, _ program: ContractProgram, _ name: String) {
        fake.refuseImage("nothing")
        switch program {
        case .exits(let code), .silent(let code), .signalsOthers(let code): fake.exitOnStart(container: name, code: code)
        case .dies(let signal):
            fake.exitOnStart(
                container: name,
                ContainerExit(exitCode: 128 + signal, signal: signal, reason: "Error", startedAt: 1, finishedAt: 1))
        case .obeysTerm(let code): fake.exitOnTerm(container: name, code: code)
        case .ignoresTerm: fake.ignoreTerm(container: name)
        case .missing: fake.failStart(container: name, message: "exec(/no/such/program): No such file or directory")
        case .eatsMemory: fake.exitOnStart(container: name, code: 137, reason: "OOMKilled")
        case .waits: break
        }
    }

    func command(_ command: ContractCommand) -> [String] {
        let words = ["\(command)"]
        switch command {
        case .prints(let stdout, let stderr, let code):
            fake.answerExec(words, ExecResult(exitCode: code, stdout: Array(stdout.utf8), stderr: Array(stderr.utf8)))
        case .hangs: fake.answerExec(words, ExecResult(exitCode: 137, timedOut: true))
        }
        return words
    }

    func waitUntilBegun(_ id: ContainerID) async throws {}

    func release(_ id: ContainerID) async throws {
        guard case .waits(let code) = life.withLock({ $0.programs[id.name] }) else { return }
        fake.exit(id, code: code)
    }

    var hasLogs: Bool { false }

    func graceElapses(_ id: ContainerID) async {
        await fake.wait { _, calls in calls.contains { $0.verb == .stopContainer && $0.subject.hasPrefix(id.description) } }
        fake.exit(id, code: 137, signal: 9)
    }

    func starts(_ id: ContainerID) -> Int { fake.machine.starts[id] ?? 0 }

    func crash() async { fake.setHandler { _ in } }

    func recover() async throws -> [ContainerStatusReport] {
        let (next, events) = life.withLock { life in
            life.fake = FakeRuntime(machine: life.fake.machine) { 1_700_000_100_000_000_000 }
            life.events = Events()
            for (name, program) in life.programs { Self.turnKnobs(life.fake, program, name) }
            return (life.fake, life.events)
        }
        listen(next, events)
        return try await next.adopt()
    }

    func reboot(_ running: [ContainerID]) async throws -> [ContainerStatusReport] {
        await crash()
        for id in running { fake.loseExit(id, reason: "the machine was restarted while it ran") }
        return try await recover()
    }

    func remains(_ podUID: String) -> [String] {
        let machine = fake.machine
        return (machine.sandboxes[podUID] == nil ? [] : ["sandbox \(podUID)"])
            + machine.containers.keys.filter { $0.podUID == podUID }.map { "container \($0)" }
    }

    func close() async throws {}
}
