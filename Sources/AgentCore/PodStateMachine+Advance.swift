// Second half of the machine: what follows from the facts. Level-triggered: it looks at the whole value, not at the input
// that came, so a lost or repeated input cannot leave a pod behind.
import KubernetesModel

extension PodStateMachine {
    mutating func advance(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        if case .sync = state, let cause = reasonToEnd(now) {
            state = .terminating(.stopping, cause)
            if case .deadlineExceeded = cause {
                effects.append(.event(.warning, reason: "DeadlineExceeded", message: Self.deadlineMessage))
            }
        }
        switch state {
        case .sync(let stage): advanceSync(stage, now, &effects)
        case .terminating:
            abandonPull(&effects)
            advanceTerminating(now, &effects)
        case .terminated:
            abandonPull(&effects)
            advanceTerminated(now, &effects)
        }
        advanceProbes(now, &effects)
    }

    static let deadlineMessage = "Pod was active on the node longer than the specified deadline"

    var deadline: UnixNanoseconds? {
        guard let startTime, let seconds = pod.spec.activeDeadlineSeconds else { return nil }
        return startTime.adding(seconds: seconds)
    }

    private func reasonToEnd(_ now: UnixNanoseconds) -> TerminationCause? {
        if objectGone { return .objectGone }
        if deletionGrace != nil { return .deleted }
        if let deadline, now >= deadline { return .deadlineExceeded }
        let failedInit = containers.contains { slot in
            guard slot.kind == .initial, case .exited(let termination) = slot.phase else { return false }
            return termination.exitCode != 0
        }
        let allEnded = mainSlots.allSatisfy { slot in if case .exited = slot.phase { true } else { false } }
        return failedInit || allEnded ? .completed : nil
    }

    // MARK: sync

    private mutating func advanceSync(_ stage: SyncStage, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        if case .running = stage {
            advanceStops(now, &effects)
            advanceImages(now, &effects)
        }
        guard startTime != nil, operation == nil, now >= retryAt else { return }
        switch stage {
        case .preparingVolumes: order(.prepareVolumes, .prepareVolumes, &effects)
        case .startingSandbox: order(.runSandbox, .runSandbox, &effects)
        case .running: startNext(now, &effects)
        }
    }

    private mutating func order(_ step: Operation, _ effect: PodEffect, _ effects: inout [PodEffect]) {
        operation = step
        effects.append(effect)
    }

    private mutating func startNext(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        // As a kubelet, one container after the other, each with its postStart hook done.
        guard !containers.contains(where: { $0.postStart == .running && $0.startedAt != nil }) else { return }
        guard let index = nextToStart(now) else { return }
        if containers[index].imageProgress.isMissing { return orderPull(index, &effects) }
        if case .backingOff(let termination, _) = containers[index].phase {
            containers[index].lastTermination = termination
            containers[index].attempt += 1
            containers[index].imageProgress.pulled = nil
            containers[index].backOffCount += 1
        }
        containers[index].resetRun()
        containers[index].phase = .starting
        let run = containers[index].run
        order(.start(run), .createAndStart(run), &effects)
    }

    /// Whoever looks into the pod first, then the init order up to the first that is not past (I-POD-8), then the main ones.
    private func nextToStart(_ now: UnixNanoseconds) -> Int? {
        if let index = containers.firstIndex(where: { $0.isEphemeral && isDue($0, now) }) { return index }
        for index in containers.indices where containers[index].isInit {
            if !containers[index].isPast { return isDue(containers[index], now) ? index : nil }
            if containers[index].isSidecar, isDue(containers[index], now) { return index }
        }
        return containers.firstIndex { $0.kind == .main && isDue($0, now) }
    }

    private func isDue(_ slot: ContainerSlot, _ now: UnixNanoseconds) -> Bool {
        switch slot.phase {
        case .waiting: now >= slot.retryAt
        case .backingOff(_, let until): now >= until
        case .starting, .running, .stopping, .exited: false
        }
    }

    // MARK: terminating

    private mutating func advanceTerminating(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard case .terminating(let stage, let cause) = state else { return }
        switch stage {
        case .stopping:
            beginStops(now, &effects)
            advanceStops(now, &effects)
            // A step under way may still bring a container or a mount to life: wait for its answer first.
            guard operation == nil, isAtRest else { return }
            giveUpBackOff()
            (stepFailures, retryAt) = (0, 0)
            state = .terminating(.removingSandbox, cause)
            order(.removeSandbox, .removeSandbox, &effects)
        case .removingSandbox:
            guard operation == nil, now >= retryAt else { return }
            order(.removeSandbox, .removeSandbox, &effects)
        case .cleaningVolumes:
            guard operation == nil, now >= retryAt else { return }
            order(.cleanVolumes, .cleanVolumes, &effects)
        }
    }

    private mutating func giveUpBackOff() {
        for index in containers.indices {
            if case .backingOff(let termination, _) = containers[index].phase { containers[index].phase = .exited(termination) }
        }
    }

    // MARK: terminated

    private mutating func advanceTerminated(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard case .terminated(let stage, let cause) = state else { return }
        if objectGone {
            state = .terminated(.gone, cause)
            effects.append(.forget)
            return
        }
        switch stage {
        case .reporting:
            guard finalStatusDelivered else { return }
            state = .terminated(.settled, cause)
            advanceTerminated(now, &effects)
        case .settled:
            guard deletionGrace != nil else { return }
            (stepFailures, retryAt) = (0, 0)
            state = .terminated(.deletingObject, cause)
            order(.deleteObject, .deletePodObject, &effects)  // I-POD-6
        case .deletingObject:
            guard operation == nil, now >= retryAt else { return }
            order(.deleteObject, .deletePodObject, &effects)
        case .gone:
            return
        }
    }
}
