// Which pods nobody will ever end: on nodes that are gone, being deleted without a node, or finished and too many. Pure.
import KubernetesModel

enum PodGarbage {
    /// Finished pods that are kept for whoever wants to look (terminated-pod-gc-threshold).
    static let finishedKept = 12_500
    /// A node that is gone may come back under its name within this.
    static let nodeQuarantine = Duration.seconds(40)

    /// Why a pod is under the eye of the collector; an index of the pods by this finds them without a search.
    enum Watch: String, Sendable, Hashable { case finished, unscheduledTerminating }

    static func watch(_ pod: PodView) -> Watch? {
        if pod.isFinished { return .finished }
        return pod.isDeleting && pod.nodeName == nil ? .unscheduledTerminating : nil
    }

    enum Verdict: Sendable, Hashable {
        case keep
        /// Its node is gone: say so in the status, then remove it.
        case orphaned
        case remove
    }

    static func verdict(_ pod: PodView, nodeExists: Bool) -> Verdict {
        switch watch(pod) {
        case .unscheduledTerminating: .remove
        // As in Kubernetes; a task's pod is its task's to remove. Also: one that was failed here, whose removal then failed.
        case .finished: pod.nodeName != nil && !nodeExists && !pod.isTask ? .remove : .keep
        case nil: pod.nodeName != nil && !nodeExists ? .orphaned : .keep
        }
    }

    /// The finished pods beyond `kept`, oldest first; those that are being deleted count, but are not named again.
    static func surplus(_ finished: [PodView], kept: Int = finishedKept) -> [PodView] {
        guard finished.count > kept else { return [] }
        let ordered = finished.sorted { left, right in
            let one = left.creation?.unixSeconds ?? 0
            let other = right.creation?.unixSeconds ?? 0
            return one == other ? left.namespacedName < right.namespacedName : one < other
        }
        return ordered.prefix(finished.count - kept).filter { !$0.isDeleting }
    }
}
