// Keeps the node from filling up: measures, tells what it is short of, cleans, and ends pods as `EvictionMachine` decides.
import AgentCore
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

/// What the node is short of, for whoever asks: the node's conditions, admission.
public final class NodePressures: Sendable {
    private let current = Mutex(Set<NodePressure>())
    public init() {}
    public var value: Set<NodePressure> { current.withLock { $0 } }
    /// True when that is news.
    func set(_ value: Set<NodePressure>) -> Bool {
        current.withLock { current in
            defer { current = value }
            return current != value
        }
    }
}

public final class EvictionController: Sendable {
    /// How often the disk of pods with a limit on it is measured: that walks directories.
    static let storageLimitsNanoseconds: Int64 = 30_000_000_000
    /// An eviction by a hard threshold waits no longer for the pod: the node's other pods are in danger.
    static let hardGraceSeconds = 1

    private struct State {
        var machine: EvictionMachine
        var evictions: [String: Int] = [:]
        var storageCheckedAt: Int64 = 0
    }

    private let node: String
    private let pods: LocalPods
    private let runtime: any ContainerRuntime
    private let events: EventRecorder
    private let clock: any AgentClock
    private let logger: Logger
    private let diskUse: DiskUse
    private let measure: @Sendable () -> NodeMeasurement
    private let reclaim: @Sendable () async -> Void
    private let state: Mutex<State>
    public let pressures: NodePressures

    /// `reclaim`: removes from the disk what no pod needs.
    init(
        node: String, thresholds: EvictionThresholds, pressures: NodePressures, pods: LocalPods, runtime: any ContainerRuntime,
        events: EventRecorder, clock: any AgentClock, logger: Logger, diskUse: DiskUse,
        measure: @escaping @Sendable () -> NodeMeasurement, reclaim: @escaping @Sendable () async -> Void
    ) {
        self.node = node
        self.pressures = pressures
        self.pods = pods
        self.runtime = runtime
        self.events = events
        self.clock = clock
        self.logger = logger
        self.diskUse = diskUse
        self.measure = measure
        self.reclaim = reclaim
        state = Mutex(State(machine: EvictionMachine(thresholds: thresholds)))
    }

    /// Evictions since the agent's start, by signal.
    public var evictions: [String: Int] { state.withLock(\.evictions) }

    /// Until cancelled.
    func run() async {
        while !Task.isCancelled {
            let pause = await look()
            try? await clock.sleep(nanoseconds: pause * .nanosecondsPerSecond)
        }
    }

    /// One look and what follows from it. Returns the seconds until the next.
    @discardableResult
    func look() async -> Int64 {
        let load = measure()
        let machine = state.withLock(\.machine)
        var loads: [PodLoad] = []
        if machine.needsPods(load) {
            let met = machine.thresholds.met(load)
            loads = await podLoads(withDisk: met.contains { $0.signal.pressure == .disk })
        }
        let decision = state.withLock { $0.machine.look(load, loads, now: clock.now()) }
        if pressures.set(decision.pressures) {
            logger.notice(
                "pressure", metadata: ["conditions": "\(decision.pressures.map(\.rawValue).sorted().joined(separator: " "))"])
        }
        let hard = Set(machine.thresholds.met(load).filter { $0.graceSeconds == 0 }.map(\.signal))
        await carryOut(decision.action, hard: hard)
        await checkStorageLimits()
        return decision.nextLookSeconds
    }

    /// `hard`: signals whose hard threshold is met; by a soft one a pod goes with its own grace.
    private func carryOut(_ action: EvictionMachine.Action, hard: Set<EvictionSignal>) async {
        switch action {
        case .none: return
        case .reclaimDisk(let signal):
            record(signal)
            await reclaim()
        case .evict(let uid, let signal, let message):
            record(signal)
            let grace = hard.contains(signal) ? Self.hardGraceSeconds : nil
            await evict(uid, signal: signal.rawValue, message, graceSeconds: grace)
        }
    }

    private func record(_ signal: EvictionSignal) {
        let message = "Attempting to reclaim \(signal.resource)"
        events.record(EventSubject(node: node), .warning, reason: "EvictionThresholdMet", message: message)
    }

    private func evict(_ uid: String, signal: String, _ message: String, graceSeconds: Int?) async {
        guard await pods.evict(uid: uid, reason: "Evicted", message: message, graceSeconds: graceSeconds) else { return }
        logger.warning("pod evicted", metadata: ["uid": "\(uid)", "signal": "\(signal)", "message": "\(message)"])
        state.withLock { $0.evictions[signal, default: 0] += 1 }
    }

    // MARK: Measuring pods

    private func podLoads(withDisk: Bool) async -> [PodLoad] {
        let machines = await pods.machines().filter(\.holdsResources)
        var stats: [ContainerID: ContainerStats] = [:]
        do {
            stats = try await runtime.stats()
        } catch {
            // Without figures the order is by priority alone, which is better than none.
            logger.warning("use of containers not measured", metadata: ["error": "\(error)"])
        }
        var byPod: [String: [String: ContainerStats]] = [:]
        for (id, use) in stats { byPod[id.podUID, default: [:]][id.name] = use }
        var loads: [PodLoad] = []
        for machine in machines {
            let disk = withDisk ? await diskUse.of(machine.pod) : DiskUse.PodUse()
            loads.append(Self.load(machine.pod, byPod[machine.pod.metadata.uid ?? ""] ?? [:], disk))
        }
        return loads
    }

    static func load(_ pod: Pod, _ use: [String: ContainerStats], _ disk: DiskUse.PodUse) -> PodLoad {
        let containers = (pod.spec.initContainers + pod.spec.containers).map { container in
            let request = PodResources(container)
            return PodLoad.ContainerLoad(
                name: container.name, memoryBytes: use[container.name]?.workingSetBytes ?? 0, memoryRequest: request.memoryBytes,
                storageBytes: disk.storage.containers[container.name] ?? 0, storageRequest: request.ephemeralStorageBytes)
        }
        return PodLoad(
            uid: pod.metadata.uid ?? "", priority: pod.spec.priority ?? 0, isCritical: NodeAdmission.isCritical(pod),
            containers: containers, volumeBytes: disk.storage.volumes.values.reduce(0, +), inodes: disk.inodes,
            processes: use.values.reduce(0) { $0 + $1.pids },
            graceSeconds: pod.spec.terminationGracePeriodSeconds ?? 30)
    }

    // MARK: Limits on disk

    private func checkStorageLimits() async {
        let now = clock.now()
        let isDue = state.withLock { state in
            guard now - state.storageCheckedAt >= Self.storageLimitsNanoseconds else { return false }
            state.storageCheckedAt = now
            return true
        }
        guard isDue else { return }
        for machine in await pods.machines() where machine.holdsResources && StorageLimits.hasAny(machine.pod) {
            let use = await diskUse.of(machine.pod)
            guard let message = StorageLimits.excess(machine.pod, use.storage) else { continue }
            let signal = "ephemeralpodfs.limit"
            await evict(machine.pod.metadata.uid ?? "", signal: signal, message, graceSeconds: Self.hardGraceSeconds)
        }
    }
}
