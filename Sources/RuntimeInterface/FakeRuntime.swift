// A runtime without processes, whose every failure is a knob: tests own when containers start, end, fail and are forgotten.
import KubernetesModel
import Synchronization

public final class FakeRuntime: ContainerRuntime {
    public enum Verb: String, Sendable, Hashable, CaseIterable {
        case adopt, runPodSandbox, stopPodSandbox, removePodSandbox, createContainer, startContainer, stopContainer,
            removeContainer, status, list, usage, reopenContainerLog, execSync, exec, attach, portForward
    }

    /// One call as it came.
    public struct Call: Sendable, Hashable, CustomStringConvertible {
        public var verb: Verb
        public var subject: String
        public var description: String { "\(verb.rawValue) \(subject)" }
    }

    /// What the machine would remember if the agent died: hand it to the next FakeRuntime to play a restart.
    public struct Machine: Sendable {
        public var sandboxes: [String: PodSandboxConfig] = [:]
        public var containers: [ContainerID: ContainerStatusReport] = [:]
        public var configs: [ContainerID: ContainerConfig] = [:]
        /// How often each container's program was begun.
        public var starts: [ContainerID: Int] = [:]
        public init() {}
    }

    private struct State {
        var machine: Machine
        var calls: [Call] = []
        var failures: [Verb: [RuntimeError]] = [:]
        var held: Set<Verb> = []
        var heldCalls: [Verb: [CheckedContinuation<Void, Never>]] = [:]
        var handler: (@Sendable (ContainerEvent) -> Void)?
        var exitsOnStart: [String: ContainerExit] = [:]
        var ignoresTerm: Set<String> = []
        var codesOnTerm: [String: Int] = [:]
        var startFailures: [String: String] = [:]
        var refusedImages: Set<String> = []
        var stopWaiters: [ContainerID: [CheckedContinuation<Void, Never>]] = [:]
        var nextPID: Int32 = 1000
        var usage = ContainerUsage()
        var watchers:
            [(id: Int, condition: @Sendable (Machine, [Call]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    public let name: String
    private let now: @Sendable () -> Int64
    private let state: Mutex<State>
    /// What exec, attach and port-forward answer: FakeRuntime+Access.swift.
    let access = Mutex(FakeAccess())

    /// `now` in Unix nanoseconds.
    public init(name: String = "fake", machine: Machine = .init(), now: @escaping @Sendable () -> Int64) {
        self.name = name
        self.now = now
        state = Mutex(State(machine: machine))
    }

    // MARK: Knobs

    /// The next call of `verb` throws `error`; several add up.
    public func failNext(_ verb: Verb, _ error: RuntimeError) { state.withLock { $0.failures[verb, default: []].append(error) } }

    /// Calls of `verb` wait until `release`.
    public func hold(_ verb: Verb) { state.withLock { _ = $0.held.insert(verb) } }

    public func release(_ verb: Verb) {
        let waiting = state.withLock { state in
            state.held.remove(verb)
            return state.heldCalls.removeValue(forKey: verb) ?? []
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Containers of that name end by themselves as soon as they were started.
    public func exitOnStart(container: String, code: Int, reason: String? = nil) {
        exitOnStart(container: container, makeExit(code: code, reason: reason, oomKilled: reason == "OOMKilled"))
    }

    /// As above, with the whole end.
    public func exitOnStart(container: String, _ exit: ContainerExit) { state.withLock { $0.exitsOnStart[container] = exit } }

    /// SIGTERM does not end containers of that name: only a grace of 0 does.
    public func ignoreTerm(container: String) { state.withLock { _ = $0.ignoresTerm.insert(container) } }

    /// The program of containers of that name cannot be started: they end as StartError with this message, and never ran.
    public func failStart(container: String, message: String) { state.withLock { $0.startFailures[container] = message } }

    /// The machine has no such image.
    public func refuseImage(_ image: String) { state.withLock { _ = $0.refusedImages.insert(image) } }

    /// SIGTERM ends containers of that name with this code instead of the signal's.
    public func exitOnTerm(container: String, code: Int) { state.withLock { $0.codesOnTerm[container] = code } }

    public func setUsage(_ usage: ContainerUsage) { state.withLock { $0.usage = usage } }

    /// The running container ends now, as a process would: by itself.
    public func exit(_ id: ContainerID, code: Int, signal: Int? = nil, oomKilled: Bool = false) {
        finish(id, makeExit(code: code, signal: signal, reason: oomKilled ? "OOMKilled" : nil, oomKilled: oomKilled))
    }

    /// The machine forgets the container (its record was damaged) or how it ended (rebooted).
    public func forget(_ id: ContainerID) { state.withLock { _ = $0.machine.containers.removeValue(forKey: id) } }
    public func loseExit(_ id: ContainerID, reason: String) {
        state.withLock { $0.machine.containers[id]?.phase = .unknown(reason: reason) }
    }

    // MARK: What tests look at

    public var machine: Machine { state.withLock(\.machine) }
    public var calls: [Call] { state.withLock(\.calls) }
    public func count(_ verb: Verb) -> Int { calls.count { $0.verb == verb } }

    public func running() -> [ContainerID] {
        machine.containers.values.filter { if case .running = $0.phase { true } else { false } }.map(\.id)
            .sorted { $0.description < $1.description }
    }

    /// Suspends until the condition holds; tests bound it with a time limit.
    public func wait(until condition: @escaping @Sendable (Machine, [Call]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if condition(state.machine, state.calls) { return true }
                state.watchers.append((state.watchers.count, condition, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }

    /// Ids of the containers that run, once there are `count` of them.
    public func waitForRunning(_ count: Int) async -> [ContainerID] {
        await wait { machine, _ in
            machine.containers.values.count { if case .running = $0.phase { true } else { false } } == count
        }
        return running()
    }

    // MARK: ContainerRuntime

    public func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async { setHandler(handler) }

    /// `onEvent` for whoever cannot wait.
    public func setHandler(_ handler: @escaping @Sendable (ContainerEvent) -> Void) { state.withLock { $0.handler = handler } }

    public func adopt() async throws -> [ContainerStatusReport] {
        try await begin(.adopt, "")
        return Array(machine.containers.values)
    }

    public func runPodSandbox(_ config: PodSandboxConfig) async throws {
        try await begin(.runPodSandbox, config.podUID)
        change { $0.machine.sandboxes[config.podUID] = config }
    }

    public func stopPodSandbox(podUID: String) async throws {
        try await begin(.stopPodSandbox, podUID)
        for id in running() where id.podUID == podUID { finish(id, makeExit(code: 137, signal: 9)) }
    }

    public func removePodSandbox(podUID: String) async throws {
        try await begin(.removePodSandbox, podUID)
        if running().contains(where: { $0.podUID == podUID }) {
            throw RuntimeError.unavailable(stage: "removePodSandbox", reason: "a container of \(podUID) runs")
        }
        change { state in
            state.machine.sandboxes[podUID] = nil
            state.machine.containers = state.machine.containers.filter { $0.key.podUID != podUID }
        }
    }

    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        let id = ContainerID(podUID: podUID, name: config.name, attempt: config.attempt)
        try await begin(.createContainer, id.description)
        guard machine.sandboxes[podUID] != nil else { throw RuntimeError.notFound("sandbox \(podUID)") }
        if state.withLock({ $0.refusedImages.contains(config.image) }) { throw RuntimeError.imageNotPresent(config.image) }
        change { state in
            guard state.machine.containers[id] == nil else { return }
            state.machine.configs[id] = config
            state.machine.containers[id] = ContainerStatusReport(
                id: id, phase: .created, image: config.image, logPath: config.logPath)
        }
        return id
    }

    public func startContainer(_ id: ContainerID) async throws {
        try await begin(.startContainer, id.description)
        let startedAt = now()
        let exit = try state.withLock { state -> ContainerExit? in
            guard let report = state.machine.containers[id] else { throw RuntimeError.notFound("container \(id)") }
            guard case .created = report.phase else { return nil }
            state.nextPID += 1
            state.machine.containers[id]?.phase = .running(pid: state.nextPID, startedAt: startedAt)
            if let message = state.startFailures[id.name] {
                return ContainerExit(
                    exitCode: 128, reason: "StartError", message: message, startedAt: startedAt, finishedAt: startedAt)
            }
            state.machine.starts[id, default: 0] += 1
            return state.exitsOnStart[id.name]
        }
        change { _ in }
        if let exit { finish(id, exit) }
    }

    public func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws {
        try await begin(.stopContainer, "\(id) grace=\(graceSeconds)")
        let (stubborn, code) = state.withLock { ($0.ignoresTerm.contains(id.name), $0.codesOnTerm[id.name]) }
        if stubborn && graceSeconds > 0 {
            await withCheckedContinuation { continuation in
                let over = state.withLock { state in
                    guard case .running = state.machine.containers[id]?.phase else { return true }
                    state.stopWaiters[id, default: []].append(continuation)
                    return false
                }
                if over { continuation.resume() }
            }
        } else {
            let killed = stubborn || graceSeconds == 0
            finish(id, killed ? makeExit(code: 137, signal: 9) : makeExit(code: code ?? 143, signal: code == nil ? 15 : nil))
        }
    }

    public func removeContainer(_ id: ContainerID) async throws {
        try await begin(.removeContainer, id.description)
        finish(id, makeExit(code: 137, signal: 9))
        change { _ = $0.machine.containers.removeValue(forKey: id) }
    }

    public func status(_ id: ContainerID) async throws -> ContainerStatusReport? {
        try await begin(.status, id.description)
        return machine.containers[id]
    }

    public func list() async throws -> [ContainerStatusReport] {
        try await begin(.list, "")
        return Array(machine.containers.values)
    }

    public func usage(_ id: ContainerID) async throws -> ContainerUsage {
        try await begin(.usage, id.description)
        guard let report = machine.containers[id] else { throw RuntimeError.notFound("container \(id)") }
        if case .exited(let exit) = report.phase { return exit.usage }
        return state.withLock(\.usage)
    }

    /// A container that does not run has no log to reopen; for the rest see `calls`.
    public func reopenContainerLog(_ id: ContainerID) async throws {
        try await begin(.reopenContainerLog, id.description)
        guard machine.containers[id] != nil else { throw RuntimeError.notFound("container \(id)") }
    }

    // MARK: Machinery

    func begin(_ verb: Verb, _ subject: String) async throws {
        await withCheckedContinuation { continuation in
            let held = state.withLock { state in
                state.calls.append(Call(verb: verb, subject: subject))
                guard state.held.contains(verb) else { return false }
                state.heldCalls[verb, default: []].append(continuation)
                return true
            }
            if !held { continuation.resume() }
            // Whoever waits for this call must hear of it even while it is held.
            change { _ in }
        }
        let failure = state.withLock { state -> RuntimeError? in
            guard state.failures[verb]?.isEmpty == false else { return nil }
            return state.failures[verb]?.removeFirst()
        }
        if let failure { throw failure }
    }

    private func finish(_ id: ContainerID, _ exit: ContainerExit) {
        let (handler, waiters) = state.withLock {
            state -> ((@Sendable (ContainerEvent) -> Void)?, [CheckedContinuation<Void, Never>]) in
            guard case .running(_, let startedAt) = state.machine.containers[id]?.phase else { return (nil, []) }
            var exit = exit
            exit.startedAt = startedAt
            exit.usage = state.usage
            state.machine.containers[id]?.phase = .exited(exit)
            return (state.handler, state.stopWaiters.removeValue(forKey: id) ?? [])
        }
        change { _ in }
        for waiter in waiters { waiter.resume() }
        handler?(ContainerEvent(id: id))
    }

    /// Changes the state, then wakes whoever waits for what now holds.
    private func change(_ body: (inout sending State) -> Void) {
        let ready = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            body(&state)
            let (machine, calls) = (state.machine, state.calls)
            let (met, unmet) = (
                state.watchers.filter { $0.condition(machine, calls) }, state.watchers.filter { !$0.condition(machine, calls) }
            )
            state.watchers = unmet
            return met.map(\.continuation)
        }
        for continuation in ready { continuation.resume() }
    }

    private func makeExit(code: Int, signal: Int? = nil, reason: String? = nil, oomKilled: Bool = false) -> ContainerExit {
        ContainerExit(
            exitCode: code, signal: signal, oomKilled: oomKilled, reason: reason ?? (code == 0 ? "Completed" : "Error"),
            startedAt: now(), finishedAt: now())
    }
}
