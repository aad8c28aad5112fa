// Why a pod failed, in words that a user can act on: which container, how it ended, and which limit it broke.
import KubernetesModel
import KusciaModel

public struct PodFailure: Sendable, Hashable {
    public var namespace: String
    public var pod: String
    /// "OOMKilled", "Error", "PortConflict", ...
    public var reason: String
    public var exitCode: Int?
    public var finishedAt: Timestamp?
    public var text: String

    /// nil when the pod has not failed. Kuscia counts some waiting reasons as failure: nothing will come of waiting.
    public init?(_ pod: Pod) {
        namespace = pod.metadata.namespace ?? ""
        self.pod = pod.metadata.name
        if pod.status.phase == .failed {
            (reason, exitCode, finishedAt, text) = Self.readEnd(of: pod)
        } else if let stuck = Self.hopelessWait(pod) {
            reason = stuck.reason
            text = "container \(stuck.container) cannot start: \(stuck.reason)\(stuck.message.map { ": \($0)" } ?? "")"
        } else {
            return nil
        }
    }

    private static func readEnd(of pod: Pod) -> (reason: String, exitCode: Int?, finishedAt: Timestamp?, text: String) {
        let bad = pod.status.initContainerStatuses + pod.status.containerStatuses
        let ended = bad.compactMap { status in status.state.terminated.map { (status.name, $0) } }.filter { $0.1.exitCode != 0 }
        let first = ended.min { ($0.1.finishedAt?.unixSeconds ?? .max) < ($1.1.finishedAt?.unixSeconds ?? .max) }
        guard let (name, end) = first else {
            let text = [pod.status.reason, pod.status.message].compactMap(\.self).joined(separator: ": ")
            return (pod.status.reason ?? "Failed", nil, nil, text)
        }
        return (pod.status.reason ?? end.reason ?? "Error", end.exitCode, end.finishedAt, describe(name, end, pod))
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

    private static func hopelessWait(_ pod: Pod) -> (container: String, reason: String, message: String?)? {
        for status in pod.status.initContainerStatuses + pod.status.containerStatuses {
            guard let waiting = status.state.waiting, let reason = waiting.reason else { continue }
            if hopeless.contains(reason) || (reason == "ErrImagePull" && status.restartCount > 3) {
                return (status.name, reason, waiting.message)
            }
        }
        return nil
    }

    /// Kuscia's list.
    private static let hopeless: Set<String> = [
        "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "InvalidImageName", "ErrImageNeverPull",
        "ImageInspectError", "RegistryUnavailable", "PreStartHookError", "PostStartHookError",
    ]
}
