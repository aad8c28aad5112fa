// A pod's status exactly as Kubernetes defines it, from the machine's facts.
import JSON
import KubernetesModel
import KusciaModel

extension Timestamp {
    /// Status times have whole seconds.
    init(unixNanoseconds: UnixNanoseconds) { self.init(unixSeconds: unixNanoseconds / .nanosecondsPerSecond) }
}

struct PodStatusBuilder {
    let machine: PodStateMachine

    func build(_ now: UnixNanoseconds) -> PodStatus {
        let phase = phase()
        let (reason, message) = reasonAndMessage()
        let previous = machine.lastStatus ?? machine.pod.status
        return PodStatus(
            phase: phase,
            conditions: conditions(phase, previous, now),
            message: message,
            reason: reason,
            hostIP: machine.context.nodeIP,
            podIP: podIP(previous),
            podIPs: podIP(previous).map { [PodIP(ip: $0)] } ?? [],
            startTime: machine.startTime.map(Timestamp.init(unixNanoseconds:)),
            initContainerStatuses: refused ? [] : machine.initSlots.map(containerStatus),
            containerStatuses: refused ? [] : machine.mainSlots.map(containerStatus),
            qosClass: qosClass)
    }

    private func podIP(_ previous: PodStatus) -> String? {
        guard machine.sandboxReady else { return previous.podIP }
        if let address = machine.sandboxAddress { return address }
        // An adopted pod's address stands in its last status.
        let onNodeNetwork = NetworkWish.isHost(machine.pod)
        return onNodeNetwork ? machine.context.nodeIP : previous.podIP
    }

    private var cause: TerminationCause? {
        switch machine.state {
        case .sync: nil
        case .terminating(_, let cause), .terminated(_, let cause): cause
        }
    }

    private var refused: Bool {
        if case .rejected = cause { true } else { false }
    }

    // MARK: Phase

    /// Pending until every init container succeeded and a main one started; Running while anything may still run; then
    /// Succeeded when all main containers ended with 0, else Failed.
    private func phase() -> PodPhase {
        guard machine.isFinal else { return started ? .running : .pending }
        switch cause {
        case .completed, .deleted, .objectGone: return machine.mainSlots.allSatisfy(\.succeeded) ? .succeeded : .failed
        case .deadlineExceeded, .failed, .rejected: return .failed
        case .alreadyFinished, nil: return machine.pod.status.phase ?? .failed
        }
    }

    private var started: Bool {
        machine.mainSlots.contains { slot in
            switch slot.phase {
            case .running, .stopping, .exited, .backingOff: true
            case .waiting, .starting: slot.lastTermination != nil
            }
        }
    }

    private func reasonAndMessage() -> (String?, String?) {
        switch cause {
        case .deadlineExceeded: ("DeadlineExceeded", PodStateMachine.deadlineMessage)
        case .failed(let reason, let message): (reason, message)
        case .rejected(let reason, let message): (reason, "Pod was rejected: " + message)
        case .completed, .deleted, .objectGone, .alreadyFinished, nil: (nil, nil)
        }
    }

    // MARK: Conditions

    private func conditions(_ phase: PodPhase, _ previous: PodStatus, _ now: UnixNanoseconds) -> [PodCondition] {
        let over = phase.isFinished ? (phase == .succeeded ? "PodCompleted" : "PodFailed") : nil
        let waitingInit = machine.initSlots.filter { !$0.succeeded }.map(\.name)
        let unready = machine.mainSlots.filter { !isReady($0) }.map(\.name)
        var wanted = [
            PodCondition(type: "PodReadyToStartContainers", status: machine.sandboxReady && !phase.isFinished ? .true : .false)
        ]
        wanted.append(
            incomplete("Initialized", waitingInit, over == "PodCompleted" ? over : nil, "ContainersNotInitialized", "incomplete"))
        for type in ["Ready", "ContainersReady"] {
            wanted.append(incomplete(type, unready, over, "ContainersNotReady", "unready"))
        }
        wanted.append(PodCondition(type: "PodScheduled", status: .true))
        return wanted.map { condition in
            let before = previous.conditions.first { $0.type == condition.type }
            var condition = condition
            let changed = before?.status != condition.status
            condition.lastTransitionTime = changed ? Timestamp(unixNanoseconds: now) : before?.lastTransitionTime
            return condition
        }
    }

    private func incomplete(
        _ type: String, _ names: [String], _ over: String?, _ reason: String, _ adjective: String
    ) -> PodCondition {
        if names.isEmpty { return PodCondition(type: type, status: .true) }
        if let over { return PodCondition(type: type, status: .false, reason: over) }
        let message = "containers with \(adjective) status: [\(names.joined(separator: " "))]"
        return PodCondition(type: type, status: .false, reason: reason, message: message)
    }

    private func isReady(_ slot: ContainerSlot) -> Bool {
        switch slot.phase {
        case .running: true
        case .stopping, .waiting, .starting, .exited, .backingOff: false
        }
    }

    // MARK: Containers

    private func containerStatus(_ slot: ContainerSlot) -> ContainerStatus {
        let running = isReady(slot)
        let id = slot.wasStarted && slot.phase != .waiting ? containerID(slot.run) : nil
        return ContainerStatus(
            name: slot.name, state: state(of: slot),
            lastState: ContainerState(terminated: lastTermination(of: slot).map { terminated($0.0, $0.1) }),
            // A finished init container counts as ready, as in Kubernetes.
            ready: slot.isInit ? slot.succeeded : running,
            restartCount: slot.attempt, image: slot.image, imageID: slot.image, containerID: id, started: running)
    }

    private func lastTermination(of slot: ContainerSlot) -> (ContainerTermination, ContainerRun)? {
        if case .backingOff(let termination, _) = slot.phase { return (termination, slot.run) }
        return slot.lastTermination.map { ($0, ContainerRun(name: slot.name, attempt: max(0, slot.attempt - 1))) }
    }

    private func state(of slot: ContainerSlot) -> ContainerState {
        switch slot.phase {
        case .waiting, .starting:
            ContainerState(waiting: waiting(slot))
        case .running(let startedAt), .stopping(let startedAt, _):
            ContainerState(running: .init(startedAt: Timestamp(unixNanoseconds: startedAt)))
        case .exited(let termination):
            ContainerState(terminated: terminated(termination, slot.run))
        case .backingOff(let termination, let until):
            ContainerState(waiting: backOff(slot, termination, until))
        }
    }

    private func waiting(_ slot: ContainerSlot) -> ContainerStateWaiting {
        let initPending = !slot.isInit && machine.initSlots.contains { !$0.succeeded }
        return ContainerStateWaiting(
            reason: slot.waitingReason ?? (initPending ? "PodInitializing" : "ContainerCreating"),
            message: slot.waitingMessage ?? machine.waitingMessage)
    }

    private func backOff(_ slot: ContainerSlot, _ termination: ContainerTermination, _ until: UnixNanoseconds)
        -> ContainerStateWaiting
    {
        let seconds = (until - termination.finishedAt) / .nanosecondsPerSecond
        return ContainerStateWaiting(
            reason: "CrashLoopBackOff", message: "back-off \(seconds)s restarting failed container=\(slot.name)")
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

    // MARK: Quality of service

    private var qosClass: String {
        let spec = machine.pod.spec
        let all = (spec.initContainers + spec.containers).map(\.resources)
        if all.allSatisfy({ $0.limits.isEmpty && $0.requests.isEmpty }) { return "BestEffort" }
        let guaranteed = all.allSatisfy { resources in
            ["cpu", "memory"].allSatisfy { name in
                guard let limit = resources.limits[name] else { return false }
                return (resources.requests[name] ?? limit) == limit
            }
        }
        return guaranteed ? "Guaranteed" : "Burstable"
    }
}

extension PodStateMachine {
    /// What each container used, summed over its runs: evidence for the task's report.
    var usageAnnotation: [String: String] {
        let measured = containers.filter { $0.cpuNanoseconds > 0 || $0.peakMemoryBytes > 0 }
        guard !measured.isEmpty else { return [:] }
        let entries = measured.map { slot -> (String, JSONValue) in
            // Milliseconds are the finest that means something; more digits would only make the annotation longer.
            let seconds = Double(slot.cpuNanoseconds / 1_000_000) / 1000
            return (slot.name, ["cpuSeconds": .double(seconds), "peakMemoryBytes": .int(slot.peakMemoryBytes)])
        }
        let usage: JSONValue = ["containers": .object(JSONObject(entries))]
        return [KusciaAnnotation.usage: usage.serializedString()]
    }
}
