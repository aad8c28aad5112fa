// Measures node and pods when somebody asks, at most once a second, with rates since the measurement before.
import AgentCore
import Glibc
import KubernetesModel
import RuntimeInterface
import Synchronization

public final class StatsProvider: Sendable {
    /// Two questions within this time get the same answer: many scrapers cost as much as one.
    static let freshNanoseconds: Int64 = 1_000_000_000
    /// Rates over less than this say little: until then the sample before stays the base.
    static let shortestWindowNanoseconds: Int64 = 10_000_000_000

    private struct State {
        var latest: NodeStats?
        /// What rates are measured against.
        var base: NodeStats?
    }

    private let node: String
    private let pods: LocalPods
    private let runtime: any ContainerRuntime
    private let clock: any AgentClock
    private let measure: @Sendable () -> NodeMeasurement
    private let machine: @Sendable () -> MachineUse
    private let evictions: @Sendable () -> [String: Int]
    /// Pods of this node that run elsewhere.
    private let remote: @Sendable () async -> [RemotePodStats]
    private let state = Mutex(State())

    init(
        node: String, pods: LocalPods, runtime: any ContainerRuntime, clock: any AgentClock,
        measure: @escaping @Sendable () -> NodeMeasurement, machine: @escaping @Sendable () -> MachineUse = { .read() },
        evictions: @escaping @Sendable () -> [String: Int], remote: @escaping @Sendable () async -> [RemotePodStats] = { [] }
    ) {
        self.remote = remote
        self.node = node
        self.pods = pods
        self.runtime = runtime
        self.clock = clock
        self.measure = measure
        self.machine = machine
        self.evictions = evictions
    }

    public func stats() async throws -> NodeStats {
        let now = clock.now()
        if let latest = state.withLock(\.latest), now - latest.node.at < Self.freshNanoseconds, now >= latest.node.at {
            return latest
        }
        let fresh = try await sample(now)
        return state.withLock { state in
            let rated = fresh.rated(since: state.base)
            if state.base.map({ now - $0.node.at >= Self.shortestWindowNanoseconds }) ?? true { state.base = fresh }
            state.latest = rated
            return rated
        }
    }

    public func counts(undelivered: Int) async -> AgentCounts {
        let machines = await pods.machines()
        let running = machines.map { machine in machine.containers.filter(\.mayRun).count }
        return AgentCounts(
            knownPods: machines.count, runningPods: running.filter { $0 > 0 }.count, runningContainers: running.reduce(0, +),
            undelivered: undelivered)
    }

    private func sample(_ now: Int64) async throws -> NodeStats {
        let stats = try await runtime.stats()
        var byPod: [String: [(ContainerID, ContainerStats)]] = [:]
        for (id, use) in stats { byPod[id.podUID, default: []].append((id, use)) }
        let samples = await pods.machines().compactMap { machine -> PodSample? in
            let metadata = machine.pod.metadata
            guard let uses = byPod[metadata.uid ?? ""] else { return nil }
            let containers = uses.sorted { $0.0.name < $1.0.name }.map { id, use in
                ContainerSample(
                    name: id.name, attempt: id.attempt, cpuNanoseconds: use.cpuNanoseconds,
                    memoryUsageBytes: use.memoryUsageBytes, workingSetBytes: use.workingSetBytes, rssBytes: use.rssBytes,
                    pids: use.pids, startedAt: Self.start(machine, id) ?? machine.startTime ?? 0,
                    at: use.measuredAt == 0 ? now : use.measuredAt)
            }
            return PodSample(
                uid: metadata.uid ?? "", namespace: metadata.namespace ?? "", name: metadata.name, labels: metadata.labels,
                startedAt: machine.startTime ?? 0, containers: containers)
        }
        let use = machine()
        let node = NodeSample(
            cpuNanoseconds: use.cpuNanoseconds, load: measure(), agentCPUNanoseconds: use.ownCPUNanoseconds,
            agentResidentBytes: use.ownResidentBytes, at: now)
        return NodeStats(
            nodeName: self.node, node: node, pods: samples + (await remote()).map(Self.sample), evictions: evictions())
    }

    private static func sample(_ pod: RemotePodStats) -> PodSample {
        let startedAt = pod.startedAt * .nanosecondsPerSecond
        return PodSample(
            uid: pod.uid, namespace: pod.namespace, name: pod.name, startedAt: startedAt,
            containers: pod.containers.map {
                ContainerSample(
                    name: $0.name, usageNanoCores: $0.cpuNanoCores, workingSetBytes: $0.workingSetBytes, startedAt: startedAt,
                    at: pod.measuredAt * .nanosecondsPerSecond)
            })
    }

    private static func start(_ machine: PodStateMachine, _ id: ContainerID) -> UnixNanoseconds? {
        machine.runningSince(ContainerRun(name: id.name, attempt: id.attempt))
    }
}

/// What the machine and this process have used so far.
struct MachineUse: Sendable {
    var cpuNanoseconds: Int64
    var ownCPUNanoseconds: Int64
    var ownResidentBytes: Int64

    static func read(root: String = "") -> MachineUse {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let own =
            (Int64(usage.ru_utime.tv_sec) + Int64(usage.ru_stime.tv_sec)) * 1_000_000_000
            + (Int64(usage.ru_utime.tv_usec) + Int64(usage.ru_stime.tv_usec)) * 1000
        // "cpu  user nice system idle iowait irq softirq steal": ticks since boot (proc(5)).
        let ticks = (KernelFile.line("\(root)/proc/stat") ?? "").split(separator: " ").dropFirst().prefix(8).compactMap {
            Int64($0)
        }
        let idle = ticks.count > 4 ? ticks[3] + ticks[4] : 0
        let perSecond = Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let resident = (KernelFile.field("VmRSS:", in: "\(root)/proc/self/status") ?? 0) * 1024
        return MachineUse(
            cpuNanoseconds: (ticks.reduce(0, +) - idle) * (1_000_000_000 / perSecond), ownCPUNanoseconds: own,
            ownResidentBytes: resident)
    }
}
