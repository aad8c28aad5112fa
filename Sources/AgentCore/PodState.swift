// The states of a pod on its node. Those of its containers are in ContainerSlot.

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
    /// The node ended it: short of something, or shutting down.
    case evicted(reason: String, message: String)
    /// The node refused it at the door.
    case rejected(reason: String, message: String)
    /// A former life of the agent saw its end, or the API server says that it is over.
    case alreadyFinished

    /// Who deletes wins over any other cause, so that the end is not delayed by reporting.
    var isDeletion: Bool {
        switch self {
        case .deleted, .objectGone: true
        case .completed, .deadlineExceeded, .failed, .evicted, .rejected, .alreadyFinished: false
        }
    }
}
