// The status of one container: what it does now, how its run before ended, whether it serves.
import KubernetesModel

extension PodStatusBuilder {
    func containerStatus(_ slot: ContainerSlot) -> ContainerStatus {
        let hasProcess = slot.startedAt != nil && slot.postStart != .running
        let hasID = slot.wasStarted && slot.phase != .waiting
        return ContainerStatus(
            name: slot.name, state: state(of: slot),
            lastState: ContainerState(terminated: slot.lastEnded.map { terminated($0.termination, $0.run) }),
            ready: isReady(slot), restartCount: slot.attempt, image: slot.image,
            imageID: slot.imageProgress.id ?? (slot.wasStarted ? slot.image : ""),
            containerID: hasID ? containerID(slot.run) : nil, started: slot.isEphemeral ? nil : hasProcess && slot.isStarted)
    }

    /// A finished init container counts as ready, as in Kubernetes; an ephemeral one never does.
    private func isReady(_ slot: ContainerSlot) -> Bool {
        switch slot.kind {
        case .initial: slot.succeeded
        case .main, .sidecar: slot.serves
        case .ephemeral: false
        }
    }

    /// Until its postStart hook is done, a container counts as being created.
    private func state(of slot: ContainerSlot) -> ContainerState {
        switch slot.phase {
        case .waiting where isMissing(slot), .starting where isMissing(slot):
            ContainerState(terminated: Self.missing)
        case .waiting, .starting:
            ContainerState(waiting: waiting(slot))
        case .running where slot.postStart == .running:
            ContainerState(waiting: waiting(slot))
        case .running(let startedAt), .stopping(let startedAt, _):
            ContainerState(running: .init(startedAt: Timestamp(unixNanoseconds: startedAt)))
        case .exited(let termination):
            ContainerState(terminated: terminated(termination, slot.run))
        case .backingOff(let termination, let until):
            ContainerState(waiting: backOff(slot, termination, until))
        }
    }

    /// A pod is over that was past its init order, and this main container never ran: not to be taken for a success.
    private func isMissing(_ slot: ContainerSlot) -> Bool {
        switch cause {
        case .completed, .deleted, .objectGone, .deadlineExceeded, .evicted: break
        case .failed, .rejected, .alreadyFinished, nil: return false
        }
        return machine.isFinal && slot.kind == .main && machine.initSlots.allSatisfy(\.isPast)
    }

    private static let missing = ContainerStateTerminated(
        exitCode: 137, reason: "ContainerStatusUnknown", message: "The container could not be located when the pod was terminated"
    )

    private func waiting(_ slot: ContainerSlot) -> ContainerStateWaiting {
        // As the kubelet: of a pod with init containers each waits so, those too; kubectl then counts them ("Init:0/2").
        return ContainerStateWaiting(
            reason: slot.waitingReason ?? (machine.initSlots.isEmpty ? "ContainerCreating" : "PodInitializing"),
            message: slot.waitingMessage ?? machine.waitingMessage)
    }

    private func backOff(_ slot: ContainerSlot, _ termination: ContainerTermination, _ until: UnixNanoseconds)
        -> ContainerStateWaiting
    {
        let seconds = (until - termination.finishedAt) / .nanosecondsPerSecond
        let metadata = machine.pod.metadata
        let pod = "\(metadata.name)_\(metadata.namespace ?? "")(\(metadata.uid ?? ""))"
        return ContainerStateWaiting(
            reason: "CrashLoopBackOff", message: "back-off \(seconds)s restarting failed container=\(slot.name) pod=\(pod)")
    }

    private func terminated(_ termination: ContainerTermination, _ run: ContainerRun) -> ContainerStateTerminated {
        ContainerStateTerminated(
            exitCode: termination.exitCode, signal: termination.signal, reason: termination.reason, message: termination.message,
            startedAt: termination.startedAt.map(Timestamp.init(unixNanoseconds:)),
            finishedAt: Timestamp(unixNanoseconds: termination.finishedAt), containerID: containerID(run))
    }

    private func containerID(_ run: ContainerRun) -> String {
        "\(machine.context.runtimeName)://\(machine.pod.metadata.uid ?? "")_\(run.name)_\(run.attempt)"
    }
}
