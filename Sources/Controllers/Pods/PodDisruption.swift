// How a pod is told that something else than itself ends it: the condition DisruptionTarget
// (kubernetes.io/docs/concepts/workloads/pods/disruptions), written before the pod is deleted.
import JSON
import KubernetesClient
import KubernetesModel

extension KubernetesAPI {
    /// Writes the condition, and with it the members of `status`, over this incarnation of the pod only. Throws a conflict when it
    /// is another by now, notFound when it is gone.
    func announceDisruption(
        of pod: PodView, reason: String, message: String, at now: Timestamp, status more: JSONValue = [:]
    ) async throws {
        var conditions = try pod.whole().status.conditions.filter { $0.type != "DisruptionTarget" }
        conditions.append(
            PodCondition(type: "DisruptionTarget", status: .true, reason: reason, message: message, lastTransitionTime: now))
        var status = more
        status["conditions"] = try JSON.encodeToValue(conditions)
        try await patchStatus(
            Pod.self, namespace: pod.namespace, name: pod.name, merge: ["metadata": ["uid": .string(pod.uid)], "status": status])
    }
}
