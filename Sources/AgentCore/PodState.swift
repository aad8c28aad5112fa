// The states of a pod on its node, and of each of its containers.

///     added                 deleted, deadline, rejected, failed for good, all containers ended
///       |                        |
///       v                        v
///   sync(preparingVolumes) --> terminating(stopping)
///       |                        |  every container ended: the final status goes out
///       v                        v
///   sync(startingSandbox)  --> terminating(removingSandbox)
///       |                        |
///       v                        v
///   sync(running)          --> terminating(cleaningVolumes)
///                                |
///                                v
///                              terminated(reporting)  the API server does not have the final status yet
///                                |
///                                v
///                              terminated(settled)    the object stays until somebody deletes it
///                                |  deletion asked for
///                                v
///                              terminated(deletingObject) --> terminated(gone)
///
/// There is no way back to the left: I-POD-1.
public enum PodState: Sendable, Hashable, Codable {
    case sync(SyncStage)
    case terminating(TerminatingStage, TerminationCause)
    case terminated(TerminatedStage, TerminationCause)
}

public enum SyncStage: Sendable, Hashable, Codable {
    case preparingVolumes
    case startingSandbox
    /// Init containers in order, then all the others; restarts too.
    case running
}

public enum TerminatingStage: Sendable, Hashable, Codable {
    case stopping
    case removingSandbox
    case cleaningVolumes
}

public enum TerminatedStage: Sendable, Hashable, Codable {
    case reporting
    case settled
    case deletingObject
    case gone
}

/// Why a pod ended.
public enum TerminationCause: Sendable, Hashable, Codable {
    /// Its containers ended and none is to be restarted.
    case completed
    case deleted
    case objectGone
    case deadlineExceeded
    /// It never got as far as containers: volumes, sandbox.
    case failed(reason: String, message: String)
    /// The node refused it at the door.
    case rejected(reason: String, message: String)
    /// A former life of the agent saw its end, or the API server says that it is over.
    case alreadyFinished

    /// Who deletes wins over any other cause, so that the end is not delayed by reporting.
    var isDeletion: Bool {
        switch self {
        case .deleted, .objectGone: true
        case .completed, .deadlineExceeded, .failed, .rejected, .alreadyFinished: false
        }
    }
}

///   waiting --> starting --> running --> exited
///      ^            |           |          |
///      |            |       (stop asked)   | restart policy
///      |            v           v          v
///      +-------- exited     stopping   backingOff --> starting (next attempt)
public enum ContainerSlotPhase: Sendable, Hashable, Codable {
    case waiting
    /// The intent is on record; the runtime was asked.
    case starting
    case running(startedAt: UnixNanoseconds)
    case stopping(startedAt: UnixNanoseconds, graceSeconds: Int)
    /// Ended for good, unless the restart policy says otherwise (then it is `backingOff` at once).
    case exited(ContainerTermination)
    case backingOff(ContainerTermination, until: UnixNanoseconds)
}

/// One container of the pod and its history.
public struct ContainerSlot: Sendable, Hashable, Codable {
    public let name: String
    public let isInit: Bool
    public let image: String
    /// Attempt of the run that `phase` tells of; equals the restart count.
    public internal(set) var attempt = 0
    public internal(set) var phase = ContainerSlotPhase.waiting
    /// How the run before this one ended.
    public internal(set) var lastTermination: ContainerTermination?
    /// Restarts since it last ran long enough.
    var backOffCount = 0
    /// Attempts to start this run that failed for a reason that may pass.
    var startFailures = 0
    /// Not before this time is a failed start tried again.
    var retryAt: UnixNanoseconds = 0
    /// Why it waits, when that is not plain "ContainerCreating".
    var waitingReason: String?
    var waitingMessage: String?
    /// Sum over its runs.
    var cpuNanoseconds: Int64 = 0
    /// Largest of its runs.
    var peakMemoryBytes: Int64 = 0

    init(name: String, isInit: Bool, image: String) {
        self.name = name
        self.isInit = isInit
        self.image = image
    }

    public var run: ContainerRun { ContainerRun(name: name, attempt: attempt) }

    /// A process of it may exist.
    public var mayRun: Bool {
        switch phase {
        case .starting, .running, .stopping: true
        case .waiting, .exited, .backingOff: false
        }
    }

    var wasStarted: Bool {
        switch phase {
        case .waiting: lastTermination != nil || attempt > 0
        case .starting, .running, .stopping, .exited, .backingOff: true
        }
    }

    /// The end of its last run, if it is not running now.
    public var termination: ContainerTermination? {
        switch phase {
        case .exited(let termination), .backingOff(let termination, _): termination
        case .waiting, .starting, .running, .stopping: nil
        }
    }

    var succeeded: Bool {
        if case .exited(let termination) = phase { termination.exitCode == 0 } else { false }
    }
}
