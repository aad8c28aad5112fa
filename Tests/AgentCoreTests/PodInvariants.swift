// The machine's named invariants as code: watches every input and effect of a machine, through any number of agents' lives.
import KubernetesModel
import Testing

@testable import AgentCore

struct PodInvariants {
    /// What is under way for one run of a container, in the agent's present life.
    private struct Duty: Hashable {
        var run: ContainerRun
        var name: String
    }

    private var rank = 0
    /// Runs whose process is known to have started.
    private var ran: Set<ContainerRun> = []
    private var ends: [ContainerRun: ContainerTermination] = [:]
    private var ordered: Set<ContainerRun> = []
    private var probeEnded: Set<ContainerRun> = []
    private var delivered: PodStatus?
    private var deletionAsked = false
    private var underWay: Set<Duty> = []
    private var preStops: Set<ContainerRun> = []
    private var stopped: Set<ContainerRun> = []
    private var pulling: ContainerRun?
    private var phaseRank = 0
    private var restarts: [String: Int] = [:]
    private(set) var firstViolation: String?

    mutating func check(
        _ input: PodInput, before: PodStateMachine, after: PodStateMachine, effects: [PodEffect], now: UnixNanoseconds
    ) {
        note(input, before, after)
        let newRank = Self.rank(after.state)
        if newRank < rank { fail("I-POD-1", "\(before.state) -> \(after.state)") }
        rank = newRank
        let steps = effects.count { Self.isStep($0) }
        let isAnswered = before.operation == nil || Self.answers(input) || effects.contains(where: Self.isGivenUp)
        let pending = isAnswered ? 0 : 1
        if steps + pending > 1 { fail("I-POD-7", "\(effects) while \(String(describing: before.operation))") }
        for effect in effects { check(effect, after, now) }
        if let pulling, after.isEnding { fail("I-POD-15", "\(pulling) is still pulled in \(after.state)") }
        if case .finalStatusDelivered = input, after.finalStatusDelivered { delivered = delivered ?? after.lastStatus }
    }

    private mutating func note(_ input: PodInput, _ before: PodStateMachine, _ after: PodStateMachine) {
        // What the machine never ordered is no fact to it.
        func mayRun(_ run: ContainerRun) -> Bool { before.index(of: run).map { before.containers[$0].mayRun } == true }
        switch input {
        case .containerStarted(let run, _):
            if mayRun(run) { ran.insert(run) }
        case .containerExited(let run, let termination):
            if mayRun(run) { ended(run, termination) }
        case .adopted(let found):
            (underWay, preStops, stopped) = ([], [], [])
            pulling = nil
            // What the killed agent had not written down never happened to this one.
            rank = Self.rank(before.state)
            for slot in before.containers where slot.termination == nil { ends[slot.run] = nil }
            phaseRank = Self.rank(before.lastStatus?.phase)
            let told = (before.lastStatus?.initContainerStatuses ?? []) + (before.lastStatus?.containerStatuses ?? [])
            restarts = Dictionary(uniqueKeysWithValues: told.map { ($0.name, $0.restartCount) })
            if !before.finalStatusDelivered { delivered = nil }
            for (run, phase) in found where before.index(of: run).map({ before.containers[$0].termination == nil }) == true {
                switch phase {
                case .created: break
                case .running, .unknown: ran.insert(run)
                case .exited(let termination): ended(run, termination)
                }
            }
        case .hookFinished(let run, let hook, _): underWay.remove(Duty(run: run, name: hook.rawValue))
        case .probed(let run, let kind, _): underWay.remove(Duty(run: run, name: kind.rawValue))
        case .stopFailed(let run, _): stopped.remove(run)
        case .imagePulled(let run, _, _) where run == pulling, .imageFailed(let run, _) where run == pulling: pulling = nil
        case .deletionRequested: deletionAsked = true
        default: break
        }
        for slot in after.containers where slot.mustStop?.restarts == true { probeEnded.insert(slot.run) }
    }

    private mutating func ended(_ run: ContainerRun, _ termination: ContainerTermination) {
        ran.insert(run)
        ends[run] = ends[run] ?? termination
    }

    private mutating func check(_ effect: PodEffect, _ machine: PodStateMachine, _ now: UnixNanoseconds) {
        switch effect {
        case .createAndStart(let run): checkStart(run, machine, now)
        case .pullImage(let run):
            if machine.isEnding { fail("I-POD-15", "\(run) is pulled in \(machine.state)") }
            pulling = run
        case .cancelPull(let run):
            if pulling != run { fail("I-POD-15", "the pull of \(run) is given up, which is not under way") }
            pulling = nil
        case .runHook(let run, let hook, _): checkHook(run, hook)
        case .probe(let run, let kind): begin(run, kind.rawValue)
        case .stop(let run, _): checkStop(run, machine, now)
        case .removeSandbox, .cleanVolumes:
            if !machine.isAtRest { fail("I-POD-4", "\(effect) while containers may run") }
        case .patchStatus(let status, _, _):
            if delivered != nil { fail("I-POD-5", "a status after the final one") }
            checkStatus(status, machine)
        case .deletePodObject:
            if !deletionAsked || !machine.finalStatusDelivered { fail("I-POD-6", "deleted too early or unasked") }
        case .prepareVolumes, .runSandbox, .setTimer, .event, .forget:
            break
        }
    }

    private mutating func checkStart(_ run: ContainerRun, _ machine: PodStateMachine, _ now: UnixNanoseconds) {
        if ran.contains(run) { fail("I-POD-2", "\(run) is started again") }
        if case .sync = machine.state {} else { fail("I-POD-3", "\(run) is started in \(machine.state)") }
        if let deadline = machine.deadline, now >= deadline { fail("I-POD-14", "\(run) is started after the deadline") }
        guard let index = machine.containers.firstIndex(where: { $0.name == run.name }) else {
            return fail("I-POD-12", "\(run) is nobody")
        }
        let slot = machine.containers[index]
        let earlier = machine.containers[..<index].filter { $0.isInit }
        if !slot.isEphemeral, !slot.hasPassed, !earlier.allSatisfy(\.isPast) {
            fail("I-POD-8", "\(run) before its init containers")
        }
        guard run.attempt > 0 else { return }
        // As the machine had to believe it ended: after a damaged record or a reboot that is not how it did.
        guard let end = slot.lastTermination else { return fail("I-POD-12", "\(run) follows no end") }
        let forced = probeEnded.contains(ContainerRun(name: run.name, attempt: run.attempt - 1))
        let granted = RestartDecision.restarts(machine.restartPolicy, slot.kind, failed: end.exitCode != 0, forced: forced)
        if !granted { fail("I-POD-12", "\(run) is started again, which \(machine.restartPolicy) does not grant a \(slot.kind)") }
        // The start itself is counted already.
        let due = end.finishedAt.adding(seconds: RestartDecision.delaySeconds(crashesBefore: slot.backOffCount - 1))
        // Only the first order: what was ordered once may be ordered again by a clock that was set back.
        if ordered.insert(run).inserted, now < due { fail("I-POD-12", "\(run) is started \(due - now) ns too early") }
    }

    private mutating func checkHook(_ run: ContainerRun, _ hook: LifecycleHook) {
        begin(run, hook.rawValue)
        guard hook == .preStop else { return }
        if !preStops.insert(run).inserted { fail("I-POD-13", "\(run) has its preStop hook twice") }
        if stopped.contains(run) { fail("I-POD-13", "\(run) has its preStop hook after SIGTERM") }
    }

    private mutating func begin(_ run: ContainerRun, _ name: String) {
        if !ran.contains(run) || ends[run] != nil { fail("I-POD-11", "\(name) of \(run), which has no process") }
        if !underWay.insert(Duty(run: run, name: name)).inserted { fail("I-POD-11", "\(name) of \(run) twice at a time") }
    }

    private mutating func checkStop(_ run: ContainerRun, _ machine: PodStateMachine, _ now: UnixNanoseconds) {
        stopped.insert(run)
        guard case .terminating = machine.state, let index = machine.containers.firstIndex(where: { $0.name == run.name }) else {
            return
        }
        let slot = machine.containers[index]
        guard slot.isSidecar, let deadline = slot.stopDeadline, now < deadline else { return }
        for (other, container) in machine.containers.enumerated() where other != index && container.mayRun {
            if !container.isSidecar || other > index { fail("I-POD-10", "\(run) ends before \(container.name)") }
        }
    }

    private mutating func checkStatus(_ status: PodStatus, _ machine: PodStateMachine) {
        let newRank = Self.rank(status.phase)
        if newRank < phaseRank { fail("I-POD-9", "phase \(phaseRank) -> \(String(describing: status.phase))") }
        phaseRank = newRank
        if (newRank == 2) != machine.isFinal { fail("I-POD-9", "\(String(describing: status.phase)) in \(machine.state)") }
        let statuses = status.initContainerStatuses + status.containerStatuses
        for container in statuses {
            if container.restartCount < restarts[container.name, default: 0] {
                fail("I-POD-9", "restartCount of \(container.name) falls")
            }
            restarts[container.name] = container.restartCount
            let isInit = machine.containers.contains { $0.name == container.name && $0.kind == .initial }
            if container.ready, !isInit, container.state.running == nil || container.started != true {
                fail("I-POD-9", "\(container.name) is ready without running")
            }
        }
        let ready = status.conditions.first { $0.type == "Ready" }
        let served = statuses.filter { status in !machine.containers.contains { $0.name == status.name && $0.kind == .initial } }
        if ready?.status == .true, !served.allSatisfy(\.ready) { fail("I-POD-9", "Ready with containers that are not") }
        if newRank == 2, statuses.contains(where: { $0.state.running != nil }) {
            fail("I-POD-9", "over with a running container")
        }
    }

    private mutating func fail(_ name: String, _ what: String) { firstViolation = firstViolation ?? "\(name): \(what)" }

    private static func rank(_ phase: PodPhase?) -> Int {
        switch phase {
        case .pending, nil: 0
        case .running, .unknown: 1
        case .succeeded, .failed: 2
        }
    }

    static func rank(_ state: PodState) -> Int {
        switch state {
        case .sync(.preparingVolumes): 0
        case .sync(.startingSandbox): 1
        case .sync(.running): 2
        case .terminating(.stopping, _): 3
        case .terminating(.removingSandbox, _): 4
        case .terminating(.cleaningVolumes, _): 5
        case .terminated(.reporting, _): 6
        case .terminated(.settled, _): 7
        case .terminated(.deletingObject, _): 8
        case .terminated(.gone, _): 9
        }
    }

    static func isStep(_ effect: PodEffect) -> Bool {
        switch effect {
        case .prepareVolumes, .runSandbox, .pullImage, .createAndStart, .removeSandbox, .cleanVolumes, .deletePodObject: true
        case .cancelPull, .stop, .runHook, .probe, .patchStatus, .setTimer, .event, .forget: false
        }
    }

    private static func isGivenUp(_ effect: PodEffect) -> Bool { if case .cancelPull = effect { true } else { false } }

    /// Inputs that answer a step, or declare all steps of a former life void.
    static func answers(_ input: PodInput) -> Bool {
        switch input {
        case .volumesReady, .volumesFailed, .sandboxReady, .sandboxFailed, .containerStarted, .containerStartFailed,
            .containerExited, .sandboxRemoved, .sandboxRemovalFailed, .volumesCleaned, .volumesCleanFailed, .objectDeletionFailed,
            .objectGone, .adopted, .imageNeeded, .imagePulled, .imageFailed:
            true
        case .added, .updated, .deletionRequested, .evicted, .rejected, .imageResolved, .stopFailed, .hookFinished, .probed,
            .finalStatusDelivered,
            .tick, .lost:
            false
        }
    }
}
