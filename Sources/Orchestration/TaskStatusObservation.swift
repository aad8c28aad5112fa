// How pods and conditions are written into a task's status.
import JSON
import KubernetesModel
import KusciaModel

extension KusciaTaskStatus {
    /// Sets a condition; its transition time moves only when its status does.
    mutating func setCondition(
        _ type: String, _ value: ConditionStatus, reason: String? = nil, message: String? = nil, now: Timestamp
    ) {
        var condition = KusciaCondition(
            type: type, status: value, reason: reason, message: message, lastUpdateTime: now, lastTransitionTime: now)
        guard let index = conditions.firstIndex(where: { $0.type == type }) else { return conditions.append(condition) }
        let old = conditions[index]
        if old.status == value && old.reason == reason && old.message == message { return }
        if old.status == value { condition.lastTransitionTime = old.lastTransitionTime }
        conditions[index] = condition
    }

    func isTrue(_ type: String) -> Bool { conditions.contains { $0.type == type && $0.status == .true } }

    /// Takes over what the pods report. Pods that are gone keep their last entry.
    mutating func observe(_ pods: [Pod], services: [Service], now: Timestamp) {
        for pod in pods {
            let name = pod.namespacedName
            let cutShort = podStatuses[name]?.isDeleted == true || phase?.isFinished != true && wasCutShort(pod)
            var seen = KusciaPodStatus(observing: pod)
            if cutShort, seen.podPhase == .succeeded {
                seen.podPhase = .failed
                seen.reason = KusciaPodStatus.deleted
                seen.message = KusciaPodStatus.deletedText
            }
            podStatuses[name] = seen
        }
        for service in services where serviceStatuses[service.namespacedName] == nil {
            serviceStatuses[service.namespacedName] = KusciaServiceStatus(
                serviceName: service.metadata.name, namespace: service.metadata.namespace,
                portName: service.spec.ports.first?.name,
                portNumber: service.spec.ports.first?.port, createTime: now)
        }
    }
}

extension KusciaTaskStatus {
    /// Whether a pod's good end came of its deletion: somebody deleted it while it ran, and it ended as it was told to. A program
    /// that exits with 0 when it is terminated has not done its work.
    func wasCutShort(_ pod: Pod) -> Bool {
        guard pod.status.phase == .succeeded, let deletion = pod.metadata.deletionTimestamp else { return false }
        if let seen = podStatuses[pod.namespacedName] {
            if seen.podPhase == .succeeded { return false }
            if seen.isDeleted { return true }
        }
        // The deletion was asked for one grace period before its time. Times have whole seconds; within one, it was first.
        let asked = deletion.adding(seconds: -max(0, pod.metadata.deletionGracePeriodSeconds ?? 0))
        let end = pod.status.containerStatuses.compactMap(\.state.terminated?.finishedAt).max()
        return end.map { $0 >= asked } ?? true
    }

    mutating func fail(_ reason: String, _ message: String, now: Timestamp) {
        phase = .failed
        self.reason = reason
        self.message = message
        completionTime = completionTime ?? now
        setCondition("Success", .false, reason: reason, message: message, now: now)
    }

    /// Of a task that has ended: parties that had not are stopped, and none may look as if it ran on.
    mutating func closeParties() {
        for (index, party) in partyTaskStatus.enumerated() where party.phase?.isFinished != true {
            partyTaskStatus[index].phase = .failed
            partyTaskStatus[index].message = Self.stoppedText
        }
    }

    private static let stoppedText = "stopped, because the task had ended"

    /// Of a task that has ended: pods that were seen unfinished and are gone were stopped; none may look as if it ran on.
    mutating func closePodStatuses(present pods: [Pod]) {
        let names = Set(pods.map(\.namespacedName))
        for (name, seen) in podStatuses where seen.podPhase?.isFinished != true && !names.contains(name) {
            podStatuses[name]?.podPhase = .failed
            podStatuses[name]?.reason = "Stopped"
            podStatuses[name]?.message = Self.stoppedText
        }
    }
}

extension KusciaPodStatus {
    /// Reason and message of a pod that somebody deleted while its task needed it.
    static let deleted = "PodDeleted"
    static let deletedText = "deleted before it finished"

    var isDeleted: Bool { podPhase == .failed && reason == Self.deleted }

    init(observing pod: Pod) {
        self.init()
        podName = pod.metadata.name
        namespace = pod.metadata.namespace
        podPhase = pod.status.phase ?? .pending
        nodeName = pod.spec.nodeName
        reason = pod.status.reason
        message = pod.status.message
        createTime = pod.metadata.creationTimestamp
        scheduleTime = pod.status.conditions.first { $0.type == "PodScheduled" && $0.status == .true }?.lastTransitionTime
        startTime = pod.status.startTime
        readyTime = pod.status.conditions.first { $0.type == "Ready" && $0.status == .true }?.lastTransitionTime
        let ended = pod.status.containerStatuses.compactMap(\.state.terminated)
        finishTime = ended.compactMap(\.finishedAt).max()
        exitCode = (ended.first { $0.exitCode != 0 } ?? ended.first)?.exitCode
        terminationLog = ended.lazy.compactMap(\.message).first
        if let failure = PodFailure(pod) {
            reason = failure.reason
            message = failure.text
        } else if let wait = PodWait(pod) {
            reason = wait.reason
            message = wait.text
        }
        // Evidence only: what cannot be read is left out rather than failing the task.
        usage = pod.metadata.annotations[KusciaAnnotation.usage].flatMap { try? JSON.decode(PodUsage.self, from: Array($0.utf8)) }
    }
}
