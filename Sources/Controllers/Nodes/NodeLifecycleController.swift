// Tells the cluster about nodes that no longer report: Ready turns Unknown, taints keep new pods away and, after a while,
// drive the old ones off. The node itself sets Ready again when it is back. `NodeLifecycle` and `NodeTaints` decide.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

final class NodeLifecycleController: Sendable {
    static let period = Duration.seconds(5)

    private let parts: ControllerParts
    private let queue = WorkQueue<String>()
    private let lifecycle = Mutex(NodeLifecycle())
    /// Nodes whose turn to be evicted from has come, until the taint is written.
    private let evicting = Mutex<Set<String>>([])

    init(_ parts: ControllerParts) { self.parts = parts }

    func run() async throws {
        await parts.informers.waitUntilSynced()
        let clock = ContinuousClock()
        let start = clock.now
        follow { clock.now - start }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.parts.work(self.queue, workers: 2, of: "node", name: { $0 }) { try await self.bringUpToDate($0) }
            }
            group.addTask {
                while !Task.isCancelled {
                    await self.check(now: clock.now - start)
                    try? await Task.sleep(for: Self.period)
                }
            }
        }
    }

    /// `elapsed` is this master's monotonic time.
    func follow(_ elapsed: @escaping @Sendable () -> Duration) {
        parts.informers.nodes.onEvent { [weak self] event in
            guard let self else { return }
            let node = event.object
            let name = node.metadata.name
            if case .deleted = event {
                evicting.withLock { _ = $0.remove(name) }
                return lifecycle.withLock { $0.forget(node: name) }
            }
            let ready = node.status.conditions.first { $0.type == "Ready" }
            let evicted = node.spec.taints.contains {
                ($0.key == NodeTaints.notReady || $0.key == NodeTaints.unreachable) && $0.effect == .noExecute
            }
            lifecycle.withLock { $0.observe(node: name, ready: ready, evicted: evicted, now: elapsed()) }
            if NodeTaints.corrected(node, evict: false, now: parts.now()) != nil { queue.add(name) }
        }
        parts.informers.leases.onEvent { [weak self] event in
            if case .deleted = event { return }
            let lease = event.object
            self?.lifecycle.withLock { _ = $0.observe(lease: lease.renewTime, of: lease.observedKey.name, now: elapsed()) }
        }
    }

    /// One round.
    func check(now: Duration) async {
        for action in lifecycle.withLock({ $0.tick(now: now) }) {
            switch action {
            case .markUnknown(let node, let neverReported):
                do {
                    if try await hasSpoken(node, now: now) { continue }
                    try await markUnknown(node, neverReported: neverReported)
                } catch {
                    // The next round tries again.
                    parts.logger.warning("node lifecycle step failed", metadata: ["node": "\(node)", "error": "\(error)"])
                }
            case .evict(let node):
                evicting.withLock { _ = $0.insert(node) }
                queue.add(node)
            }
        }
    }

    /// The local copy of leases may lag behind when the master is busy, and a cluster must not be given up for that: the server's own
    /// answer counts.
    private func hasSpoken(_ node: String, now: Duration) async throws -> Bool {
        let lease = try await parts.api.find(Lease.self, namespace: SharedInformers.leaseNamespace, name: node)
        guard let renewed = lease?.spec.renewTime else { return false }
        return lifecycle.withLock { $0.observe(lease: renewed, of: node, now: now) }
    }

    private func markUnknown(_ name: String, neverReported: Bool) async throws {
        guard let node = parts.informers.nodes.get(name: name) else { return }
        var conditions = node.status.conditions
        if !conditions.contains(where: { $0.type == "Ready" }) { conditions.append(NodeCondition(type: "Ready", status: .false)) }
        for index in conditions.indices where conditions[index].status != .unknown {
            conditions[index].status = .unknown
            conditions[index].reason = neverReported ? "NodeStatusNeverUpdated" : "NodeStatusUnknown"
            conditions[index].message =
                neverReported ? "The agent never posted node status." : "The agent stopped posting node status."
            conditions[index].lastTransitionTime = parts.now()
        }
        parts.logger.warning("node is silent", metadata: ["node": "\(name)"])
        // Only over what was seen: a node that reports at this very moment is not silent.
        do {
            try await parts.api.patchStatus(
                Node.self, name: name,
                merge: [
                    "metadata": ["resourceVersion": node.metadata.resourceVersion.map { .string($0) } ?? .null],
                    "status": ["conditions": try JSON.encodeToValue(conditions)],
                ])
        } catch let error as KubernetesAPIError where error.isConflict || error.isNotFound {
            return
        }
        parts.recorder.record(node, .normal, reason: "NodeNotReady", message: "Node \(name) status is now: NodeNotReady")
    }

    /// Writes the taints that the node's conditions ask for.
    func bringUpToDate(_ name: String) async throws {
        guard let node = try await parts.api.find(Node.self, name: name) else { return }
        let evict = evicting.withLock { $0.contains(name) }
        if let taints = NodeTaints.corrected(node, evict: evict, now: parts.now()) {
            try await parts.api.patch(
                Node.self, name: name,
                merge: [
                    "metadata": ["resourceVersion": node.metadata.resourceVersion.map { .string($0) } ?? .null],
                    "spec": ["taints": taints.isEmpty ? .null : try JSON.encodeToValue(taints)],
                ])
        }
        evicting.withLock { _ = $0.remove(name) }
    }
}
