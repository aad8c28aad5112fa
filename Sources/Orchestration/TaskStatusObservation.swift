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
        for pod in pods { podStatuses[pod.namespacedName] = KusciaPodStatus(observing: pod) }
        for service in services where serviceStatuses[service.namespacedName] == nil {
            serviceStatuses[service.namespacedName] = KusciaServiceStatus(
                serviceName: service.metadata.name, namespace: service.metadata.namespace,
                portName: service.spec.ports.first?.name,
                portNumber: service.spec.ports.first?.port, createTime: now)
        }
    }
}

extension KusciaTaskStatus {
    /// Of a task that has ended: pods that were seen unfinished and are gone were stopped; none may look as if it ran on.
    mutating func closePodStatuses(present pods: [Pod]) {
        let names = Set(pods.map(\.namespacedName))
        for (name, seen) in podStatuses where seen.podPhase?.isFinished != true && !names.contains(name) {
            podStatuses[name]?.podPhase = .failed
            podStatuses[name]?.reason = "Stopped"
            podStatuses[name]?.message = "stopped, because the task had ended"
        }
    }
}

extension KusciaPodStatus {
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
        }
        // Evidence only: what cannot be read is left out rather than failing the task.
        usage = pod.metadata.annotations[KusciaAnnotation.usage].flatMap { try? JSON.decode(PodUsage.self, from: Array($0.utf8)) }
    }
}
