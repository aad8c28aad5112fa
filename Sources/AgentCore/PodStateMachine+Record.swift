// Which of a pod's states must be on disk before their effects are carried out: those that neither the runtime nor the API server could
// tell the next agent.
import KubernetesModel

/// How well the machine has to be kept.
public enum RecordNeed: Sendable, Hashable {
    /// The next agent comes to the same state from what is on disk, from the runtime's facts and from the API server's list.
    case none
    /// A killed agent must find it.
    case written
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
            case .prepareVolumes, .runSandbox, .probe, .pullImage, .cancelPull, .removeSandbox, .cleanVolumes, .patchStatus, .deletePodObject,
                .setTimer, .event, .forget:
                continue
            }
        }
        guard let recorded else { return need }
        let isNews = need == .written || isEnding != recorded.isEnding || isSettled != recorded.isSettled || !sameRuns(recorded)
        return isNews && self != recorded ? .written : .none
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
        return zip(containers, recorded.containers).allSatisfy { now, then in
            now.attempt == then.attempt && now.rank == then.rank && now.hasPassed == then.hasPassed && now.mustStop == then.mustStop
                && now.isStarted == then.isStarted && now.isReady == then.isReady && now.postStart == then.postStart
                && now.preStop == then.preStop
        }
    }
}

extension ContainerSlot {
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
