// The conditions of a pod's status, in Kubernetes' order and words.
import KubernetesModel

extension PodStatusBuilder {
    /// What is so since before keeps its time.
    func conditions(_ status: PodStatus, _ previous: PodStatus, _ now: UnixNanoseconds) -> [PodCondition] {
        let containersReady = containersReady(status)
        var wanted = [readyToStart(status), initialized(status), ready(containersReady), containersReady]
        wanted.append(PodCondition(type: "PodScheduled", status: .true))
        if let disruption { wanted.append(disruption) }
        return wanted.map { condition in
            let before = previous.conditions.first { $0.type == condition.type }
            var condition = condition
            let changed = before?.status != condition.status
            condition.lastTransitionTime = changed ? Timestamp(unixNanoseconds: now) : before?.lastTransitionTime
            return condition
        }
    }

    private func readyToStart(_ status: PodStatus) -> PodCondition {
        let isReady = machine.sandboxReady && status.phase?.isFinished != true
        return PodCondition(type: "PodReadyToStartContainers", status: isReady ? .true : .false)
    }

    private func initialized(_ status: PodStatus) -> PodCondition {
        if status.phase == .succeeded { return PodCondition(type: "Initialized", status: .true, reason: "PodCompleted") }
        let waiting = machine.initSlots.filter { !$0.isPast }.map(\.name)
        return incomplete("Initialized", waiting, "ContainersNotInitialized", "incomplete")
    }

    /// Main containers and sidecars that are not ready, by name; a finished pod says so instead.
    private func containersReady(_ status: PodStatus) -> PodCondition {
        let type = "ContainersReady"
        switch status.phase {
        case .succeeded: return PodCondition(type: type, status: .false, reason: "PodCompleted")
        case .failed: return PodCondition(type: type, status: .false, reason: "PodFailed")
        case .pending, .running, .unknown, nil: break
        }
        let serving = machine.containers.filter { $0.kind == .main || $0.kind == .sidecar }
        return incomplete(type, serving.filter { !$0.serves }.map(\.name), "ContainersNotReady", "unready")
    }

    /// Ready is ContainersReady and every readiness gate.
    private func ready(_ containers: PodCondition) -> PodCondition {
        var ready = containers
        ready.type = "Ready"
        guard ready.status == .true else { return ready }
        let unmet = machine.pod.spec.readinessGates.compactMap { gate -> String? in
            let type = gate.conditionType
            guard let found = machine.gates.first(where: { $0.type == type }) else {
                return "corresponding condition of pod readiness gate \"\(type)\" does not exist."
            }
            guard found.status != .true else { return nil }
            return "the status of pod readiness gate \"\(type)\" is not \"True\", but \(found.status.rawValue)"
        }
        if unmet.isEmpty { return ready }
        return PodCondition(
            type: "Ready", status: .false, reason: "ReadinessGatesNotReady", message: unmet.joined(separator: ", "))
    }

    /// Whoever counts failures must know that this one was not the pod's own.
    private var disruption: PodCondition? {
        guard case .evicted(_, let message) = cause else { return nil }
        return PodCondition(type: "DisruptionTarget", status: .true, reason: "TerminationByKubelet", message: message)
    }

    private func incomplete(_ type: String, _ names: [String], _ reason: String, _ adjective: String) -> PodCondition {
        if names.isEmpty { return PodCondition(type: type, status: .true) }
        let message = "containers with \(adjective) status: [\(names.joined(separator: " "))]"
        return PodCondition(type: type, status: .false, reason: reason, message: message)
    }
}
