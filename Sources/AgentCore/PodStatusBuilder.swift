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
        let address = podIP(previous).map { [PodIP(ip: $0)] } ?? []
        var status = PodStatus(
            phase: phase, message: message, reason: reason, hostIP: machine.context.nodeIP, podIP: address.first?.ip,
            podIPs: address, startTime: machine.startTime.map(Timestamp.init(unixNanoseconds:)), qosClass: qosClass,
            hostIPs: [PodIP(ip: machine.context.nodeIP)])
        if !refused {
            status.initContainerStatuses = machine.initSlots.map(containerStatus)
            status.containerStatuses = machine.mainSlots.map(containerStatus)
            status.ephemeralContainerStatuses = machine.ephemeralSlots.map(containerStatus)
        }
        status.conditions = conditions(status, previous, now)
        return status
    }

    private func podIP(_ previous: PodStatus) -> String? {
        guard machine.sandboxReady else { return previous.podIP }
        if let address = machine.sandboxAddress { return address }
        // An adopted pod's address stands in its last status.
        let onNodeNetwork = NetworkWish.isHost(machine.pod)
        return onNodeNetwork ? machine.context.nodeIP : previous.podIP
    }

    var cause: TerminationCause? {
        switch machine.state {
        case .sync: nil
        case .terminating(_, let cause), .terminated(_, let cause): cause
        }
    }

    private var refused: Bool {
        if case .rejected = cause { true } else { false }
    }

    // MARK: Phase

    /// Pending until every main container was started once; Running while anything may still run; then Succeeded when all main
    /// containers ended with 0, else Failed. Sidecars and ephemeral containers have no say in the end.
    private func phase() -> PodPhase {
        guard machine.isFinal else { return started ? .running : .pending }
        switch cause {
        case .completed, .deleted, .objectGone: return machine.mainSlots.allSatisfy(\.succeeded) ? .succeeded : .failed
        case .deadlineExceeded, .failed, .evicted, .rejected: return .failed
        case .alreadyFinished, nil: return machine.pod.status.phase ?? .failed
        }
    }

    private var started: Bool {
        // Once said it stays said: a pod never goes back to Pending.
        machine.lastStatus?.phase == .running || machine.mainSlots.allSatisfy(Self.hasRun)
    }

    /// As the API tells it: it is running, or there was a run before.
    private static func hasRun(_ slot: ContainerSlot) -> Bool {
        switch slot.phase {
        case .running, .stopping: slot.postStart != .running || slot.lastTermination != nil
        case .exited, .backingOff: true
        case .waiting, .starting: slot.lastTermination != nil
        }
    }

    private func reasonAndMessage() -> (String?, String?) {
        switch cause {
        case .deadlineExceeded: ("DeadlineExceeded", PodStateMachine.deadlineMessage)
        case .failed(let reason, let message), .evicted(let reason, let message): (reason, message)
        case .rejected(let reason, let message): (reason, "Pod was rejected: " + message)
        case .completed, .deleted, .objectGone, .alreadyFinished, nil: (nil, nil)
        }
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
