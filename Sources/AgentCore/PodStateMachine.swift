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
/// - **I-POD-7** At most one of prepareVolumes, runSandbox, pullImage, createAndStart, removeSandbox, cleanVolumes, deletePodObject
///   is under way.
/// - **I-POD-8** The next in the init order starts only after the one before it succeeded or, a sidecar, was started; the main
///   containers after all of them.
/// - **I-POD-9** The phase never goes back (Pending, Running, Succeeded or Failed), nor does a restart count; a container that is
///   told as ready has a process and passed its probes, a pod that is told as Ready has only such.
/// - **I-POD-10** While a pod ends, a sidecar is told to stop only when the main containers and later sidecars have ended, or its
///   grace is over.
/// - **I-POD-11** Hooks and probes are for a run whose process is known to have started; at most one of a kind at a time.
/// - **I-POD-12** A restart follows the policy (never an ephemeral container, never more than the policy grants) or a changed image,
///   counts one, and keeps the back-off.
/// - **I-POD-13** A container's preStop hook is ordered at most once in an agent's life, before the runtime is told to stop it.
/// - **I-POD-14** Nothing is started once the deadline is over.
/// - **I-POD-15** An image is pulled only while the pod goes on, and a pull that is under way when the pod begins to end is given up.
public struct PodStateMachine: Sendable, Hashable, Codable {
    /// A step that was ordered and not answered yet.
    enum Operation: Hashable, Codable {
        case prepareVolumes, runSandbox
        case pull(ContainerRun)
        case start(ContainerRun)
        case removeSandbox, cleanVolumes, deleteObject
    }

    @SharedValue public internal(set) var pod: Pod
    public let context: PodContext
    /// Container -> paths of the node's devices that are its own as long as the pod `holdsResources`.
    @DefaultEmpty public private(set) var devices: [String: [String]]
    public internal(set) var state = PodState.sync(.preparingVolumes)
    /// Init containers in order, then the main ones, then the ephemeral ones as they come.
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
    @DefaultEmpty var timer: ArmedTimer
    /// Conditions of readiness gates, which others set.
    @DefaultEmpty var gates: [PodCondition]

    /// `pod` as the API server has it. One that already finished is only ever reported and deleted, never run: I-POD-2.
    public init(pod: Pod, context: PodContext, devices: [String: [String]] = [:]) {
        _pod = SharedValue(wrappedValue: pod)
        self.context = context
        self.devices = devices
        containers = Self.slots(of: pod)
        gates = Self.gates(of: pod)
        timer = ArmedTimer()
        if pod.status.phase?.isFinished == true {
            state = .terminated(.settled, .alreadyFinished)
            finalStatusDelivered = true
            lastStatus = pod.status
        }
    }

    private static func slots(of pod: Pod) -> [ContainerSlot] {
        let initial = pod.spec.initContainers.map { container in
            let kind: ContainerKind = container.restartPolicy == "Always" ? .sidecar : .initial
            return ContainerSlot(name: container.name, kind: kind, image: container.image ?? "")
        }
        let main = pod.spec.containers.map { ContainerSlot(name: $0.name, kind: .main, image: $0.image ?? "") }
        let ephemeral = pod.spec.ephemeralContainers.map { ContainerSlot(name: $0.name, kind: .ephemeral, image: $0.image ?? "") }
        return initial + main + ephemeral
    }

    static func gates(of pod: Pod) -> [PodCondition] {
        let types = pod.spec.readinessGates.map(\.conditionType)
        return types.isEmpty ? [] : pod.status.conditions.filter { types.contains($0.type) }
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
    /// Init containers and sidecars, in order.
    var initSlots: [ContainerSlot] { containers.filter(\.isInit) }
    var mainSlots: [ContainerSlot] { containers.filter { $0.kind == .main } }
    var ephemeralSlots: [ContainerSlot] { containers.filter(\.isEphemeral) }
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

    /// It ended by itself, so nobody waits for what it holds to be removed.
    public var hasEndedByItself: Bool {
        guard deletionGrace == nil, !objectGone else { return false }
        switch state {
        case .terminating(_, .completed), .terminated(_, .completed): return true
        case .sync, .terminating, .terminated: return false
        }
    }

    /// True until the pod's resources on the node are given back.
    public var holdsResources: Bool {
        switch state {
        case .sync: true
        case .terminating(.stopping, _): true
        case .terminating(.removingSandbox, _), .terminating(.cleaningVolumes, _), .terminated: false
        }
    }

    /// The container as the pod's object has it.
    public func spec(of name: String) -> Container? {
        pod.spec.containers.first { $0.name == name } ?? pod.spec.initContainers.first { $0.name == name }
            ?? pod.spec.ephemeralContainers.first { $0.name == name }
    }

    func index(of run: ContainerRun) -> Int? {
        containers.firstIndex { $0.name == run.name && $0.attempt == run.attempt }
    }
}
