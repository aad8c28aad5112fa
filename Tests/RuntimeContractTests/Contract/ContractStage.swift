// What the contract suite asks of a runtime's tests: a machine of its own, programs in the runtime's terms, and the accidents that a
// contract must survive. A runtime joins the suite by one line in `ContractRuntime.all`.

import RuntimeInterface
import Testing

/// What a container does, whatever runs it.
enum ContractProgram: Sendable, Hashable {
    case exits(Int)
    /// The same without a word.
    case silent(Int)
    /// By itself, by a signal of its own.
    case dies(signal: Int)
    /// With this code, a moment after it asked everybody but itself to end (`kill(-1, SIGTERM)`).
    case signalsOthers(Int)
    /// Until `ContractStage.release`, then ends with this code.
    case waits(Int)
    /// Ends with this code when it is asked to (SIGTERM).
    case obeysTerm(Int)
    case ignoresTerm
    case missing
    /// Over the limit of memory that its configuration carries.
    case eatsMemory
}

/// A command for `execSync`.
enum ContractCommand: Sendable, Hashable {
    case prints(stdout: String, stderr: String, code: Int)
    case hangs
}

protocol ContractStage: AnyObject, Sendable {
    /// The runtime of the agent's present life, and what it told that life.
    var runtime: any ContainerRuntime { get }
    var events: Events { get }

    func sandbox(_ podUID: String) -> PodSandboxConfig
    func container(_ program: ContractProgram, name: String, attempt: Int) -> ContainerConfig
    func command(_ command: ContractCommand) -> [String]
    /// An image that this machine does not have.
    var missingImage: String { get }

    /// The started program has come so far that it takes signals.
    func waitUntilBegun(_ id: ContainerID) async throws
    /// Lets a program that `waits` end.
    func release(_ id: ContainerID) async throws
    /// The grace of a stop that is under way is over; real machines need no telling.
    func graceElapses(_ id: ContainerID) async
    /// Whether what programs say lies in files of the machine.
    var hasLogs: Bool { get }
    /// How often the container's program was begun, in all lives of the agent.
    func starts(_ id: ContainerID) -> Int

    /// The agent dies without a word: `runtime` is of no use until `recover`.
    func crash() async
    /// The next agent, on the same machine; what its `adopt` says.
    func recover() async throws -> [ContainerStatusReport]
    /// The machine restarts while these run; then as `recover`.
    func reboot(_ running: [ContainerID]) async throws -> [ContainerStatusReport]

    /// What of a pod is left on the machine: records, cgroups, mounts, processes; in words.
    func remains(_ podUID: String) -> [String]
    /// Ends and removes everything, whatever the test left.
    func close() async throws
}

struct ContractRuntime: Sendable, CustomTestStringConvertible {
    let name: String
    var hasExec = false
    let make: @Sendable () async throws -> any ContractStage

    var testDescription: String { name }

    static let all: [ContractRuntime] =
        ([
            ContractRuntime(name: "fake", hasExec: true) { FakeStage() },
            ContractRuntime(name: "runp", hasExec: true) { try await RunPStage() },
        ]
        + OCIPrograms.all.map { program in
            ContractRuntime(name: "runc over \(program.name)", hasExec: true) { try await RunCStage(program) }
        } + [ContractRuntime(name: "runk over runp") { try await RunKStage() }]).filter { $0.name == "fake" || Machine.canRun }

    static let withExec = all.filter(\.hasExec)

    /// Makes the stage, runs the body, cleans up whatever happens; what the runtime should have removed by then is a failure.
    func perform(_ body: (any ContractStage) async throws -> Void) async throws {
        let stage = try await make()
        do { try await body(stage) } catch {
            try? await stage.close()
            throw error
        }
        try await stage.close()
    }
}

extension ContractStage {
    static var pod: String { "11111111-2222-3333-4444-555555555555" }
    var pod: String { Self.pod }

    func create(_ program: ContractProgram, name: String = "main", attempt: Int = 0, podUID: String? = nil) async throws
        -> ContainerID
    {
        let uid = podUID ?? pod
        try await runtime.runPodSandbox(sandbox(uid))
        return try await runtime.createContainer(podUID: uid, config: container(program, name: name, attempt: attempt))
    }

    func start(_ program: ContractProgram, name: String = "main", attempt: Int = 0, podUID: String? = nil) async throws
        -> ContainerID
    {
        let id = try await create(program, name: name, attempt: attempt, podUID: podUID)
        try await runtime.startContainer(id)
        return id
    }

    /// As `start`, and its signal handlers stand.
    func begin(_ program: ContractProgram, name: String = "main", podUID: String? = nil) async throws -> ContainerID {
        let id = try await start(program, name: name, podUID: podUID)
        try await waitUntilBegun(id)
        return id
    }

    /// How it ended, once that was told.
    func exit(_ id: ContainerID) async throws -> ContainerExit {
        try #require(await events.wait(id), "no end of \(id) was told")
        return try await ended(id)
    }

    func ended(_ id: ContainerID) async throws -> ContainerExit {
        let phase = try await runtime.status(id)?.phase
        guard case .exited(let exit) = phase else {
            throw RuntimeError.notFound("an end of \(id): found \(String(describing: phase))")
        }
        return exit
    }

    func isRunning(_ id: ContainerID) async throws -> Bool {
        if case .running = try await runtime.status(id)?.phase { return true }
        return false
    }

    func remove(_ podUID: String) async throws {
        try await runtime.stopPodSandbox(podUID: podUID)
        try await runtime.removePodSandbox(podUID: podUID)
    }
}
