// Second half of the machine: what follows from the facts. Level-triggered: it looks at the whole value, not at the input
// that came, so a lost or repeated input cannot leave a pod behind.
import KubernetesModel

extension PodStateMachine {
    /// SIGTERM first, even for a grace of 0 in other causes than deletion: kubelet's minimum.
    static let minimumGraceSeconds = 2
    static let defaultGraceSeconds: Int64 = 30

    mutating func advance(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        if case .sync = state, let cause = reasonToEnd(now) {
            state = .terminating(.stopping, cause)
            if case .deadlineExceeded = cause {
                effects.append(.event(.warning, reason: "DeadlineExceeded", message: Self.deadlineMessage))
            }
        }
        switch state {
        case .sync(let stage): advanceSync(stage, now, &effects)
        case .terminating: advanceTerminating(now, &effects)
        case .terminated: advanceTerminated(now, &effects)
        }
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
        let failedInit = initSlots.contains { slot in
            if case .exited(let termination) = slot.phase { termination.exitCode != 0 } else { false }
        }
        let allEnded = mainSlots.allSatisfy { slot in if case .exited = slot.phase { true } else { false } }
        return failedInit || allEnded ? .completed : nil
    }

    // MARK: sync

    private mutating func advanceSync(_ stage: SyncStage, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
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
        let index: Int?
        if let pending = containers.firstIndex(where: { $0.isInit && !$0.succeeded }) {
            index = isDue(containers[pending], now) ? pending : nil  // I-POD-8
        } else {
            index = containers.firstIndex { !$0.isInit && isDue($0, now) }
        }
        guard let index else { return }
        if case .backingOff(let termination, _) = containers[index].phase {
            containers[index].lastTermination = termination
            containers[index].attempt += 1
            containers[index].backOffCount += 1
        }
        containers[index].phase = .starting
        let run = containers[index].run
        order(.start(run), .createAndStart(run), &effects)
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
            stopContainers(now, &effects)
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

    private mutating func stopContainers(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        let grace = stopGrace
        for index in containers.indices {
            switch containers[index].phase {
            case .running(let startedAt) where now >= containers[index].retryAt:
                containers[index].phase = .stopping(startedAt: startedAt, graceSeconds: grace)
                let message = "Stopping container \(containers[index].name)"
                effects.append(.event(.normal, reason: "Killing", message: message))
                effects.append(.stop(containers[index].run, graceSeconds: grace))
            case .stopping(let startedAt, let given) where given > grace:
                containers[index].phase = .stopping(startedAt: startedAt, graceSeconds: grace)
                effects.append(.stop(containers[index].run, graceSeconds: grace))
            case .waiting, .starting, .running, .stopping, .exited, .backingOff:
                continue
            }
        }
    }

    private var stopGrace: Int {
        // Removed by force: whoever did it counts on the pod being over.
        if objectGone { return min(deletionGrace ?? .max, Self.minimumGraceSeconds) }
        if let deletionGrace { return deletionGrace }
        let own = pod.spec.terminationGracePeriodSeconds ?? Self.defaultGraceSeconds
        return min(max(Self.minimumGraceSeconds, Int(clamping: own)), evictionGrace ?? .max)
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

    // MARK: Reports and timers

    /// Sends the status when it changed. The final one goes out as soon as no container can change any more, before the
    /// clean-up: whoever waits for the pod should not wait for a directory to be deleted.
    mutating func report(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard startTime != nil, !objectGone, !finalStatusSent, !finalStatusDelivered else { return }
        let final = isFinal
        let status = PodStatusBuilder(machine: self).build(now)
        guard status != lastStatus || final || mustReport else { return }
        mustReport = false
        lastStatus = status
        finalStatusSent = final
        effects.append(.patchStatus(status, annotations: final ? usageAnnotation : [:], final: final))
    }

    var isFinal: Bool {
        switch state {
        case .sync, .terminating(.stopping, _): false
        case .terminating(.removingSandbox, _), .terminating(.cleaningVolumes, _), .terminated: true
        }
    }

    mutating func schedule(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard let next = nextTime(now) else {
            timer = nil
            return
        }
        if next != timer { effects.append(.setTimer(next)) }
        timer = next
    }

    private func nextTime(_ now: UnixNanoseconds) -> UnixNanoseconds? {
        var times: [UnixNanoseconds] = []
        switch state {
        case .sync:
            if let deadline { times.append(deadline) }
            times += containers.compactMap { slot in
                switch slot.phase {
                case .waiting: slot.retryAt
                case .backingOff(_, let until): until
                case .starting, .running, .stopping, .exited: nil
                }
            }
        case .terminating:
            times += containers.compactMap { slot in if case .running = slot.phase { slot.retryAt } else { nil } }
        case .terminated:
            break
        }
        if operation == nil { times.append(retryAt) }
        return times.filter { $0 > now }.min()
    }
}
