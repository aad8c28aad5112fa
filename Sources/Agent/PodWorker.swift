// One serial worker per pod: takes inputs one after the other, makes their consequences durable, then has them carried out.
import AgentCore
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

/// The mailbox is bounded by what can be in flight for one pod: answers to its few steps, exits of its containers, and
/// object changes, of which only the newest is kept.
final class PodWorker: Sendable {
    private struct State {
        var mailbox: [PodInput] = []
        var draining = false
        var closed = false
        var machine: PodStateMachine
        var saved: PodStateMachine?
        var timer: Task<Void, Never>?
        /// At most one is under way: I-POD-7.
        var pull: Task<Void, Never>?
        var settledWaiters: [CheckedContinuation<Void, Never>] = []
        /// Runs whose start has not answered yet; true: they are over already. At most one, as starts take turns (I-POD-7).
        var starting: [ContainerRun: Bool] = [:]
    }

    /// How long to wait before a record that could not be written is tried again. The pod stands still meanwhile: nothing
    /// is done that is not on record.
    static let recordRetryNanoseconds: Int64 = 1_000_000_000

    let uid: String
    let namespace: String
    let name: String
    /// What the pod asks of the node; nothing can change it after its creation.
    let requested: PodResources
    let ports: [NodePort]
    private let state: Mutex<State>
    private let executor: PodExecutor
    private let turned: @Sendable (PodWorker) -> Void
    private let forgotten: @Sendable (PodWorker) async -> Void

    /// `onRecord`: the machine was just read from its record. `turned`: the pod begins to end, or has given back what it held. `forgotten`:
    /// the pod is gone, record and logs are removed.
    init(
        machine: PodStateMachine, onRecord: Bool, executor: PodExecutor, turned: @escaping @Sendable (PodWorker) -> Void,
        forgotten: @escaping @Sendable (PodWorker) async -> Void
    ) {
        uid = machine.pod.metadata.uid ?? ""
        namespace = machine.pod.metadata.namespace ?? ""
        name = machine.pod.metadata.name
        requested = PodResources(requestedBy: machine.pod)
        ports = NodeAdmission.ports(of: machine.pod)
        state = Mutex(State(machine: machine, saved: onRecord ? machine : nil))
        self.executor = executor
        self.turned = turned
        self.forgotten = forgotten
    }

    /// The pod as of the last input that was dealt with.
    var machine: PodStateMachine { state.withLock(\.machine) }
    var holdsResources: Bool { state.withLock { $0.machine.holdsResources } }
    /// Nothing of it will run again.
    var isOver: Bool { state.withLock { $0.machine.isOver } }

    func send(_ inputs: PodInput...) { send(inputs) }

    /// The runtime has news of a run, its end as a rule. What a start that is under way has to say of it (its image's digest) comes first:
    /// behind the end the pod's last status may be out already.
    func look(at run: ContainerRun) async {
        let isHeld = state.withLock { state in
            guard state.starting[run] != nil else { return false }
            state.starting[run] = true
            return true
        }
        if isHeld { return }
        // Starts are answered by the start itself; an event tells of ends.
        let id = ContainerID(podUID: uid, name: run.name, attempt: run.attempt)
        guard let outcome = try? await executor.outcome(of: id, run, machine.pod), case .containerExited = outcome else { return }
        send(outcome)
    }

    private func start(_ run: ContainerRun, _ effect: PodEffect, _ machine: PodStateMachine) {
        state.withLock { $0.starting[run] = false }
        Task(executorPreference: WorkThreads.shared) {
            let answer = await self.executor.perform(effect, machine)
            self.send(answer)
            let hasEnded = self.state.withLock { $0.starting.removeValue(forKey: run) } ?? false
            let isTold = answer.contains { if case .containerExited = $0 { true } else { false } }
            if hasEnded, !isTold { await self.look(at: run) }
        }
    }

    private func send(_ inputs: [PodInput]) {
        let start = state.withLock { state in
            guard !state.closed else { return false }
            for input in inputs {
                if case .updated = input { state.mailbox.removeAll { if case .updated = $0 { true } else { false } } }
                state.mailbox.append(input)
            }
            defer { state.draining = true }
            return !state.draining
        }
        if start { Task(executorPreference: WorkThreads.shared) { await self.drain() } }
    }

    /// Stops working without touching the pod. Steps under way finish unheard.
    func close() {
        let (timer, pull, waiters) = state.withLock { state in
            state.closed = true
            state.mailbox = []
            defer { (state.timer, state.pull, state.settledWaiters) = (nil, nil, []) }
            return (state.timer, state.pull, state.settledWaiters)
        }
        timer?.cancel()
        pull?.cancel()
        for waiter in waiters { waiter.resume() }
    }

    /// Suspends until the pod has ended and its end is reported, or the worker was closed.
    func waitUntilSettled() async {
        await withCheckedContinuation { continuation in
            let settled = state.withLock { state in
                if state.closed || Self.isSettled(state.machine) { return true }
                state.settledWaiters.append(continuation)
                return false
            }
            if settled { continuation.resume() }
        }
    }

    private static func isSettled(_ machine: PodStateMachine) -> Bool {
        switch machine.state {
        case .sync, .terminating, .terminated(.reporting, _): false
        case .terminated(.settled, _), .terminated(.deletingObject, _), .terminated(.gone, _): true
        }
    }

    private func drain() async {
        while let (machine, effects, need, turns) = takeBatch() {
            if need != .none, !(await save(machine, need)) { return }
            if turns { turned(self) }
            publish(machine)
            for effect in effects { carryOut(effect, machine) }
        }
    }

    /// Applies what lies in the mailbox. nil when there is nothing, and the next `send` starts a new drain.
    private func takeBatch() -> (PodStateMachine, [PodEffect], RecordNeed, turns: Bool)? {
        state.withLock { state in
            guard !state.mailbox.isEmpty, !state.closed else {
                state.draining = false
                return nil
            }
            let inputs = state.mailbox
            state.mailbox = []
            var effects: [PodEffect] = []
            var machine = state.machine
            let now = executor.clock.now()
            let (wasEnding, held) = (machine.isEnding, machine.holdsResources)
            for input in inputs { effects += machine.handle(input, now: now) }
            state.machine = machine
            let need = machine.recordNeed(state.saved, effects)
            // At once: a runtime's record that is damaged in the first moments must not have a program begin twice either.
            return (
                machine, effects, need == .eventually ? .written : need,
                turns: machine.isEnding != wasEnding || machine.holdsResources != held
            )
        }
    }

    /// False when the worker was closed before the record could be written.
    private func save(_ machine: PodStateMachine, _ need: RecordNeed) async -> Bool {
        while true {
            do {
                switch need {
                case .settled: try await executor.records.settle(machine, uid: uid)
                case .told: try await executor.records.release(machine, uid: uid)
                case .none, .eventually, .written, .durable:
                    try await executor.records.save(machine, uid: uid, durable: need == .durable)
                }
                state.withLock { $0.saved = machine }
                return true
            } catch {
                executor.logger.error("pod record not written", metadata: ["uid": "\(uid)", "error": "\(error)"])
                try? await executor.clock.sleep(nanoseconds: Self.recordRetryNanoseconds)
                if state.withLock(\.closed) { return false }
            }
        }
    }

    private func publish(_ machine: PodStateMachine) {
        guard Self.isSettled(machine) else { return }
        let waiters = state.withLock { state in
            defer { state.settledWaiters = [] }
            return state.settledWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: Effects

    /// Each step runs in a task of its own, so that a deletion can shorten a stop that is under way; the machine sees to it
    /// that there are at most a few (I-POD-7).
    private func carryOut(_ effect: PodEffect, _ machine: PodStateMachine) {
        switch effect {
        case .setTimer(let time):
            setTimer(time)
        case .patchStatus(let status, let annotations, let final):
            report(status, annotations, final, machine.pod)
        case .deletePodObject:
            deleteObject(machine.pod)
        case .event(let type, let reason, let message, let container):
            executor.reporter.event(
                pod: machine.pod, container: container, warning: type == .warning, reason: reason, message: message)
        case .forget:
            Task(executorPreference: WorkThreads.shared) {
                await self.executor.forget(machine.pod)
                await self.forgotten(self)
            }
        case .pullImage:
            let pull = Task { send(await executor.perform(effect, machine)) }
            let wasClosed = state.withLock { state in
                state.pull = pull
                return state.closed
            }
            if wasClosed { pull.cancel() }
        case .cancelPull:
            state.withLock { state in
                defer { state.pull = nil }
                return state.pull
            }?.cancel()
        case .createAndStart(let run): start(run, effect, machine)
        case .prepareVolumes, .runSandbox, .stop, .runHook, .probe, .removeSandbox, .cleanVolumes:
            WorkThreads.begin(Self.turn(of: effect, machine)) { self.send(await self.executor.perform(effect, machine)) }
        }
    }

    /// In a burst a pod is begun when those before it have begun, and what one that is over leaves is removed behind all of them, so that
    /// its end is told at once. Who deletes the pod waits for that, though, and a node that is short of something for what it gave up; an address
    /// and its port rules are wanted by the next pods.
    static func turn(of effect: PodEffect, _ machine: PodStateMachine) -> WorkTurn {
        switch effect {
        case .prepareVolumes: .fresh
        case .removeSandbox: machine.hasEndedByItself && !NetworkWish.hasAddress(machine.pod) ? .later : .next
        default: .next
        }
    }

    private func setTimer(_ time: UnixNanoseconds) {
        let timer = Task { [weak self, clock = executor.clock] in
            guard (try? await clock.sleep(until: time)) != nil else { return }
            self?.send(.tick)
        }
        let replaced = state.withLock { state in
            if state.closed { return timer as Task<Void, Never>? }
            defer { state.timer = timer }
            return state.timer
        }
        replaced?.cancel()
    }

    private func report(_ status: PodStatus, _ annotations: [String: String], _ final: Bool, _ pod: Pod) {
        let report = PodReport(
            namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: uid, status: status,
            annotations: annotations, final: final)
        executor.reporter.report(report) { [weak self] outcome in
            switch outcome {
            case .delivered: if final { self?.send(.finalStatusDelivered) }
            case .gone: self?.send(.objectGone)
            case .failed: break
            }
        }
    }

    private func deleteObject(_ pod: Pod) {
        executor.reporter.deleteObject(namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: uid) {
            [weak self] outcome in
            switch outcome {
            case .delivered, .gone: self?.send(.objectGone)
            case .failed(let message): self?.send(.objectDeletionFailed(message: message))
            }
        }
    }
}
