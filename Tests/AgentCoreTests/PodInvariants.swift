// The machine's named invariants as code: watches every input and effect of a machine.
import KubernetesModel
import Testing

@testable import AgentCore

struct PodInvariants {
    private var rank = 0
    private var ran: Set<ContainerRun> = []
    private var ordered: [ContainerRun] = []
    private var delivered: PodStatus?
    private var deletionAsked = false
    private var violations: [String] = []

    var firstViolation: String? { violations.first }

    mutating func check(_ input: PodInput, before: PodStateMachine, after: PodStateMachine, effects: [PodEffect]) {
        note(input, before)
        let newRank = Self.rank(after.state)
        if newRank < rank { fail("I-POD-1", "\(before.state) -> \(after.state)") }
        rank = newRank
        let steps = effects.count { Self.isStep($0) }
        let pending = before.operation == nil || Self.answers(input) ? 0 : 1
        if steps + pending > 1 { fail("I-POD-7", "\(effects) while \(String(describing: before.operation))") }
        for effect in effects { check(effect, after) }
        if case .finalStatusDelivered = input, after.finalStatusDelivered { delivered = delivered ?? after.lastStatus }
    }

    private mutating func note(_ input: PodInput, _ before: PodStateMachine) {
        switch input {
        case .containerStarted(let run, _), .containerExited(let run, _):
            ran.insert(run)
        case .adopted(let found):
            for (run, phase) in found where phase != .created { ran.insert(run) }
        case .deletionRequested:
            deletionAsked = true
        default:
            break
        }
    }

    private mutating func check(_ effect: PodEffect, _ machine: PodStateMachine) {
        switch effect {
        case .createAndStart(let run):
            if ran.contains(run) { fail("I-POD-2", "\(run) is started again") }
            if case .sync = machine.state {} else { fail("I-POD-3", "\(run) is started in \(machine.state)") }
            let slots = machine.containers
            if let index = slots.firstIndex(where: { $0.name == run.name }) {
                let before = slots[..<index].filter { $0.isInit }
                if !before.allSatisfy({ $0.succeeded }) { fail("I-POD-8", "\(run) before its init containers") }
            }
        case .removeSandbox, .cleanVolumes:
            if !machine.isAtRest { fail("I-POD-4", "\(effect) while containers may run") }
        case .patchStatus:
            if delivered != nil { fail("I-POD-5", "a status after the final one") }
        case .deletePodObject:
            if !deletionAsked || !machine.finalStatusDelivered { fail("I-POD-6", "deleted too early or unasked") }
        default:
            break
        }
    }

    private mutating func fail(_ name: String, _ what: String) { violations.append("\(name): \(what)") }

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
        case .prepareVolumes, .runSandbox, .createAndStart, .removeSandbox, .cleanVolumes, .deletePodObject: true
        case .stop, .patchStatus, .setTimer, .event, .forget: false
        }
    }

    /// Inputs that answer a step, or declare all steps of a former life void.
    static func answers(_ input: PodInput) -> Bool {
        switch input {
        case .volumesReady, .volumesFailed, .sandboxReady, .sandboxFailed, .containerStarted, .containerStartFailed,
            .containerExited, .sandboxRemoved, .sandboxRemovalFailed, .volumesCleaned, .volumesCleanFailed, .objectDeletionFailed,
            .objectGone, .adopted:
            true
        case .added, .updated, .deletionRequested, .rejected, .evicted, .stopFailed, .finalStatusDelivered, .tick, .lost: false
        }
    }
}
