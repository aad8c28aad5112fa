// Why a pod that has not started waits, in the words of whoever keeps it waiting: the scheduler, or its node.
import KubernetesModel
import KusciaModel

struct PodWait: Sendable, Hashable {
    /// "Unschedulable", "ErrImagePull", ...
    var reason: String
    var text: String

    /// nil when the pod waits for nothing, or for what every pod waits for.
    init?(_ pod: Pod) {
        guard pod.status.phase?.isFinished != true else { return nil }
        if pod.spec.nodeName == nil {
            guard let said = pod.status.conditions.first(where: { $0.type == "PodScheduled" && $0.status == .false }),
                let message = said.message
            else { return nil }
            self.init(reason: said.reason ?? "Unschedulable", text: message)
            return
        }
        for status in pod.status.initContainerStatuses + pod.status.containerStatuses {
            guard let waiting = status.state.waiting, let reason = waiting.reason else { continue }
            if Self.ordinary.contains(reason) { continue }
            let message = waiting.message.flatMap { $0.isEmpty ? nil : ": \($0)" } ?? ""
            self.init(reason: reason, text: "container \(status.name) waits: \(reason)\(message)")
            return
        }
        return nil
    }

    private init(reason: String, text: String) {
        self.reason = reason
        self.text = text
    }

    /// It has no cause of its own: it waits for another pod of its gang, and that one's is the cause to tell.
    var isForOthers: Bool { reason == Kuscia.waitsForPodGroup }

    /// The way of every pod to its start.
    private static let ordinary: Set<String> = ["ContainerCreating", "PodInitializing"]

    /// What keeps a task: a pod's own cause before one that only waits for others, else the first pod's.
    static func cause(among pods: [Pod]) -> String? {
        let waits = pods.compactMap { pod in PodWait(pod).map { (pod, $0) } }
        return (waits.first { !$0.1.isForOthers } ?? waits.first).map { "pod \($0.0.namespacedName): \($0.1.text)" }
    }
}
