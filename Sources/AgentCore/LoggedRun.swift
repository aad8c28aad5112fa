// Which run of a container `kubectl logs` shows: the present one, or the last that there was; else why there is none, in the words that
// users know from a kubelet.
import KubernetesModel

public enum LoggedRun: Sendable, Hashable {
    case run(ContainerRun)
    case absent(String)
}

extension ContainerSlot {
    /// The run that ended last, before the one that runs or waits.
    var lastEnded: (termination: ContainerTermination, run: ContainerRun)? {
        if case .backingOff(let termination, _) = phase { return (termination, run) }
        return lastTermination.map { ($0, ContainerRun(name: name, attempt: max(0, attempt - 1))) }
    }
}

extension PodStateMachine {
    /// `previous`: the run that ended last, as the status' `lastState` has it.
    public func loggedRun(_ slot: ContainerSlot, previous: Bool) -> LoggedRun {
        let what = "container \"\(slot.name)\" in pod \"\(pod.metadata.name)\""
        // The log of a run whose end nobody remembers (a lost record) may be there all the same.
        let last = slot.lastEnded?.run ?? (slot.attempt > 0 ? ContainerRun(name: slot.name, attempt: slot.attempt - 1) : nil)
        if previous { return last.map { .run($0) } ?? .absent("previous terminated \(what) not found") }
        switch slot.phase {
        case .running, .stopping: return .run(slot.run)
        case .exited(let termination): return Self.logged(slot.run, termination, what)
        case .waiting, .starting, .backingOff: break
        }
        if let last { return Self.logged(last, slot.lastEnded?.termination, what) }
        let builder = PodStatusBuilder(machine: self)
        switch builder.cause {
        case .rejected: return .absent("\(what) is not available")
        // Known by its status alone.
        case .alreadyFinished: return .run(ContainerRun(name: slot.name, attempt: restartCount(slot)))
        case .completed, .deleted, .objectGone, .deadlineExceeded, .failed, .evicted, nil: break
        }
        guard let waiting = builder.containerStatus(slot).state.waiting else { return .absent("\(what) is terminated") }
        let reason =
            switch waiting.reason {
            case "ErrImagePull": "image can't be pulled"
            case Self.pullBackOffReason: "trying and failing to pull image"
            default: waiting.reason ?? ""
            }
        return .absent("\(what) is waiting to start: \(reason)")
    }

    /// A program that says nothing has no log either, so who was never begun is told apart by its end.
    private static func logged(_ run: ContainerRun, _ termination: ContainerTermination?, _ what: String) -> LoggedRun {
        guard let termination, termination.reason == "StartError" else { return .run(run) }
        return .absent("\(what) has not started: \(termination.message ?? "StartError")")
    }

    private func restartCount(_ slot: ContainerSlot) -> Int {
        let statuses = pod.status.initContainerStatuses + pod.status.containerStatuses + pod.status.ephemeralContainerStatuses
        return statuses.first { $0.name == slot.name }?.restartCount ?? 0
    }
}
