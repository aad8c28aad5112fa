// A copy's status as the status of the pod that it is a copy of; and the statuses of pods that have no copy, or have it no more.
import KubernetesModel

/// A copy in the target namespace, read for what its end and its mirror depend on.
struct ClusterCopy: Sendable, Hashable {
    var pod: Pod

    init(_ pod: Pod) { self.pod = pod }

    var uid: String { pod.metadata.uid ?? "" }
    var isFinished: Bool { pod.status.phase?.isFinished == true }
    /// nil: nobody asked for its end.
    var deletionGrace: Int64? {
        pod.metadata.deletionTimestamp.map { _ in
            pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30
        }
    }
    var isHeld: Bool { pod.metadata.finalizers.contains(ClusterMark.finalizer) }

    /// Nothing of it runs or ever will. A pod that is being deleted has ended when its node says so of each container; one that never
    /// came to a node, or whose containers never began, when its grace is over.
    /// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
    var hasEnded: Bool {
        if isFinished { return true }
        guard let grace = deletionGrace else { return false }
        if (pod.spec.nodeName ?? "").isEmpty { return true }
        let statuses = pod.status.containerStatuses
        if statuses.contains(where: { $0.state.running != nil }) { return false }
        if !statuses.isEmpty, statuses.allSatisfy({ $0.state.terminated != nil }) { return true }
        return grace == 0
    }
}

struct ClusterStatus {
    /// What Kuscia says of a pod that the cluster would not take.
    static let refusedExitCode = 125

    let pod: Pod
    let now: Timestamp

    /// The scheduler of the cluster that the pod comes from has bound it: that condition stays its own.
    private static let scheduled = "PodScheduled"

    func mirrored(_ copy: ClusterCopy) -> PodStatus {
        var status = copy.pod.status
        let scheduling = status.conditions.first { $0.type == Self.scheduled && $0.status == .false }
        status.conditions.removeAll { $0.type == Self.scheduled }
        status.nominatedNodeName = nil
        if let scheduling, status.phase == .pending || status.phase == nil {
            // Nobody looks for the reason in a condition that says True here.
            status.reason = scheduling.reason ?? "Unschedulable"
            status.message = scheduling.message.map { "in the cluster: \($0)" }
            status.containerStatuses = waiting(status.reason ?? "", status.message)
        }
        if copy.hasEnded, !copy.isFinished { end(&status, copy) }
        if status.phase == nil { status.phase = .pending }
        return status
    }

    /// Deleted before its node gave it a final phase.
    private func end(_ status: inout PodStatus, _ copy: ClusterCopy) {
        let disruption = copy.pod.status.conditions.first { $0.type == "DisruptionTarget" && $0.status == .true }
        let codes = status.containerStatuses.compactMap(\.state.terminated?.exitCode)
        let isDone = codes.count == pod.spec.containers.count && codes.allSatisfy { $0 == 0 } && pod.spec.restartPolicy != .always
        status.phase = isDone ? .succeeded : .failed
        if isDone { return }
        status.reason = status.reason ?? disruption?.reason ?? "ClusterPodDeleted"
        status.message = status.message ?? disruption?.message ?? "the pod was deleted in the cluster"
        if status.containerStatuses.isEmpty {
            status.containerStatuses = terminated(137, status.reason ?? "", "the pod was deleted in the cluster before it began")
        }
    }

    /// It had a copy, and has none: someone took the copy away whole.
    func lost(_ reported: PodStatus) -> PodStatus {
        var status = reported
        status.phase = .failed
        status.reason = "ClusterPodLost"
        status.message = "the cluster has the pod no more, and nobody saw it end; it is not started again"
        status.containerStatuses = status.containerStatuses.map { container in
            guard container.state.terminated == nil else { return container }
            var container = container
            container.ready = false
            container.started = false
            container.state = ContainerState(
                terminated: ContainerStateTerminated(
                    exitCode: 137, reason: "ContainerStatusUnknown", message: "the container could not be located in the cluster",
                    startedAt: container.state.running?.startedAt, finishedAt: now))
            return container
        }
        if status.containerStatuses.isEmpty {
            status.containerStatuses = terminated(137, "ContainerStatusUnknown", status.message)
        }
        return unready(status)
    }

    func refused(_ refusal: ClusterRefusal) -> PodStatus {
        var status = PodStatus(phase: .failed, message: refusal.message, reason: refusal.reason, startTime: now)
        status.containerStatuses = terminated(Self.refusedExitCode, refusal.reason, refusal.message)
        return unready(status)
    }

    /// Not in the cluster yet, and why.
    func pending(_ reason: String, _ message: String) -> PodStatus {
        PodStatus(
            phase: .pending, message: message, reason: reason, containerStatuses: waiting(reason, message))
    }

    private func unready(_ status: PodStatus) -> PodStatus {
        var status = status
        let others = status.conditions.filter { $0.type != "Ready" && $0.type != "ContainersReady" && $0.type != Self.scheduled }
        status.conditions =
            others
            + ["Ready", "ContainersReady"].map {
                PodCondition(type: $0, status: .false, reason: "PodFailed", lastTransitionTime: now)
            }
        return status
    }

    private func waiting(_ reason: String, _ message: String?) -> [ContainerStatus] {
        pod.spec.containers.map { container in
            ContainerStatus(
                name: container.name, state: ContainerState(waiting: ContainerStateWaiting(reason: reason, message: message)),
                image: container.image ?? "")
        }
    }

    private func terminated(_ code: Int, _ reason: String, _ message: String?) -> [ContainerStatus] {
        pod.spec.containers.map { container in
            ContainerStatus(
                name: container.name,
                state: ContainerState(
                    terminated: ContainerStateTerminated(
                        exitCode: code, reason: reason, message: message, startedAt: now, finishedAt: now)),
                image: container.image ?? "", started: false)
        }
    }
}
