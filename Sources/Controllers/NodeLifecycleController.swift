// Tells the cluster about nodes that no longer report: Ready turns Unknown, and after Kubernetes' usual five minutes their
// pods are failed with NodeLost. The node itself sets Ready again when it is back. `NodeHealth` decides.
import JSON
import KubernetesClient
import KubernetesModel
import Logging

public struct NodeLifecycleController: Sendable {
    static let period = Duration.seconds(5)

    private let api: any KubernetesAPI
    private let informers: SharedInformers
    private let now: @Sendable () -> Timestamp
    private let logger: Logger

    public init(api: any KubernetesAPI, informers: SharedInformers, now: @escaping @Sendable () -> Timestamp, logger: Logger) {
        self.api = api
        self.informers = informers
        self.now = now
        self.logger = logger
    }

    public func run() async throws {
        var health = NodeHealth()
        let clock = ContinuousClock()
        let start = clock.now
        await informers.waitUntilSynced()
        while true {
            await check(&health, now: clock.now - start)
            try await Task.sleep(for: Self.period)
        }
    }

    /// One round.
    func check(_ health: inout NodeHealth, now: Duration) async {
        let leases = informers.leases.objects.compactMap { lease in lease.spec.renewTime.map { (lease.metadata.name, $0) } }
        let verdicts = health.judge(
            nodes: informers.nodes.objects.map(\.metadata.name).sorted(), leases: Dictionary(leases, uniquingKeysWith: { $1 }),
            now: now)
        for verdict in verdicts { await carryOut(verdict) }
    }

    private func carryOut(_ verdict: NodeHealth.Verdict) async {
        do {
            switch verdict {
            case .silent(let node): try await markUnknown(node)
            case .lost(let node): try await failPods(of: node)
            }
        } catch {
            // The next round tries again.
            logger.warning("node lifecycle step failed", metadata: ["verdict": "\(verdict)", "error": "\(error)"])
        }
    }

    private func markUnknown(_ name: String) async throws {
        guard let node = informers.nodes.get(name: name) else { return }
        var conditions = node.status.conditions
        guard let index = conditions.firstIndex(where: { $0.type == "Ready" }), conditions[index].status != .unknown
        else { return }
        conditions[index].status = .unknown
        conditions[index].reason = "NodeStatusUnknown"
        conditions[index].message = "The agent stopped posting node status."
        conditions[index].lastTransitionTime = now()
        logger.warning("node is silent", metadata: ["node": "\(name)"])
        // Only over what was seen: a node that reports at this very moment is not silent.
        try await api.patchStatus(
            Node.self, name: name,
            merge: [
                "metadata": ["resourceVersion": node.metadata.resourceVersion.map { .string($0) } ?? .null],
                "status": ["conditions": try JSON.encodeToValue(conditions)],
            ])
    }

    private func failPods(of node: String) async throws {
        for pod in informers.pods.objects where pod.spec.nodeName == node && pod.status.phase?.isFinished != true {
            logger.warning("pod is lost with its node", metadata: ["pod": "\(pod.namespacedName)", "node": "\(node)"])
            try await api.patchStatus(
                Pod.self, namespace: pod.metadata.namespace, name: pod.metadata.name,
                merge: [
                    "metadata": ["uid": pod.metadata.uid.map { .string($0) } ?? .null],
                    "status": [
                        "phase": "Failed", "reason": "NodeLost",
                        "message": .string("Node \(node) which was running pod \(pod.metadata.name) is unresponsive"),
                    ],
                ])
        }
    }
}
