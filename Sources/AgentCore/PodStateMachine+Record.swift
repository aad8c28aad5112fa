// Which of a pod's states must be on disk before their effects are carried out: those that neither the runtime nor the API server could
// tell the next agent.
import KubernetesModel

/// How well the machine has to be kept.
public enum RecordNeed: Sendable, Hashable {
    /// The next agent comes to the same state from what is on disk, from the runtime's facts and from the API server's list.
    case none
    /// The runtime could tell it too. Against the day when its record is damaged this one is kept as well, but not before the pod goes on,
    /// and not at all when it was over by then.
    case eventually
    /// What is there, but a power cut may take it: the final status arrived, and the API server tells it to whoever comes next.
    case told
    /// A killed agent must find it.
    case written
    /// What is there and that the final status arrived: `settled()` of it is this state.
    case settled
    /// So must one that comes after a power cut: a program may have begun, or its end was told.
    case durable
}

extension PodStateMachine {
    /// What `effects`, which this state ordered, need to be on disk. `recorded`: what is there; nil: nothing.
    ///
    /// Volumes and sandbox are made again by whoever finds no record, over what is there; what is removed is removed again. An end that
    /// was not told is learned from the runtime a second time.
    public func recordNeed(_ recorded: PodStateMachine?, _ effects: [PodEffect]) -> RecordNeed {
        if case .terminated(.gone, _) = state { return .none }
        var need = RecordNeed.none
        for effect in effects {
            switch effect {
            case .createAndStart, .patchStatus(_, _, final: true): return self == recorded ? .none : .durable
            case .stop, .runHook: need = .written
            case .prepareVolumes, .runSandbox, .probe, .pullImage, .cancelPull, .removeSandbox, .cleanVolumes, .patchStatus,
                .deletePodObject,
                .setTimer, .event, .forget:
                continue
            }
        }
        guard let recorded else { return need }
        if need == .written || isEnding != recorded.isEnding { return self != recorded ? .written : .none }
        if isSettled != recorded.isSettled { return recorded.finalStatusSent && sameRuns(recorded) ? .settled : .written }
        if sameRuns(recorded) {
            return finalStatusDelivered && recorded.finalStatusSent && !recorded.finalStatusDelivered ? .told : .none
        }
        return isLearnable(from: recorded) ? .eventually : .written
    }

    /// This state, when its final status was sent and has arrived: nothing is left to do but to wait for the object's deletion.
    public func settled() -> PodStateMachine {
        guard finalStatusSent else { return self }
        var machine = self
        switch state {
        case .terminating(_, let cause), .terminated(.reporting, let cause): machine.state = .terminated(.settled, cause)
        case .sync, .terminated(.settled, _), .terminated(.deletingObject, _), .terminated(.gone, _): return self
        }
        machine.finalStatusDelivered = true
        (machine.sandboxReady, machine.operation, machine.stepFailures, machine.retryAt) = (false, nil, 0, 0)
        return machine
    }

    private var isSettled: Bool {
        switch state {
        case .sync, .terminating, .terminated(.reporting, _): false
        case .terminated(.settled, _), .terminated(.deletingObject, _), .terminated(.gone, _): true
        }
    }

    /// Every container is where the record has it; probes and hooks, of which only this machine knows, too.
    private func sameRuns(_ recorded: PodStateMachine) -> Bool {
        guard containers.count == recorded.containers.count else { return false }
        return zip(containers, recorded.containers).allSatisfy { $0.isAsRecorded($1) }
    }

    /// What differs are ordered starts that came about, of containers without hooks and probes.
    private func isLearnable(from recorded: PodStateMachine) -> Bool {
        guard containers.count == recorded.containers.count else { return false }
        return zip(containers, recorded.containers).allSatisfy { now, then in
            if now.isAsRecorded(then) { return true }
            guard case .starting = then.phase, case .running = now.phase, now.run == then.run, let container = spec(of: now.name)
            else {
                return false
            }
            return now.hasPassed == then.hasPassed && now.mustStop == nil && container.handler(.postStart) == nil
                && ProbeKind.allCases.allSatisfy { container.probe($0) == nil }
        }
    }
}

extension ContainerSlot {
    fileprivate func isAsRecorded(_ then: ContainerSlot) -> Bool {
        attempt == then.attempt && rank == then.rank && hasPassed == then.hasPassed && mustStop == then.mustStop
            && isStarted == then.isStarted && isReady == then.isReady && postStart == then.postStart && preStop == then.preStop
    }

    /// A run that waits, and one that is ordered and came to nothing, are the same to the next agent: it asks the runtime.
    fileprivate var rank: Int {
        switch phase {
        case .waiting, .starting: 0
        case .running: 1
        case .stopping: 2
        case .exited: 3
        case .backingOff: 4
        }
    }
}
