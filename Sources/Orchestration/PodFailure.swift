// Why a pod failed, in words that a user can act on: which container, how it ended, and which limit it broke.
import KubernetesModel
import KusciaModel

public struct PodFailure: Sendable, Hashable {
    public var namespace: String
    public var pod: String
    /// "OOMKilled", "Error", "PortConflict", ...
    public var reason: String
    public var exitCode: Int?
    /// When it failed, by its node's clock; nil when nobody knows.
    public var finishedAt: Timestamp?
    public var text: String
    /// It ended while it was being deleted.
    public var wasStopped = false

    /// nil when the pod has not failed. Kuscia counts some waiting reasons as failure: nothing will come of waiting.
    public init?(_ pod: Pod) {
        namespace = pod.metadata.namespace ?? ""
        self.pod = pod.metadata.name
        if pod.status.phase == .failed {
            (reason, exitCode, finishedAt, text) = Self.readEnd(of: pod)
            wasStopped = pod.metadata.deletionTimestamp != nil
        } else if let (stuck, why) = Self.hopelessWait(pod) {
            let last = stuck.lastState.terminated
            reason = why
            exitCode = last?.exitCode
            finishedAt = last?.finishedAt ?? pod.status.startTime
            text = "container \(stuck.name) cannot start: \(why)"
            if let last { text += " after exit code \(last.exitCode)" }
            if let message = stuck.state.waiting?.message, !message.isEmpty { text += ": \(message)" }
        } else {
            return nil
        }
    }

    /// From what a task's status remembers of a pod that is gone; nil when that pod had not failed.
    init?(remembered status: KusciaPodStatus) {
        guard status.podPhase == .failed else { return nil }
        namespace = status.namespace ?? ""
        pod = status.podName ?? ""
        reason = status.reason ?? "Failed"
        exitCode = status.exitCode
        finishedAt = status.finishTime
        text = status.message ?? "failed"
    }

    private static func readEnd(of pod: Pod) -> (reason: String, exitCode: Int?, finishedAt: Timestamp?, text: String) {
        let bad = pod.status.initContainerStatuses + pod.status.containerStatuses
        let ended = bad.compactMap { status in status.state.terminated.map { (status.name, $0) } }.filter { $0.1.exitCode != 0 }
        let first = ended.min { ($0.1.finishedAt?.unixSeconds ?? .max) < ($1.1.finishedAt?.unixSeconds ?? .max) }
        guard let (name, end) = first else {
            let text = [pod.status.reason, pod.status.message].compactMap(\.self).joined(separator: ": ")
            return (pod.status.reason ?? "Failed", nil, refusedAt(pod), text.isEmpty ? "failed without a word" : text)
        }
        return (pod.status.reason ?? end.reason ?? "Error", end.exitCode, end.finishedAt, describe(name, end, pod))
    }

    /// A pod of which no container ever ran was refused by its node: it failed when it came there. What ended a pod that
    /// ran (its node was lost, say) happened nobody knows when.
    private static func refusedAt(_ pod: Pod) -> Timestamp? {
        let statuses = pod.status.initContainerStatuses + pod.status.containerStatuses
        guard statuses.allSatisfy({ $0.state.running == nil && $0.state.terminated == nil }) else { return nil }
        return pod.status.startTime ?? pod.metadata.creationTimestamp
    }

    private static func describe(_ name: String, _ end: ContainerStateTerminated, _ pod: Pod) -> String {
        var text = "container \(name) ended with exit code \(end.exitCode)"
        if let signal = end.signal, signal != 0 { text += " (signal \(signal))" }
        switch end.reason {
        case "OOMKilled":
            let limit = pod.spec.containers.first { $0.name == name }?.resources.limits["memory"]
            text += ", OOMKilled: it exceeded its memory limit\(limit.map { " of \($0.text)" } ?? "")"
        case let other?: text += ", \(other)"
        case nil: break
        }
        if let message = end.message ?? pod.status.message, !message.isEmpty { text += ": \(message)" }
        return text
    }

    private static func hopelessWait(_ pod: Pod) -> (container: ContainerStatus, reason: String)? {
        for status in pod.status.initContainerStatuses + pod.status.containerStatuses {
            guard let waiting = status.state.waiting, let reason = waiting.reason else { continue }
            if hopeless.contains(reason) || (reason == "ErrImagePull" && status.restartCount > 3) {
                return (status, reason)
            }
        }
        return nil
    }

    /// Kuscia's list, and refusals that no other pull will change.
    private static let hopeless: Set<String> = [
        "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "InvalidImageName", "ErrImageNeverPull",
        "ImageInspectError", "RegistryUnavailable", "ImageIDMismatch", "SignatureValidationFailed", "PreStartHookError",
        "PostStartHookError",
    ]
}
