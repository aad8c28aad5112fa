// Removes the pods that nobody will ever end. `PodGarbage` decides; events and indexes say whom to ask about.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

final class PodGarbageCollector: Sendable {
    enum Work: Hashable, Sendable {
        case node(String)
        case pod(namespace: String, name: String)
        case finished
    }

    /// Counting the finished is done no more often than this.
    static let period = Duration.seconds(20)

    private let api: any KubernetesAPI
    private let informers: SharedInformers
    private let quarantine: Duration
    private let kept: Int
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private let queue = WorkQueue<Work>()

    init(
        api: any KubernetesAPI, informers: SharedInformers, quarantine: Duration = PodGarbage.nodeQuarantine,
        kept: Int = PodGarbage.finishedKept, now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.api = api
        self.informers = informers
        self.quarantine = quarantine
        self.kept = kept
        self.now = now
        self.logger = logger
    }

    func run() async throws {
        await informers.waitUntilSynced()
        informers.nodes.onEvent { event in
            if case .deleted(let node) = event { self.queue.add(.node(node.metadata.name), after: self.quarantine) }
        }
        informers.pods.onEvent { event in
            if case .deleted = event { return }
            let pod = event.object
            switch PodGarbage.watch(pod) {
            case .unscheduledTerminating: self.queue.add(.pod(namespace: pod.namespace, name: pod.name))
            case .finished: self.queue.add(.finished, after: Self.period)
            case nil: break
            }
            guard let node = pod.nodeName, PodGarbage.verdict(pod, nodeExists: false) != .keep,
                self.informers.nodes.get(name: node) == nil
            else { return }
            self.queue.add(.node(node), after: self.quarantine)
        }
        await queue.run(workers: 2) { work, error in
            self.logger.debug("pods not collected; trying again", metadata: ["work": "\(work)", "error": "\(error)"])
        } work: { work in
            try await self.carryOut(work)
        }
    }

    private func carryOut(_ work: Work) async throws {
        switch work {
        case .node(let name):
            // The local copy may lag behind: only the server's own answer counts as "gone".
            guard try await api.find(Node.self, name: name) == nil else { return }
            for pod in informers.pods(on: name) {
                switch PodGarbage.verdict(pod, nodeExists: false) {
                case .keep: continue
                case .orphaned: try await orphan(pod, name)
                case .remove: try await remove(pod)
                }
            }
        case .pod(let namespace, let name):
            guard let pod = informers.pods.get(namespace: namespace, name: name),
                PodGarbage.verdict(pod, nodeExists: true) == .remove
            else { return }
            try await remove(pod)
        case .finished:
            // Sorted only when there are too many.
            guard informers.pods.count(in: PodIndex.garbage, PodGarbage.Watch.finished.rawValue) > kept else { return }
            let finished = informers.pods.objects(in: PodIndex.garbage, PodGarbage.Watch.finished.rawValue)
            for pod in PodGarbage.surplus(finished, kept: kept) { try await remove(pod) }
        }
    }

    private func orphan(_ pod: PodView, _ node: String) async throws {
        logger.warning("pod is lost with its node", metadata: ["pod": "\(pod.namespacedName)", "node": "\(node)"])
        do {
            try await api.announceDisruption(
                of: pod, reason: "DeletionByPodGC", message: "PodGC: node no longer exists", at: now(),
                status: ["phase": "Failed", "reason": "NodeLost", "message": .string("Node \(node) no longer exists")])
        } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
            return
        }
        // A task's pod stays until its task has seen what became of it.
        if pod.isTask { return }
        try await remove(pod)
    }

    private func remove(_ pod: PodView) async throws {
        do {
            try await api.delete(
                Pod.self, namespace: pod.namespace, name: pod.name,
                options: DeleteOptions(gracePeriodSeconds: 0, uid: pod.uid))
        } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
            return
        }
    }
}
