// A node under chance: its runtime carries out what the machine orders late, in any order, sometimes wrongly or not at all; its
// clock jumps; its API server loses and repeats; its agent is killed between any two steps. A seed and the code reproduce a run.
import KubernetesModel

@testable import AgentCore

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

struct SimulatedNode {
    var random: SeededGenerator
    private(set) var machine: PodStateMachine
    private(set) var invariants = PodInvariants()
    private(set) var now = epoch
    private(set) var isGone = false
    /// What the API server has; nil when the object is gone.
    private var object: Pod?
    private var deletionGrace: Int?
    /// The agent's record on disk: what the next agent begins with; nil: none was needed yet.
    private var record: PodStateMachine?
    private var answers: [PodInput] = []
    private var timer: UnixNanoseconds?
    // The machine below: survives agents.
    private var running: [ContainerRun: UnixNanoseconds] = [:]
    private var ended: [ContainerRun: ContainerTermination] = [:]
    private var created: Set<ContainerRun> = []
    private var hasImage: Bool
    /// Runs whose program was started, for the check that none is started twice.
    private(set) var launches: [ContainerRun: Int] = [:]
    private(set) var sandboxRemovedWhileRunning = false
    private var isCalm = false

    init(seed: UInt64) {
        random = SeededGenerator(state: seed)
        hasImage = random.chance(70)
        let pod = Self.pod(&random)
        machine = PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.1", runtimeName: "runp"))
        object = pod
    }

    var isAtRest: Bool { running.isEmpty }

    // MARK: The pod

    private static func pod(_ random: inout SeededGenerator) -> Pod {
        var pod = makePod(
            containers: random.chance(30) ? ["a", "b"] : ["main"],
            restartPolicy: [.never, .onFailure, .always][Int.random(in: 0..<3, using: &random)],
            deadline: random.chance(15) ? 120 : nil, grace: Int64.random(in: 0...20, using: &random))
        for name in ["i1", "s1", "i2", "s2"] where random.chance(25) {
            var container = name.hasPrefix("s") ? makeSidecar(name) : Container(name: name, image: "psi:1")
            if name.hasPrefix("s") { decorate(&container, &random) }
            pod.spec.initContainers.append(container)
        }
        for index in pod.spec.containers.indices { decorate(&pod.spec.containers[index], &random) }
        if random.chance(10) { pod.spec.readinessGates = [PodReadinessGate(conditionType: "gate")] }
        return pod
    }

    private static func decorate(_ container: inout Container, _ random: inout SeededGenerator) {
        func probe() -> Probe? {
            guard random.chance(20) else { return nil }
            return makeProbe(
                delay: random.chance(30) ? 5 : nil, period: Int.random(in: 1...10, using: &random),
                failures: Int.random(in: 1...3, using: &random), grace: random.chance(30) ? 3 : nil)
        }
        (container.startupProbe, container.readinessProbe, container.livenessProbe) = (probe(), probe(), probe())
        if random.chance(20) { container.lifecycle = Lifecycle(postStart: commandHook) }
        if random.chance(25) { container.lifecycle = Lifecycle(postStart: container.lifecycle?.postStart, preStop: commandHook) }
    }

    // MARK: Inputs and effects

    mutating func send(_ input: PodInput) {
        let before = machine
        let effects = machine.handle(input, now: now)
        invariants.check(input, before: before, after: machine, effects: effects, now: now)
        // Killed before the record was written: neither it nor the effects ever were.
        if !isCalm, random.chance(1) { return restartAgent() }
        switch machine.recordNeed(record, effects) {
        case .none, .told: break
        // Soon, or not before the agent is killed.
        case .eventually: if isCalm || random.chance(50) { record = machine }
        case .settled: record = record?.settled()
        case .written, .durable: record = machine
        }
        for effect in effects {
            // Killed in the midst of the effects.
            if !isCalm, random.chance(1) { return restartAgent() }
            obey(effect)
        }
    }

    private mutating func obey(_ effect: PodEffect) {
        let fails = !isCalm && random.chance(10)
        let failure = StepFailure(reason: "Failed", message: "chance", retriable: random.chance(80))
        switch effect {
        case .prepareVolumes: answers.append(fails ? .volumesFailed(failure) : .volumesReady)
        case .runSandbox: answers.append(fails ? .sandboxFailed(failure) : .sandboxReady(address: nil))
        case .createAndStart(let run): start(run, fails ? failure : nil)
        case .pullImage(let run):
            let pulled = PodInput.imagePulled(run, "sha256:1", message: "chance")
            answers.append(fails ? .imageFailed(run, .image("ErrImagePull", "chance")) : pulled)
            hasImage = hasImage || !fails
        // Half of them were through before they heard of it.
        case .cancelPull(let run): if random.chance(50) { answers.removeAll { $0.isPull(of: run) } }
        case .stop(let run, let grace): stop(run, grace, fails)
        case .runHook(let run, let hook, _): answers.append(.hookFinished(run, hook, failure: fails ? "chance" : nil))
        case .probe(let run, let kind): answers.append(.probed(run, kind, outcome()))
        case .removeSandbox:
            if !running.isEmpty { sandboxRemovedWhileRunning = true }
            if !fails { (ended, created) = ([:], []) }
            answers.append(fails ? .sandboxRemovalFailed(message: "chance") : .sandboxRemoved)
        case .cleanVolumes: answers.append(fails ? .volumesCleanFailed(message: "chance") : .volumesCleaned)
        case .patchStatus(let status, _, let final): patch(status, final)
        case .deletePodObject: delete(fails)
        case .setTimer(let time): timer = time
        case .event: break
        case .forget: isGone = true
        }
    }

    private mutating func start(_ run: ContainerRun, _ failure: StepFailure?) {
        // Somebody may remove it at any time, and an inspection may fail.
        if !isCalm, random.chance(3) { hasImage = false }
        if !hasImage { return answers.append(.imageNeeded(run)) }
        if !isCalm, random.chance(3) { return answers.append(.imageFailed(run, .image("ImageInspectError", "chance"))) }
        if let failure {
            // Half of them left something behind.
            if random.chance(50) { created.insert(run) }
            return answers.append(.containerStartFailed(run, failure))
        }
        created.insert(run)
        if running[run] == nil, ended[run] == nil {
            running[run] = now
            launches[run, default: 0] += 1
        }
        // It may be over before its start is answered.
        if random.chance(5) { end(run, code: random.chance(50) ? 0 : 1) } else { answers.append(.containerStarted(run, at: now)) }
    }

    private mutating func stop(_ run: ContainerRun, _ grace: Int, _ fails: Bool) {
        if fails { return answers.append(.stopFailed(run, message: "chance")) }
        now += Int64.random(in: 0...Int64(max(0, grace)), using: &random) * (second / 4)
        end(run, code: random.chance(70) ? 143 : random.chance(50) ? 0 : 137)
    }

    private mutating func outcome() -> ProbeOutcome {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<6: .success()
        case 6..<9: .failure("chance")
        default: .error("chance")
        }
    }

    private mutating func patch(_ status: PodStatus, _ final: Bool) {
        guard object != nil else {
            if isCalm || random.chance(80) { answers.append(.objectGone) }
            return
        }
        object?.status = status
        // The answer may be late; the reporter itself tries again until it has one.
        if final { answers.append(.finalStatusDelivered) }
    }

    private mutating func delete(_ fails: Bool) {
        if fails { return answers.append(.objectDeletionFailed(message: "chance")) }
        object = nil
        answers.append(.objectGone)
    }

    private mutating func end(_ run: ContainerRun, code: Int) {
        if let startedAt = running.removeValue(forKey: run) {
            ended[run] = ContainerTermination(
                exitCode: code, reason: code == 0 ? "Completed" : "Error", startedAt: startedAt, finishedAt: now)
        }
        if let termination = ended[run] { answers.append(.containerExited(run, termination)) }
        // Told twice: by the stop and by the event.
        if random.chance(20), let termination = ended[run] { answers.append(.containerExited(run, termination)) }
        if ended[run] == nil { answers.append(.containerExited(run, exit(137, at: now, reason: "ContainerStatusUnknown"))) }
    }

    // MARK: Chance

    /// kill -9 of the agent, perhaps of the whole machine, and a new agent over the same disk.
    private mutating func restartAgent() {
        answers = []
        timer = nil
        guard let record else { return beginAnew() }
        machine = record
        now += Int64.random(in: 0...30, using: &random) * second
        let rebooted = random.chance(10)
        var found: [ContainerRun: AdoptedPhase] = [:]
        for run in created { found[run] = .created }
        for (run, startedAt) in running { found[run] = rebooted ? .unknown("rebooted") : .running(startedAt: startedAt) }
        if rebooted {
            for run in running.keys { ended[run] = exit(137, at: now, reason: "ContainerStatusUnknown") }
            running = [:]
        }
        for (run, termination) in ended where found[run] != .unknown("rebooted") { found[run] = .exited(termination) }
        // A record of the runtime may be damaged; not that of what runs, which its supervisor holds, and not the only witness.
        let known = machine.containers.filter { $0.startedAt != nil }.map(\.run)
        if random.chance(3), let lost = known.first(where: { ended[$0] != nil }) { found[lost] = nil }
        send(.adopted(found))
        relist()
    }

    /// The next agent finds no record: nothing was started, so the pod is new to it.
    private mutating func beginAnew() {
        guard let object, running.isEmpty, ended.isEmpty else {
            // Its directory is that of nobody's pod.
            if !running.isEmpty { sandboxRemovedWhileRunning = true }
            isGone = object == nil
            return
        }
        machine = PodStateMachine(pod: object, context: machine.context)
        // To the invariants a new life; to the machine the same as `added`.
        send(.adopted([:]))
        relist()
    }

    /// What the list after a restart or a broken watch tells again.
    private mutating func relist() {
        guard let object else { return send(.objectGone) }
        send(.updated(object))
        if let deletionGrace { send(.deletionRequested(graceSeconds: deletionGrace)) }
    }

    mutating func requestDeletion() {
        deletionGrace = min(deletionGrace ?? .max, Int.random(in: 0...10, using: &random))
        send(.deletionRequested(graceSeconds: deletionGrace ?? 0))
    }

    /// From here on nothing fails: what is begun must come to its end.
    mutating func calmDown() { isCalm = true }

    mutating func step() {
        if isCalm { return proceed() }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<3: restartAgent()
        case 3..<5: requestDeletion()
        case 5..<6: send(.evicted(reason: "Evicted", message: "chance", graceSeconds: random.chance(50) ? 0 : nil))
        case 6..<8: update()
        case 8..<15: if let run = running.keys.min(by: { $0.name < $1.name }) { end(run, code: random.chance(60) ? 0 : 1) }
        case 15..<22:
            now += Int64.random(in: 1...20, using: &random) * second
            send(.tick)
        case 22..<23: now += random.chance(50) ? 3600 * second : -3 * second
        case 23..<24 where random.chance(20):
            // Removed by force, by somebody else.
            object = nil
            send(.objectGone)
        default: proceed()
        }
    }

    /// A change of the object, which may be an old one that comes late.
    private mutating func update() {
        guard var pod = object else { return }
        if random.chance(40), pod.spec.ephemeralContainers.count < 2 {
            pod.spec.ephemeralContainers.append(Container(name: "debug\(pod.spec.ephemeralContainers.count)", image: "psi:1"))
            object = pod
        }
        if random.chance(30) {
            pod.status.conditions.append(PodCondition(type: "gate", status: random.chance(50) ? .true : .false))
        }
        send(.updated(pod))
    }

    private mutating func proceed() {
        guard answers.isEmpty else {
            return send(answers.remove(at: Int.random(in: 0..<answers.count, using: &random)))
        }
        if let timer, timer > now { now = timer }
        send(.tick)
    }
}

extension PodInput {
    fileprivate func isPull(of run: ContainerRun) -> Bool {
        switch self {
        case .imagePulled(run, _, _), .imageFailed(run, _): true
        default: false
        }
    }
}

extension PodState {
    fileprivate var isGone: Bool { if case .terminated(.gone, _) = self { true } else { false } }
}
