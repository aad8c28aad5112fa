// Pods bound per second, durably: the master's own scheduler over the API server's core and a store that syncs each commit.
// The clock runs from the scheduler's start, with all pods waiting, to the commit of the last binding; lists, watches,
// placements, bindings, events and the disk are all in it. Also: pods that arrive while the scheduler runs.
import Controllers
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Scheduling
import Synchronization

/// Counts what was bound, after it is durable.
final class CountingBinder: GangBinding {
    private struct Count {
        var bound = 0
        var seen: Set<String> = []
        var twice = 0
        var last = ContinuousClock.now
    }

    private let base: any GangBinding
    private let count = Mutex(Count())

    init(_ base: any GangBinding) { self.base = base }

    func bindTogether(_ bindings: [PodBinding]) async throws {
        try await base.bindTogether(bindings)
        count.withLock { count in
            count.bound += bindings.count
            for binding in bindings where !count.seen.insert("\(binding.namespace)/\(binding.name)").inserted { count.twice += 1 }
            count.last = ContinuousClock.now
        }
    }

    var bound: Int { count.withLock { $0.bound } }
    var twice: Int { count.withLock { $0.twice } }
    var last: ContinuousClock.Instant { count.withLock { $0.last } }
}

struct EndToEnd {
    static let limit = Duration.seconds(300)

    var directory: String
    var nodes: Int
    var pods: Int
    var gang = 1
    /// Pods are created while the scheduler runs, not before.
    var streaming = false

    func run() async throws -> JSONValue {
        let cluster = try await Cluster(directory: directory, nodes: nodes)
        if !streaming { try await cluster.createPods(pods, gang: gang) }
        let binder = CountingBinder(cluster.api)
        let informers = SharedInformers(api: cluster.api, logger: cluster.quiet)
        let now: @Sendable () -> Timestamp = { Timestamp(unixSeconds: Int64(time(nil))) }
        let recorder = EventRecorder(api: cluster.api, component: "bench", now: { MicroTimestamp(now()) }, logger: cluster.quiet)
        let scheduler = SchedulerService(
            api: cluster.api, binder: binder, informers: informers, recorder: recorder, now: now, logger: cluster.quiet)
        let start = ContinuousClock.now
        let cpu = PurePlacements.cpuSeconds()
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                group.addTask { await recorder.run() }
                group.addTask { try? await scheduler.run() }
            }
        }
        if streaming {
            await informers.waitUntilSynced()
            try await cluster.createPods(pods, gang: gang)
        }
        while binder.bound < pods, ContinuousClock.now - start < Self.limit { try await Task.sleep(for: .milliseconds(2)) }
        let seconds = Self.seconds(binder.last - start)
        let used = try await Self.settledCPU() - cpu
        running.cancel()
        await running.value
        await cluster.close()
        return [
            "nodes": .int(Int64(nodes)), "pods": .int(Int64(pods)), "gang": .int(Int64(gang)), "bound": .int(Int64(binder.bound)),
            "bound_twice": .int(Int64(binder.twice)), "seconds": .double(seconds),
            "bound_per_second": .double(Double(binder.bound) / seconds),
            "cpu_microseconds_per_pod": .double(used / Double(max(binder.bound, 1)) * 1e6),
        ]
    }

    /// CPU seconds once what follows a binding is done too: informers that hear of it, events about it. A short run would otherwise end
    /// before that, and look cheaper than a long one.
    private static func settledCPU() async throws -> Double {
        let deadline = ContinuousClock.now + .seconds(20)
        var last = PurePlacements.cpuSeconds()
        while true {
            // Between two readings of a counter; the loop ends when nothing moves any more.
            try await Task.sleep(for: .milliseconds(250))
            let now = PurePlacements.cpuSeconds()
            if now - last < 0.005 || ContinuousClock.now > deadline { return now }
            last = now
        }
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
}
