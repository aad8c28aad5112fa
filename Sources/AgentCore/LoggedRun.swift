// Which run of a container `kubectl logs` shows: the present one, or the last that there was; else why there is none, in the words that
// users know from a kubelet.
import KubernetesModel

public enum LoggedRun: Sendable, Hashable {
    case run(ContainerRun)
    case none(String)
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
        if previous { return slot.lastEnded.map { .run($0.run) } ?? .none("previous terminated \(what) not found") }
        switch slot.phase {
        case .running, .stopping, .exited: return .run(slot.run)
        case .waiting, .starting, .backingOff: break
        }
        if let last = slot.lastEnded { return .run(last.run) }
        let builder = PodStatusBuilder(machine: self)
        if case .rejected = builder.cause { return .none("\(what) is not available") }
        guard let waiting = builder.containerStatus(slot).state.waiting else { return .none("\(what) is terminated") }
        let reason =
            switch waiting.reason {
            case "ErrImagePull": "image can't be pulled"
            case Self.pullBackOffReason: "trying and failing to pull image"
            default: waiting.reason ?? ""
            }
        return .none("\(what) is waiting to start: \(reason)")
    }
}
