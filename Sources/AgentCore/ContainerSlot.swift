// The states of one container of a pod, and what the pod's machine remembers of its runs.
import KubernetesModel

///   waiting --> starting --> running --> exited
///      ^            |         |    |        |
///      |            |      (stop asked)     | restart policy
///      |            v         v    |        v
///      +-------- exited   stopping-+    backingOff --> starting (next attempt)
public enum ContainerSlotPhase: Sendable, Hashable, Codable {
    case waiting
    /// The intent is on record; the runtime was asked.
    case starting
    case running(startedAt: UnixNanoseconds)
    /// Its preStop hook, its turn, or the runtime is waited for.
    case stopping(startedAt: UnixNanoseconds, graceSeconds: Int)
    /// Ended for good, unless the restart policy says otherwise (then it is `backingOff` at once).
    case exited(ContainerTermination)
    case backingOff(ContainerTermination, until: UnixNanoseconds)
}

public enum ContainerKind: String, Sendable, Hashable, CaseIterable {
    /// Runs to its end before the next one in the order.
    case initial
    /// An init container that is always restarted: the next in the order waits for its start only, and it ends after the main ones.
    case sidecar
    case main
    /// Added to a running pod to look into it; started once.
    case ephemeral
}

public enum HookPhase: String, Sendable, Hashable, Codable {
    case running
    case done
}

/// A container that is to end while its pod goes on: a probe or its postStart hook failed, or it is to have another image.
public struct ContainerStop: Sendable, Hashable, Codable {
    var graceSeconds: Int
    var message: String
    /// The next run has another image: the container starts again whatever the policy.
    @DefaultEmpty var isRedefined: Bool
    /// It starts again whatever its exit code: a probe ended it, not itself.
    var restarts: Bool

    init(graceSeconds: Int, message: String, restarts: Bool, isRedefined: Bool = false) {
        self.graceSeconds = graceSeconds
        self.message = message
        self.restarts = restarts
        self.isRedefined = isRedefined
    }
}

/// One container of the pod and its history. Fields that came later read as empty from older records.
public struct ContainerSlot: Sendable, Hashable, Codable {
    public let name: String
    /// In the init order: an init container or a sidecar.
    public let isInit: Bool
    @DefaultEmpty var isSidecar: Bool
    @DefaultEmpty var isEphemeral: Bool
    /// Of the next run, and of the present one unless that must stop for it.
    public internal(set) var image: String
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

    /// It no longer holds up the init order: succeeded, or a sidecar that was started once. Never taken back.
    @DefaultEmpty var hasPassed: Bool
    @DefaultEmpty var imageProgress: ImageProgress

    // MARK: Of the present run

    /// nil: no such hook, or not its time yet.
    var postStart: HookPhase?
    var preStop: HookPhase?
    var mustStop: ContainerStop?
    /// When its grace is over; set while it is `stopping`.
    var stopDeadline: UnixNanoseconds?
    /// The runtime was told to stop it by that time.
    @DefaultEmpty var stopOrdered: Bool
    /// The startup probe, if any, has succeeded.
    @DefaultEmpty var isStarted: Bool
    /// As the readiness probe, if any, last decided.
    @DefaultEmpty var isReady: Bool
    @DefaultEmpty var probes: ProbeStates

    init(name: String, kind: ContainerKind, image: String) {
        self.name = name
        self.image = image
        isInit = kind == .initial || kind == .sidecar
        isSidecar = kind == .sidecar
        isEphemeral = kind == .ephemeral
        hasPassed = false
        imageProgress = ImageProgress()
        stopOrdered = false
        isStarted = false
        isReady = false
        probes = ProbeStates()
    }

    public var kind: ContainerKind {
        if isSidecar { return .sidecar }
        if isEphemeral { return .ephemeral }
        return isInit ? .initial : .main
    }

    public var run: ContainerRun { ContainerRun(name: name, attempt: attempt) }

    /// A process of it may exist.
    public var mayRun: Bool {
        switch phase {
        case .starting, .running, .stopping: true
        case .waiting, .exited, .backingOff: false
        }
    }

    /// When its process started, while there is one.
    var startedAt: UnixNanoseconds? {
        switch phase {
        case .running(let time), .stopping(let time, _): time
        case .waiting, .starting, .exited, .backingOff: nil
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

    /// The next in the init order may start.
    var isPast: Bool { hasPassed || (kind == .initial && succeeded) }

    /// Process alive and, as far as is known, able to serve.
    var serves: Bool { startedAt != nil && postStart != .running && isReady }

    /// After a run of the image before: the next comes at once, and what crashes it had are not held against it.
    mutating func beginAnew(after termination: ContainerTermination, _ now: UnixNanoseconds) {
        // The start counts one.
        backOffCount = -1
        phase = .backingOff(termination, until: now)
    }

    /// Forgets what belongs to one run.
    mutating func resetRun() {
        postStart = nil
        preStop = nil
        mustStop = nil
        stopDeadline = nil
        stopOrdered = false
        isStarted = false
        isReady = false
        probes = ProbeStates()
    }
}
