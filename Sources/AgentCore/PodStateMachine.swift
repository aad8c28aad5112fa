// Decides everything about one pod on its node. It knows no clock, disk or process: inputs come with the time, effects go
// out, and whoever carries them out feeds the results back. Its value is the pod's record on disk.
import KubernetesModel

/// Invariants, which the tests check after every input:
///
/// - **I-POD-1** The state never goes back: sync -> terminating -> terminated.
/// - **I-POD-2** A run (container, attempt) that is known to have started or ended is never started again.
/// - **I-POD-3** After the pod began to end, no container is started.
/// - **I-POD-4** The sandbox is removed and volumes are cleaned only when no container may run.
/// - **I-POD-5** Once delivered, the final status is never sent again and never changes.
/// - **I-POD-6** The API object is deleted only when it was asked for, everything is cleaned and the final status delivered.
/// - **I-POD-7** At most one of prepareVolumes, runSandbox, createAndStart, removeSandbox, cleanVolumes, deletePodObject is
///   under way.
/// - **I-POD-8** The next init container starts only after the one before it succeeded; the main ones after all init ones.
public struct PodStateMachine: Sendable, Hashable, Codable {
    /// A step that was ordered and not answered yet.
    enum Operation: Hashable, Codable {
        case prepareVolumes, runSandbox
        case start(ContainerRun)
        case removeSandbox, cleanVolumes, deleteObject
    }

    public internal(set) var pod: Pod
    public let context: PodContext
    public internal(set) var state = PodState.sync(.preparingVolumes)
    /// Init containers in order, then the main ones.
    public internal(set) var containers: [ContainerSlot]
    /// When this node took the pod.
    public internal(set) var startTime: UnixNanoseconds?
    /// Shortest grace asked for so far; nil while nobody wants the pod deleted.
    public internal(set) var deletionGrace: Int?
    /// Grace that the node gives when it ends the pod by itself; nil: the pod's own.
    var evictionGrace: Int?
    public internal(set) var objectGone = false
    public internal(set) var finalStatusDelivered = false
    public internal(set) var sandboxReady = false
    /// The pod's own address; nil on the node's network.
    public internal(set) var sandboxAddress: String?
    var operation: Operation?
    /// Consecutive failures of the step that is tried, and when it may be tried again.
    var stepFailures = 0
    var retryAt: UnixNanoseconds = 0
    /// Why the pod waits, for its containers' status and the timeout's message.
    var waitingMessage: String?
    var lastStatus: PodStatus?
    /// The last status may not have arrived: send it even if nothing changed.
    var mustReport = false
    var finalStatusSent = false
    var timer: UnixNanoseconds?

    /// `pod` as the API server has it. One that already finished is only ever reported and deleted, never run: I-POD-2.
    public init(pod: Pod, context: PodContext) {
        self.pod = pod
        self.context = context
        containers =
            pod.spec.initContainers.map { ContainerSlot(name: $0.name, isInit: true, image: $0.image ?? "") }
            + pod.spec.containers.map { ContainerSlot(name: $0.name, isInit: false, image: $0.image ?? "") }
        if pod.status.phase?.isFinished == true {
            state = .terminated(.settled, .alreadyFinished)
            finalStatusDelivered = true
            lastStatus = pod.status
        }
    }

    /// Takes one input and says what to do. `now` must not run backwards between calls by much: time-outs follow it.
    public mutating func handle(_ input: PodInput, now: UnixNanoseconds) -> [PodEffect] {
        var effects: [PodEffect] = []
        if case .terminated(.gone, _) = state { return effects }
        apply(input, now, &effects)
        advance(now, &effects)
        report(now, &effects)
        schedule(now, &effects)
        return effects
    }

    public var restartPolicy: RestartPolicy { pod.spec.restartPolicy ?? .always }
    var initSlots: [ContainerSlot] { containers.filter(\.isInit) }
    var mainSlots: [ContainerSlot] { containers.filter { !$0.isInit } }
    /// No process of the pod can exist.
    public var isAtRest: Bool { !containers.contains { $0.mayRun } }

    /// The pod ended; only its object (and logs) may be left.
    public var isOver: Bool {
        if case .terminated = state { true } else { false }
    }

    /// The pod ends or has ended.
    public var isEnding: Bool {
        if case .sync = state { false } else { true }
    }

    /// True until the pod's resources on the node are given back.
    public var holdsResources: Bool {
        switch state {
        case .sync: true
        case .terminating(.stopping, _): true
        case .terminating(.removingSandbox, _), .terminating(.cleaningVolumes, _), .terminated: false
        }
    }

    func index(of run: ContainerRun) -> Int? {
        containers.firstIndex { $0.name == run.name && $0.attempt == run.attempt }
    }
}
