// What goes into a pod's state machine and what comes out of it.
import KubernetesModel

/// Nanoseconds since 1970-01-01T00:00:00Z. Cores get the time as an argument.
public typealias UnixNanoseconds = Int64

extension UnixNanoseconds {
    public static let nanosecondsPerSecond: Int64 = 1_000_000_000

    func adding(seconds: Int64) -> UnixNanoseconds {
        let (span, tooLong) = seconds.multipliedReportingOverflow(by: Self.nanosecondsPerSecond)
        return tooLong ? .max : addingReportingOverflow(span).overflow ? .max : self + span
    }
}

/// How a container's run ended.
public struct ContainerTermination: Sendable, Hashable, Codable {
    public var exitCode: Int
    public var signal: Int?
    /// Completed, Error, OOMKilled, StartError, ContainerStatusUnknown, ...
    public var reason: String
    public var message: String?
    /// nil when the container never ran.
    public var startedAt: UnixNanoseconds?
    public var finishedAt: UnixNanoseconds
    public var cpuNanoseconds: Int64
    public var peakMemoryBytes: Int64

    public init(
        exitCode: Int, signal: Int? = nil, reason: String, message: String? = nil, startedAt: UnixNanoseconds? = nil,
        finishedAt: UnixNanoseconds, cpuNanoseconds: Int64 = 0, peakMemoryBytes: Int64 = 0
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.reason = reason
        self.message = message
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.cpuNanoseconds = cpuNanoseconds
        self.peakMemoryBytes = peakMemoryBytes
    }

    /// Nobody can say how it ended: Kubernetes' words and exit code for it.
    static func unknown(startedAt: UnixNanoseconds?, now: UnixNanoseconds, _ message: String) -> ContainerTermination {
        ContainerTermination(
            exitCode: 137, reason: "ContainerStatusUnknown", message: message, startedAt: startedAt, finishedAt: now)
    }
}

/// One run of one container of the pod.
public struct ContainerRun: Sendable, Hashable, Codable {
    public var name: String
    /// Counts the restarts, from 0.
    public var attempt: Int

    public init(name: String, attempt: Int) {
        self.name = name
        self.attempt = attempt
    }
}

/// Why a step did not work, and whether the same step may work later.
public struct StepFailure: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// Kubernetes' event reason: FailedMount, FailedCreatePodSandBox, Failed, ...
    public var reason: String
    public var message: String
    public var retriable: Bool

    public init(reason: String, message: String, retriable: Bool) {
        self.reason = reason
        self.message = message
        self.retriable = retriable
    }

    public var description: String { "\(reason): \(message)" }

    /// A container's configuration cannot be made yet: objects that it needs may come at any time, so a kubelet waits without end.
    public static func configuration(_ message: String, retriable: Bool = true) -> StepFailure {
        StepFailure(reason: configurationReason, message: message, retriable: retriable)
    }

    static let configurationReason = "CreateContainerConfigError"

    var isWaitingForConfiguration: Bool { retriable && reason == Self.configurationReason }
}

/// What the runtime says of a container after the agent was restarted.
public enum AdoptedPhase: Sendable, Hashable {
    case created
    case running(startedAt: UnixNanoseconds)
    case exited(ContainerTermination)
    /// It ran, but nobody knows how it ended (the machine was rebooted).
    case unknown(String)
}

public enum PodInput: Sendable, Hashable {
    /// The pod is this node's: begin.
    case added
    /// The object changed.
    case updated(Pod)
    /// Deletion was asked for; may come again with a shorter grace.
    case deletionRequested(graceSeconds: Int)
    /// The API server no longer has the object: nobody waits for a status.
    case objectGone
    /// The node cannot take the pod.
    case rejected(reason: String, message: String)
    /// The node ends a pod that nobody asked to delete: it shuts down, or is out of something.
    /// `graceSeconds` shortens the pod's own grace.
    case evicted(reason: String, message: String, graceSeconds: Int? = nil)
    case volumesReady
    case volumesFailed(StepFailure)
    /// `address`: the pod's own, when it is not on the node's network.
    case sandboxReady(address: String?)
    case sandboxFailed(StepFailure)
    case containerStarted(ContainerRun, at: UnixNanoseconds)
    case containerStartFailed(ContainerRun, StepFailure)
    case containerExited(ContainerRun, ContainerTermination)
    case stopFailed(ContainerRun, message: String)
    /// Answers `createAndStart`, first of two: the image that the run uses, by its digest where it has one.
    case imageResolved(ContainerRun, String)
    /// Answers `createAndStart`: nothing was made, the image has to be pulled first.
    case imageNeeded(ContainerRun)
    /// Answers `pullImage`; `message` for the event.
    case imagePulled(ContainerRun, String, message: String)
    /// Answers `createAndStart` or `pullImage`: no image, for a reason that may pass.
    case imageFailed(ContainerRun, StepFailure)
    /// `failure`: why the hook did not work; nil when it did.
    case hookFinished(ContainerRun, LifecycleHook, failure: String?)
    case probed(ContainerRun, ProbeKind, ProbeOutcome)
    case sandboxRemoved
    case sandboxRemovalFailed(message: String)
    case volumesCleaned
    case volumesCleanFailed(message: String)
    /// The API server has the status that `final` said was the last.
    case finalStatusDelivered
    case objectDeletionFailed(message: String)
    /// A timer of `setTimer` is over, or something that a retry waits for may have changed.
    case tick
    /// The agent came back; what the runtime knows of the pod's containers (by run), after `added` of a former life.
    case adopted([ContainerRun: AdoptedPhase])
    /// The agent came back without any record of a pod whose status says that it had been started.
    case lost
}

public enum PodEventType: String, Sendable, Hashable {
    case normal = "Normal"
    case warning = "Warning"
}

public enum PodEffect: Sendable, Hashable {
    case prepareVolumes
    case runSandbox
    /// With the image that `pulledImage` names, or the one that is there.
    case createAndStart(ContainerRun)
    case pullImage(ContainerRun)
    /// Its answer is not waited for any more.
    case cancelPull(ContainerRun)
    case stop(ContainerRun, graceSeconds: Int)
    /// Answered by `hookFinished` after at most that time.
    case runHook(ContainerRun, LifecycleHook, timeoutSeconds: Int)
    /// Answered by `probed` after at most the probe's timeout.
    case probe(ContainerRun, ProbeKind)
    case removeSandbox
    case cleanVolumes
    /// `final`: the last one of this pod; its delivery is answered by `finalStatusDelivered`.
    case patchStatus(PodStatus, annotations: [String: String], final: Bool)
    case deletePodObject
    /// Send `tick` at that time. Replaces the timer set before.
    case setTimer(UnixNanoseconds)
    /// `container`: the name of the one that it is about; nil: the pod as a whole.
    case event(PodEventType, reason: String, message: String, container: String? = nil)
    /// Nothing is left to do: drop record, logs and machine.
    case forget
}

/// What a pod's machine must know of its node.
public struct PodContext: Sendable, Hashable, Codable {
    /// The pod shares the node's network: its address is the node's.
    public var nodeIP: String
    /// "runp": the scheme of container ids.
    public var runtimeName: String
    /// What the pod's RuntimeClass means on this node, where that is not the class' own name.
    public var handler: String?

    public init(nodeIP: String, runtimeName: String, handler: String? = nil) {
        self.nodeIP = nodeIP
        self.runtimeName = runtimeName
        self.handler = handler
    }
}
