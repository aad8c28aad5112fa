// First half of the machine: what each input changes in the facts. What follows from the facts is in +Advance.
import KubernetesModel
import KusciaModel

extension PodStateMachine {
    mutating func apply(_ input: PodInput, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        switch input {
        case .added:
            begin(now)
        case .updated(let newer):
            take(newer, now, &effects)
        case .deletionRequested(let grace):
            deletionGrace = min(deletionGrace ?? .max, max(0, grace))
        case .objectGone:
            objectGone = true
            if operation == .deleteObject { operation = nil }
        case .rejected(let reason, let message):
            reject(reason, message, now, &effects)
        case .evicted(let reason, let message, let graceSeconds):
            guard case .sync = state else { return }
            evictionGrace = graceSeconds
            begin(now)
            effects.append(.event(.warning, reason: reason, message: message))
            state = .terminating(.stopping, .evicted(reason: reason, message: message))
        case .volumesReady, .volumesFailed, .sandboxReady, .sandboxFailed:
            applySetup(input, now, &effects)
        case .containerStarted, .containerStartFailed, .containerExited, .stopFailed:
            applyContainer(input, now, &effects)
        case .imageResolved, .imageNeeded, .imagePulled, .imageFailed:
            applyImage(input, now, &effects)
        case .hookFinished(let run, let hook, let failure):
            hookFinished(run, hook, failure, now, &effects)
        case .probed(let run, let kind, let outcome):
            probed(run, kind, outcome, now, &effects)
        case .sandboxRemoved, .sandboxRemovalFailed, .volumesCleaned, .volumesCleanFailed:
            applyCleanup(input, now, &effects)
        case .finalStatusDelivered:
            finalStatusDelivered = finalStatusDelivered || finalStatusSent
        case .objectDeletionFailed:
            guard operation == .deleteObject else { return }
            operation = nil
            delayStep(now)
        case .tick:
            return
        case .adopted(let found):
            adopt(found, now, &effects)
        case .lost:
            guard case .sync(.preparingVolumes) = state, operation == nil else { return }
            declareLost(now)
        }
    }

    /// An agent that was here before may have told the start: deadline and age count from there.
    mutating func begin(_ now: UnixNanoseconds) {
        guard startTime == nil else { return }
        let told = pod.status.startTime.map { UnixNanoseconds(0).adding(seconds: $0.unixSeconds) }
        startTime = max(0, min(told ?? now, now))
    }

    /// Only what may change in a running pod's object is taken: the containers are those that were admitted, but for their images.
    private mutating func take(_ newer: Pod, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        var taken = pod
        taken.metadata = newer.metadata
        // Changes with every status report; keeping it would write the record again for nothing.
        taken.metadata.resourceVersion = nil
        taken.spec.activeDeadlineSeconds = newer.spec.activeDeadlineSeconds
        // What is the same stays the same object: its text is known.
        if taken.metadata != pod.metadata || taken.spec.activeDeadlineSeconds != pod.spec.activeDeadlineSeconds { pod = taken }
        gates = Self.gates(of: newer)
        takeImages(of: newer.spec, now, &effects)
        takeEphemeral(newer.spec.ephemeralContainers)
    }

    /// They are only ever added (the API server sees to it), to a pod that goes on.
    private mutating func takeEphemeral(_ newer: [Container]) {
        guard !newer.isEmpty, case .sync = state else { return }
        for container in newer where !containers.contains(where: { $0.name == container.name }) {
            pod.spec.ephemeralContainers.append(container)
            containers.append(ContainerSlot(name: container.name, kind: .ephemeral, image: container.image ?? ""))
        }
    }

    private mutating func reject(_ reason: String, _ message: String, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard case .sync(.preparingVolumes) = state, operation == nil else { return }
        begin(now)
        effects.append(.event(.warning, reason: reason, message: message))
        state = .terminated(.reporting, .rejected(reason: reason, message: message))
    }

    mutating func delayStep(_ now: UnixNanoseconds) {
        stepFailures += 1
        retryAt = now + StepBackOff.delay(failures: stepFailures)
    }

    private mutating func stepSucceeded() {
        operation = nil
        stepFailures = 0
        retryAt = 0
        waitingMessage = nil
    }

    // MARK: Setup

    private mutating func applySetup(_ input: PodInput, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        switch (input, operation) {
        case (.volumesReady, .prepareVolumes):
            stepSucceeded()
            if case .sync(.preparingVolumes) = state { state = .sync(.startingSandbox) }
        case (.sandboxReady(let address), .runSandbox):
            stepSucceeded()
            sandboxReady = true
            sandboxAddress = address
            if case .sync(.startingSandbox) = state { state = .sync(.running) }
        case (.volumesFailed(let failure), .prepareVolumes):
            let waited = now - (startTime ?? now)
            let isTask = pod.metadata.labels[KusciaLabel.taskID] != nil
            let patient = !isTask || waited < StepBackOff.longestTaskVolumeWaitSeconds * .nanosecondsPerSecond
            setupFailed(failure, again: failure.retriable && patient, now, &effects)
        case (.sandboxFailed(let failure), .runSandbox):
            let again = failure.retriable && stepFailures + 1 < StepBackOff.maximumStartFailures
            setupFailed(failure, again: again, now, &effects)
        default:
            return  // The answer to a step that nobody waits for any more.
        }
    }

    private mutating func setupFailed(_ failure: StepFailure, again: Bool, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        operation = nil
        // The same sentence once is enough for people; the retries go on silently.
        if waitingMessage != failure.message || !again {
            effects.append(.event(.warning, reason: failure.reason, message: failure.message))
        }
        waitingMessage = failure.message
        delayStep(now)
        guard !again, case .sync = state else { return }
        state = .terminating(.stopping, .failed(reason: failure.reason, message: failure.message))
    }

    // MARK: Containers

    private mutating func applyContainer(_ input: PodInput, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        switch input {
        case .containerStarted(let run, let startedAt):
            if operation == .start(run) { operation = nil }
            guard let index = index(of: run), case .starting = containers[index].phase else { return }
            effects.append(.event(.normal, reason: "Started", message: "Started container \(run.name)", container: run.name))
            (containers[index].waitingReason, containers[index].waitingMessage) = (nil, nil)
            began(index, at: startedAt, &effects)
        case .containerStartFailed(let run, let failure):
            if operation == .start(run) { operation = nil }
            guard let index = index(of: run), case .starting = containers[index].phase else { return }
            announce(failure, containers[index], &effects)
            startFailed(index, failure, now)
        case .containerExited(let run, let termination):
            if operation == .start(run) { operation = nil }
            guard let index = index(of: run), containers[index].mayRun else { return }
            // Over before anybody saw it run.
            if case .starting = containers[index].phase {
                if termination.reason == "StartError" {
                    let message = "Error: \(termination.message ?? "cannot be started")"
                    effects.append(.event(.warning, reason: "Failed", message: message, container: run.name))
                } else if termination.startedAt != nil {
                    effects.append(
                        .event(.normal, reason: "Started", message: "Started container \(run.name)", container: run.name))
                }
            }
            ended(index, termination, now, &effects)
        case .stopFailed(let run, let message):
            guard let index = index(of: run), case .stopping(let startedAt, _) = containers[index].phase else { return }
            effects.append(.event(.warning, reason: "FailedKillPod", message: message))
            containers[index].phase = .running(startedAt: startedAt)
            containers[index].stopOrdered = false
            containers[index].retryAt = now + StepBackOff.longestNanoseconds
        default:
            return
        }
    }

    /// Kubernetes calls the event of a configuration that cannot be made "Failed"; the wait may be long, and once says it.
    private func announce(_ failure: StepFailure, _ slot: ContainerSlot, _ effects: inout [PodEffect]) {
        guard failure.isWaitingForConfiguration else {
            effects.append(.event(.warning, reason: failure.reason, message: failure.message, container: slot.name))
            return
        }
        guard slot.waitingMessage != failure.message else { return }
        effects.append(.event(.warning, reason: "Failed", message: "Error: \(failure.message)", container: slot.name))
    }

    private mutating func startFailed(_ index: Int, _ failure: StepFailure, _ now: UnixNanoseconds) {
        containers[index].startFailures += 1
        let failures = containers[index].startFailures
        let isPatient = failure.isWaitingForConfiguration || failures < StepBackOff.maximumStartFailures
        if failure.retriable, isPatient, case .sync = state {
            containers[index].phase = .waiting
            containers[index].waitingReason = failure.reason
            containers[index].waitingMessage = failure.message
            containers[index].retryAt = now + StepBackOff.delay(failures: failures)
            return
        }
        // StartError and 128 are what a kubelet reports when the container could not be started.
        let termination = ContainerTermination(exitCode: 128, reason: "StartError", message: failure.message, finishedAt: now)
        settle(index, termination, now)
    }

    private mutating func ended(
        _ index: Int, _ termination: ContainerTermination, _ now: UnixNanoseconds, _ effects: inout [PodEffect]
    ) {
        containers[index].cpuNanoseconds += termination.cpuNanoseconds
        containers[index].peakMemoryBytes = max(containers[index].peakMemoryBytes, termination.peakMemoryBytes)
        if termination.reason == "OOMKilled" {
            let message = "Container \(containers[index].name) exceeded its memory limit"
            effects.append(.event(.warning, reason: "OOMKilling", message: message, container: containers[index].name))
        }
        settle(index, termination, now)
        guard case .backingOff(_, let until) = containers[index].phase, until > now else { return }
        let message = "Back-off restarting failed container \(containers[index].name)"
        effects.append(.event(.warning, reason: "BackOff", message: message, container: containers[index].name))
    }

    private mutating func settle(_ index: Int, _ termination: ContainerTermination, _ now: UnixNanoseconds) {
        var slot = containers[index]
        let (forced, isRedefined) = (slot.mustStop?.restarts ?? false, slot.mustStop?.isRedefined ?? false)
        slot.waitingReason = nil
        slot.waitingMessage = nil
        slot.startFailures = 0
        slot.retryAt = 0
        slot.resetRun()
        slot.phase = .exited(termination)
        slot.hasPassed = slot.isPast
        defer { containers[index] = slot }
        guard case .sync = state else { return }
        if RestartDecision.forgives(termination) { slot.backOffCount = 0 }
        // Another program: whatever the policy says of this one's end, and however often it crashed.
        if isRedefined { return slot.beginAnew(after: termination, now) }
        let decision = RestartDecision.decide(
            policy: restartPolicy, kind: slot.kind, forced: forced, termination: termination,
            crashesBefore: slot.backOffCount, now: now)
        if case .at(let time) = decision { slot.phase = .backingOff(termination, until: time) }
    }

    // MARK: Clean-up

    private mutating func applyCleanup(_ input: PodInput, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        switch (input, operation, state) {
        case (.sandboxRemoved, .removeSandbox, .terminating(.removingSandbox, let cause)):
            stepSucceeded()
            sandboxReady = false
            state = .terminating(.cleaningVolumes, cause)
        case (.volumesCleaned, .cleanVolumes, .terminating(.cleaningVolumes, let cause)):
            stepSucceeded()
            state = .terminated(.reporting, cause)
        case (.sandboxRemovalFailed(let message), .removeSandbox, _), (.volumesCleanFailed(let message), .cleanVolumes, _):
            operation = nil
            if stepFailures == 0 { effects.append(.event(.warning, reason: "FailedKillPod", message: message)) }
            delayStep(now)
        default:
            return
        }
    }
}
