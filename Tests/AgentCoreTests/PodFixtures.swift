// Pods for the tests, and a way to drive a machine by hand.
import KubernetesModel

@testable import AgentCore

let second: Int64 = 1_000_000_000
let epoch: UnixNanoseconds = 1_800_000_000 * second

func makePod(
    containers: [String] = ["main"], initContainers: [String] = [], restartPolicy: RestartPolicy = .never,
    deadline: Int64? = nil, grace: Int64? = nil, limits: [String: Quantity] = [:]
) -> Pod {
    func container(_ name: String) -> Container {
        Container(name: name, image: "psi:1", resources: ResourceRequirements(limits: limits))
    }
    return Pod(
        metadata: ObjectMeta(name: "task-0", namespace: "alice", uid: "uid-1", labels: ["app": "psi"]),
        spec: PodSpec(
            initContainers: initContainers.map(container), containers: containers.map(container), restartPolicy: restartPolicy,
            terminationGracePeriodSeconds: grace, activeDeadlineSeconds: deadline, nodeName: "node-1"))
}

func exit(_ code: Int, at time: UnixNanoseconds = epoch, ran seconds: Int64 = 1, reason: String? = nil) -> ContainerTermination {
    ContainerTermination(
        exitCode: code, reason: reason ?? (code == 0 ? "Completed" : "Error"), startedAt: time - seconds * second,
        finishedAt: time,
        cpuNanoseconds: 1_500_000_000, peakMemoryBytes: 4096)
}

/// An init container that is always restarted.
func makeSidecar(_ name: String) -> Container { Container(name: name, image: "psi:1", restartPolicy: "Always") }

func makeProbe(
    delay: Int? = nil, period: Int? = nil, failures: Int? = nil, successes: Int? = nil, grace: Int64? = nil
) -> Probe {
    Probe(
        exec: ExecAction(command: ["true"]), initialDelaySeconds: delay, periodSeconds: period, successThreshold: successes,
        failureThreshold: failures, terminationGracePeriodSeconds: grace)
}

let commandHook = LifecycleHandler(exec: ExecAction(command: ["true"]))

/// A machine, its time, and everything that it ever asked for.
struct Driver {
    var machine: PodStateMachine
    var now = epoch
    var effects: [PodEffect] = []
    /// Effects of the last input only.
    var last: [PodEffect] = []

    init(_ pod: Pod) {
        machine = PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.1", runtimeName: "runp"))
    }

    @discardableResult
    mutating func send(_ inputs: PodInput...) -> Driver {
        for input in inputs {
            last = machine.handle(input, now: now)
            effects += last
        }
        return self
    }

    mutating func wait(seconds: Int64) {
        now += seconds * second
        send(.tick)
    }

    /// Up to the first order to start a container.
    mutating func setUp() { send(.added, .volumesReady, .sandboxReady(address: nil)) }

    mutating func run(_ name: String = "main", attempt: Int = 0) {
        send(.containerStarted(ContainerRun(name: name, attempt: attempt), at: now))
    }

    mutating func end(_ code: Int, of name: String = "main", attempt: Int = 0, reason: String? = nil, ran: Int64 = 1) {
        send(.containerExited(ContainerRun(name: name, attempt: attempt), exit(code, at: now, ran: ran, reason: reason)))
    }

    mutating func probe(_ kind: ProbeKind, _ outcome: ProbeOutcome, of name: String = "main", attempt: Int = 0) {
        send(.probed(ContainerRun(name: name, attempt: attempt), kind, outcome))
    }

    mutating func hook(_ hook: LifecycleHook, failure: String? = nil, of name: String = "main", attempt: Int = 0) {
        send(.hookFinished(ContainerRun(name: name, attempt: attempt), hook, failure: failure))
    }

    func probes(_ kind: ProbeKind) -> Int {
        effects.count { if case .probe(_, kind) = $0 { true } else { false } }
    }

    func stops(of name: String) -> [Int] {
        effects.compactMap { if case .stop(let run, let grace) = $0, run.name == name { grace } else { nil } }
    }

    func condition(_ type: String) -> PodCondition? { status.conditions.first { $0.type == type } }

    func container(_ name: String) -> ContainerStatus? {
        (status.initContainerStatuses + status.containerStatuses + status.ephemeralContainerStatuses).first { $0.name == name }
    }

    mutating func cleanUp() { send(.sandboxRemoved, .volumesCleaned) }

    var status: PodStatus {
        for effect in effects.reversed() { if case .patchStatus(let status, _, _) = effect { return status } }
        return PodStatus()
    }

    var finalReports: Int {
        effects.count { if case .patchStatus(_, _, true) = $0 { true } else { false } }
    }

    func starts(of name: String) -> [Int] {
        effects.compactMap { if case .createAndStart(let run) = $0, run.name == name { run.attempt } else { nil } }
    }

    var reasons: [String] {
        effects.compactMap { if case .event(_, let reason, _, _) = $0 { reason } else { nil } }
    }
}
