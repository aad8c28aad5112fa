// Drives pods off nodes whose NoExecute taints they do not tolerate, each at its time. `PodEviction` decides when.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging
import Synchronization

final class PodEvictionController: Sendable {
    struct Key: Hashable, Sendable {
        var namespace: String
        var name: String
        var uid: String
    }

    static let workers = 4

    private let parts: ControllerParts
    private let queue = WorkQueue<Key>()
    private let ages = Mutex(TaintAges())

    init(_ parts: ControllerParts) { self.parts = parts }

    func run() async throws {
        await parts.informers.waitUntilSynced()
        parts.informers.nodes.onEvent { event in
            if case .deleted(let node) = event { return self.ages.withLock { $0.forget(node) } }
            _ = self.taints(of: event.object)
            guard NodeTaints.isEvicting(event.object) else { return }
            if case .updated(let old, let new) = event, old.spec.taints == new.spec.taints { return }
            for pod in self.parts.informers.pods(on: event.object.metadata.name) { self.add(pod) }
        }
        parts.informers.pods.onEvent { event in
            if case .deleted = event { return }
            let pod = event.object
            guard let name = pod.nodeName, let node = self.parts.informers.nodes.get(name: name), NodeTaints.isEvicting(node)
            else { return }
            self.add(pod)
        }
        await parts.work(queue, workers: Self.workers, of: "pod", name: { "\($0.namespace)/\($0.name)" }) {
            try await self.check($0)
        }
    }

    private func taints(of node: Node) -> [Taint] { ages.withLock { $0.dated(node, now: parts.now()) } }

    private func add(_ pod: PodView) {
        queue.add(Key(namespace: pod.namespace, name: pod.name, uid: pod.uid))
    }

    /// Then it is looked again, as timers hold no more than some 290 years.
    private static let longestWait: Int64 = 24 * 3600

    func check(_ key: Key) async throws {
        guard let pod = parts.informers.pods.get(namespace: key.namespace, name: key.name), pod.uid == key.uid,
            !pod.isDeleting, !pod.isFinished, let name = pod.nodeName, let node = parts.informers.nodes.get(name: name)
        else { return }
        let now = parts.now()
        guard let due = PodEviction.due(tolerations: pod.shape.tolerations, taints: taints(of: node), now: now) else { return }
        if due.unixSeconds > now.unixSeconds {
            return queue.add(key, after: .seconds(min(due.unixSeconds - now.unixSeconds, Self.longestWait)))
        }
        // The taint may be off by now: the server's own answer counts.
        guard let current = try await parts.api.find(Node.self, name: name), NodeTaints.isEvicting(current),
            PodEviction.due(tolerations: pod.shape.tolerations, taints: taints(of: current), now: now).map({
                $0.unixSeconds <= now.unixSeconds
            })
                ?? false
        else { return }
        try await evict(pod, from: name, isSilent: NodeTaints.readinessKey(current) == NodeTaints.unreachable)
    }

    /// A task's pod on a silent node is failed, not deleted: its task must see what became of it, and nobody else will tell.
    private func evict(_ pod: PodView, from node: String, isSilent: Bool) async throws {
        parts.logger.warning(
            "pod is evicted", metadata: ["pod": "\(pod.namespacedName)", "node": "\(node)", "silent": "\(isSilent)"])
        let isTask = pod.isTask
        var status: JSONValue = [:]
        if isTask, isSilent {
            status = [
                "phase": "Failed", "reason": "NodeLost",
                "message": .string("Node \(node) which was running pod \(pod.name) is unresponsive"),
            ]
        }
        do {
            try await parts.api.announceDisruption(
                of: pod, reason: "DeletionByTaintManager", message: "Taint manager: deleting due to NoExecute taint",
                at: parts.now(),
                status: status)
            parts.recorder.record(
                EventSubject(pod.reference), .normal, reason: "TaintManagerEviction",
                message: "Marking for deletion Pod \(pod.namespacedName)")
            if isTask, isSilent { return }
            try await parts.api.delete(
                Pod.self, namespace: pod.namespace, name: pod.name, options: DeleteOptions(uid: pod.uid))
        } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
            return
        }
    }
}
