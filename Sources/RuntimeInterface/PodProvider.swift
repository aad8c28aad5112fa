// The contract between the Agent and whatever keeps whole pods alive, in virtual-kubelet's sense: LocalPods (over a
// ContainerRuntime on this machine) or another cluster.
import KubernetesModel

/// Runs the pods that are bound to this node.
public protocol PodProvider: Sendable {
    /// Takes up, from its own records, what a former life of the agent left running. Once, before any other verb; does not
    /// need the API server.
    func adopt() async throws

    /// The complete list of the node's pods as the API server has it, once after `adopt`: what is here and not in it ends.
    func reconcile(_ pods: [Pod]) async

    /// The pod is new or changed; `deletionTimestamp` set asks for its end. Repeating it changes nothing.
    func sync(_ pod: Pod) async

    /// The API server has no pod of that name any more: end what is left of it.
    func remove(namespace: String, name: String) async

    /// Ends every pod with its grace and reports how; returns when none runs any more.
    func drain() async

    /// Lets go without touching the pods: they run on, a later `adopt` finds them.
    func close() async

    /// Where a container's log lies; container "" means the only one. nil: no such pod or container.
    func log(namespace: String, pod: String, container: String, previous: Bool) async -> ContainerLog?
}

public enum ContainerLog: Sendable {
    case file(ContainerLogFile)
    /// The container has none so far, or not that run's; why, for the user.
    case absent(String)
}

public struct ContainerLogFile: Sendable {
    /// Absolute; CRI format.
    public var path: String
    /// True when no more will be written.
    public var ended: @Sendable () async -> Bool

    public init(path: String, ended: @escaping @Sendable () async -> Bool) {
        self.path = path
        self.ended = ended
    }
}

/// One report about a pod for the API server.
public struct PodReport: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var uid: String
    public var status: PodStatus
    public var annotations: [String: String]
    /// No other will follow.
    public var final: Bool

    public init(
        namespace: String, name: String, uid: String, status: PodStatus, annotations: [String: String] = [:], final: Bool
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.status = status
        self.annotations = annotations
        self.final = final
    }
}

public enum PodReportOutcome: Sendable, Hashable {
    case delivered
    /// The API server has no pod of that uid.
    case gone
    /// Not now, and not by trying again soon.
    case failed(String)
}

/// How a provider tells the API server. Calls return at once; delivery is retried while the server is away.
public protocol PodReporter: Sendable {
    /// Replaces an earlier report of the same pod that is still waiting. `done` is called once for a final report.
    func report(_ report: PodReport, done: @escaping @Sendable (PodReportOutcome) -> Void)
    /// Deletes the object for good (grace 0) if it still is the one of that uid.
    func deleteObject(namespace: String, name: String, uid: String, done: @escaping @Sendable (PodReportOutcome) -> Void)
    /// `warning` or normal; `reason` in one word. `container`: the name of the one that it is about; nil: the pod as a whole.
    func event(pod: Pod, container: String?, warning: Bool, reason: String, message: String)
}

extension PodReporter {
    public func event(pod: Pod, warning: Bool, reason: String, message: String) {
        event(pod: pod, container: nil, warning: warning, reason: reason, message: message)
    }
}
