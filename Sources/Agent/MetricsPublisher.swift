// Writes what node and pods use to the master as metrics.k8s.io objects, so that `kubectl top` answers without an inbound
// port on any node. A cluster of others has metrics-server, which reads `/metrics/resource` itself.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

final class MetricsPublisher: Sendable {
    static let intervalNanoseconds: Int64 = 30_000_000_000
    /// A pod whose use changed by less is told every fourth time only: hundreds of idle pods cost few requests.
    static let quietRounds = 4
    static let noticeableShare = 0.05

    private static let nodes = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "nodes")
    private static let pods = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods")

    private struct Told {
        var namespace: String
        var name: String
        var cpu: Int64
        var memory: Int64
        var round: Int
    }

    private let api: any KubernetesAPI
    private let stats: StatsProvider
    private let clock: any AgentClock
    private let logger: Logger
    /// By uid.
    private let told = Mutex<[String: Told]>([:])

    init(api: any KubernetesAPI, stats: StatsProvider, clock: any AgentClock, logger: Logger) {
        self.api = api
        self.stats = stats
        self.clock = clock
        self.logger = logger
    }

    /// Until cancelled.
    func run() async {
        var round = 0
        while !Task.isCancelled {
            do {
                try await publish(round)
            } catch {
                logger.debug("metrics not published", metadata: ["error": "\(error)"])
            }
            round += 1
            let spread = Double.random(in: 0.9...1.1)
            try? await clock.sleep(nanoseconds: Int64(Double(Self.intervalNanoseconds) * spread))
        }
    }

    func publish(_ round: Int) async throws {
        let stats = try await stats.stats()
        try await put(Self.nodes, namespace: nil, name: stats.nodeName, stats.nodeMetrics)
        for pod in stats.pods {
            let isFirst = told.withLock { $0[pod.uid] == nil }
            guard isNews(pod, round) else { continue }
            do {
                try await put(Self.pods, namespace: pod.namespace, name: pod.name, stats.podMetrics(pod), isFirst: isFirst)
            } catch let error as KubernetesAPIError where error.isNotFound || error.code == 403 {
                // Deleted since it was measured, or a static pod whose mirror is not there yet.
                told.withLock { _ = $0.removeValue(forKey: pod.uid) }
            }
        }
        let current = Set(stats.pods.map(\.uid))
        let gone = told.withLock { told in
            let gone = told.filter { !current.contains($0.key) }
            for uid in gone.keys { told[uid] = nil }
            return gone.values
        }
        // Another pod may have the name by now; its figures are written again in a moment.
        for pod in gone { try await remove(pod) }
    }

    private func isNews(_ pod: PodSample, _ round: Int) -> Bool {
        let cpu = pod.containers.reduce(0) { $0 + ($1.usageNanoCores ?? 0) }
        let memory = pod.containers.reduce(0) { $0 + $1.workingSetBytes }
        return told.withLock { told in
            if let before = told[pod.uid], round - before.round < Self.quietRounds,
                Self.isNear(before.cpu, cpu, floor: 1_000_000), Self.isNear(before.memory, memory, floor: 1 << 20)
            {
                return false
            }
            told[pod.uid] = Told(namespace: pod.namespace, name: pod.name, cpu: cpu, memory: memory, round: round)
            return true
        }
    }

    private static func isNear(_ before: Int64, _ now: Int64, floor: Int64) -> Bool {
        Double(abs(now - before)) <= max(Double(floor), Double(before) * noticeableShare)
    }

    /// `isFirst`: it is not there yet, unless a former agent wrote it.
    private func put(
        _ resource: GroupVersionResource, namespace: String?, name: String, _ document: JSONValue, isFirst: Bool = false
    ) async throws {
        let body = document.serialized()
        if isFirst {
            do {
                _ = try await api.create(resource, namespace: namespace, name: nil, subresource: nil, body: body)
                return
            } catch let error as KubernetesAPIError where error.isAlreadyExists {}
        }
        do {
            _ = try await api.patch(resource, namespace: namespace, name: name, subresource: nil, type: .merge, body: body)
        } catch let error as KubernetesAPIError where error.isNotFound {
            _ = try await api.create(resource, namespace: namespace, name: nil, subresource: nil, body: body)
        }
    }

    private func remove(_ pod: Told) async throws {
        do {
            _ = try await api.delete(Self.pods, namespace: pod.namespace, name: pod.name, options: DeleteOptions())
        } catch let error as KubernetesAPIError where error.isNotFound || error.code == 403 {
            // Gone with its pod, or no longer ours to remove.
        }
    }
}
