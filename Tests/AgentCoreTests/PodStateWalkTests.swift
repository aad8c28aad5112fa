// Walks every (state x input): from each abstract state that can be reached, every input of the alphabet.
import KubernetesModel
import Testing

@testable import AgentCore

/// A machine without what has no bearing on its decisions: times, counts and texts.
private struct AbstractState: Hashable {
    private var facts: [UInt8]

    init(_ machine: PodStateMachine, now: UnixNanoseconds) {
        facts = [UInt8(PodInvariants.rank(machine.state)), Self.cause(machine.state)]
        let flags = [
            machine.startTime != nil, machine.deletionGrace != nil, machine.objectGone, machine.finalStatusDelivered,
            machine.finalStatusSent, machine.sandboxReady, machine.operation != nil, machine.isPulling, now >= machine.retryAt,
        ]
        facts += flags.map { $0 ? 1 : 0 }
        for slot in machine.containers { facts += Self.facts(slot, now) }
    }

    private static func cause(_ state: PodState) -> UInt8 {
        switch state {
        case .sync: 0
        case .terminating(_, let cause), .terminated(_, let cause):
            switch cause {
            case .completed: 1
            case .deleted: 2
            case .objectGone: 3
            case .deadlineExceeded: 4
            case .failed: 5
            case .evicted: 6
            case .rejected: 7
            case .alreadyFinished: 8
            }
        }
    }

    private static func facts(_ slot: ContainerSlot, _ now: UnixNanoseconds) -> [UInt8] {
        let phase: UInt8 =
            switch slot.phase {
            case .waiting: 0
            case .starting: 1
            case .running: 2
            case .stopping: 3
            case .exited(let end): end.exitCode == 0 ? 4 : 5
            case .backingOff(let end, let until): (end.exitCode == 0 ? 6 : 7) + (now >= until ? 2 : 0)
            }
        let flags = [
            slot.attempt > 0, slot.hasPassed, slot.stopOrdered, slot.isStarted, slot.isReady, slot.mustStop != nil,
            now >= slot.retryAt, slot.postStart == .running, slot.preStop == .running, slot.preStop == .done,
            slot.imageProgress.pulled != nil, slot.imageProgress.isMissing, slot.imageProgress.backOffShownAt != nil,
        ]
        let probes = ProbeKind.allCases.map { slot.probes[$0].map { $0.isInFlight ? 2 : 1 } ?? UInt8(0) }
        return [phase] + flags.map { $0 ? 1 : 0 } + probes
    }
}

extension PodStateMachine {
    fileprivate var isPulling: Bool { if case .pull = operation { true } else { false } }
}

@Suite("pod machine, every state by every input")
struct PodStateWalkTests {
    /// Of the one pod to which the steps of images happen: to all it would be more states than a walk takes in.
    private static let missingImage = "missing:1"
    /// The one pod in which somebody looks around.
    private static let debugged = "debugged"
    static let pods: [String: Pod] = {
        var probed = makePod(restartPolicy: .onFailure)
        probed.spec.containers[0].startupProbe = makeProbe(failures: 1)
        probed.spec.containers[0].readinessProbe = makeProbe(failures: 1)
        probed.spec.containers[0].livenessProbe = makeProbe(failures: 1)
        var hooked = makePod(restartPolicy: .always, deadline: 600)
        hooked.spec.containers[0].lifecycle = Lifecycle(postStart: commandHook, preStop: commandHook)
        var sidecar = makePod(restartPolicy: .never)
        sidecar.spec.initContainers = [makeSidecar("side")]
        var imaged = makePod(restartPolicy: .onFailure)
        imaged.spec.containers[0].image = missingImage
        return [
            "image": imaged, "plain, never": makePod(), "plain, on failure": makePod(restartPolicy: .onFailure),
            debugged: makePod(), "init": makePod(initContainers: ["init"]), "probes": probed, "hooks": hooked, "sidecar": sidecar,
        ]
    }()

    static func inputs(_ pod: Pod, isDebugged: Bool) -> [PodInput] {
        let failure = StepFailure(reason: "Failed", message: "test", retriable: true)
        let final = StepFailure(reason: "Failed", message: "test", retriable: false)
        var newer = pod
        if isDebugged { newer.spec.ephemeralContainers = [Container(name: "debug", image: "psi:1")] }
        var inputs: [PodInput] = [
            .added, .updated(newer), .deletionRequested(graceSeconds: 0), .deletionRequested(graceSeconds: 5), .objectGone,
            .rejected(reason: "r", message: "m"), .evicted(reason: "r", message: "m"), .volumesReady, .volumesFailed(failure),
            .volumesFailed(final), .sandboxReady(address: nil), .sandboxFailed(failure), .sandboxFailed(final), .sandboxRemoved,
            .sandboxRemovalFailed(message: "m"), .volumesCleaned, .volumesCleanFailed(message: "m"), .finalStatusDelivered,
            .objectDeletionFailed(message: "m"), .tick, .adopted([:]), .lost,
        ]
        for name in (newer.spec.initContainers + newer.spec.containers + newer.spec.ephemeralContainers).map(\.name) {
            for attempt in 0...1 {
                let run = ContainerRun(name: name, attempt: attempt)
                inputs += [
                    .containerStarted(run, at: epoch), .containerStartFailed(run, failure), .containerStartFailed(run, final),
                    .containerExited(run, exit(0)), .containerExited(run, exit(1)), .stopFailed(run, message: "m")
                ]
                if pod.spec.containers[0].image == missingImage {
                    inputs += [
                        .imageResolved(run, "sha256:1"), .imageNeeded(run), .imagePulled(run, "sha256:1", message: "m"),
                        .imageFailed(run, failure),
                    ]
                }
                for hook in LifecycleHook.allCases where pod.spec.containers[0].handler(hook) != nil {
                    inputs += [.hookFinished(run, hook, failure: nil), .hookFinished(run, hook, failure: "m")]
                }
                for kind in ProbeKind.allCases where pod.spec.containers[0].probe(kind) != nil {
                    inputs += [.probed(run, kind, .success()), .probed(run, kind, .failure("m")), .probed(run, kind, .error("m"))]
                }
            }
            let run = ContainerRun(name: name, attempt: 0)
            inputs += [
                .adopted([run: .created]), .adopted([run: .running(startedAt: epoch)]), .adopted([run: .exited(exit(0))]),
                .adopted([run: .unknown("rebooted")]),
            ]
        }
        return inputs
    }

    /// An input that nothing ordered is the environment's lie: the machine must bear it without breaking what it promises.
    @Test("no input in any reachable state breaks an invariant or stops the machine", arguments: pods.keys.sorted())
    func walk(_ name: String) async throws {
        let pod = try #require(Self.pods[name])
        let inputs = Self.inputs(pod, isDebugged: name == Self.debugged)
        let first = PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.1", runtimeName: "runp"))
        var queue = [(first, PodInvariants(), epoch)]
        var seen: Set<AbstractState> = [AbstractState(first, now: epoch)]
        var (position, steps) = (0, 0)
        var ranks: Set<Int> = [0]
        while position < queue.count, seen.count < 20_000 {
            let (machine, invariants, now) = queue[position]
            position += 1
            await Task.yield()  // other tests' deadlines go on meanwhile
            for input in inputs {
                for pause: Int64 in input == .tick ? [0, 11] : [0] {
                    var (next, checked) = (machine, invariants)
                    let time = now + pause * second
                    let effects = next.handle(input, now: time)
                    checked.check(input, before: machine, after: next, effects: effects, now: time)
                    steps += 1
                    if let violation = checked.firstViolation {
                        Issue.record("\(name): \(violation) by \(input) in \(machine.state), \(machine.containers)")
                        return
                    }
                    ranks.insert(PodInvariants.rank(next.state))
                    if seen.insert(AbstractState(next, now: time)).inserted { queue.append((next, checked, time)) }
                }
            }
        }
        #expect(ranks == Set(0...9), "\(name): \(seen.count) states")
        #expect(position == queue.count, "\(name): not all of \(seen.count) states were walked")
    }
}
