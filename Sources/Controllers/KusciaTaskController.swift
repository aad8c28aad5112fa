// Carries out what `TaskPlanner` decides about KusciaTasks: gives them ports, makes their config maps, services and pods,
// ends what must not run on, and writes their status.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging
import Orchestration
import Synchronization

public final class KusciaTaskController: Sendable {
    struct Key: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    static let workers = 4

    private let api: any KubernetesAPI
    private let informers: SharedInformers
    private let recorder: EventRecorder
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private let queue = WorkQueue<Key>()
    private let ports: Mutex<PortAllocator>

    /// `firstPort` is where the search for free ports begins; see `PortAllocator`.
    public init(
        api: any KubernetesAPI, informers: SharedInformers, recorder: EventRecorder, firstPort: Int = PortAllocator.pool.lowerBound,
        now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.api = api
        self.informers = informers
        self.recorder = recorder
        self.now = now
        self.logger = logger
        ports = Mutex(PortAllocator(start: firstPort))
    }

    public func run() async throws {
        informers.tasks.onEvent { event in
            let task = event.object.metadata
            if case .deleted = event { self.ports.withLock { $0.release(owner: task.name) } }
            self.queue.add(Key(namespace: task.namespace ?? "", name: task.name))
        }
        informers.pods.onEvent { event in
            guard let task = event.object.metadata.labels[KusciaLabel.taskID] else { return }
            self.queue.add(Key(namespace: Kuscia.crossDomainNamespace, name: task))
        }
        informers.appImages.onEvent { _ in self.wakeUnfinished() }
        await informers.waitUntilSynced()
        adoptPorts()
        await queue.run(workers: Self.workers) { key, error in
            self.logger.debug("task not brought up to date; trying again", metadata: ["task": "\(key.name)", "error": "\(error)"])
        } work: { key in
            try await self.bringUpToDate(key)
        }
    }

    private func wakeUnfinished() {
        for task in informers.tasks.objects where task.status.phase?.isFinished != true {
            queue.add(Key(namespace: task.metadata.namespace ?? "", name: task.metadata.name))
        }
    }

    /// A master that starts learns which ports are in use from the tasks that have not finished, before it gives out any.
    private func adoptPorts() {
        ports.withLock { ports in
            for task in informers.tasks.objects where task.status.phase?.isFinished != true {
                ports.adopt(task.status.allocatedPorts.flatMap { $0.namedPort.values }, owner: task.metadata.name)
            }
        }
    }

    private func bringUpToDate(_ key: Key) async throws {
        guard let task = try await api.find(KusciaTask.self, namespace: key.namespace, name: key.name),
            task.metadata.deletionTimestamp == nil
        else { return }
        let pods = informers.pods.objects.filter { $0.metadata.labels[KusciaLabel.taskID] == key.name }
        let world = TaskWorld(
            task: task, pods: pods.filter { $0.metadata.ownerReferences.contains { $0.uid == task.metadata.uid } },
            appImage: { self.informers.appImages.get(name: $0) }, nodeAddress: { self.informers.nodes.get(name: $0)?.status.internalIP },
            now: now())
        let plan = ports.withLock { TaskPlanner.plan(world, ports: &$0) }
        for action in plan.actions { try await carryOut(action) }
        try await api.writeStatus(of: task, from: task.status, to: plan.status)
        announce(task, plan.status)
        if let seconds = plan.again { queue.add(key, after: .seconds(seconds)) }
    }

    private func carryOut(_ action: TaskAction) async throws {
        switch action {
        case .apply(let map): try await apply(map)
        case .applyService(let service): try await apply(service)
        case .create(let pod): try await api.createIfAbsent(pod)
        case .delete(let namespace, let pod, let uid, let grace):
            do {
                try await api.deleteIfPresent(
                    Pod.self, namespace: namespace, name: pod, options: DeleteOptions(gracePeriodSeconds: grace, uid: uid))
            } catch let error as KubernetesAPIError where error.isConflict {
                return  // Another pod of that name by now.
            }
        }
    }

    private func apply(_ map: ConfigMap) async throws {
        do {
            try await api.create(map)
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            try await api.patch(
                ConfigMap.self, namespace: map.metadata.namespace, name: map.metadata.name,
                merge: [
                    "metadata": ["ownerReferences": try JSON.encodeToValue(map.metadata.ownerReferences)],
                    "data": try JSON.encodeToValue(map.data),
                ])
        }
    }

    private func apply(_ service: Service) async throws {
        do {
            try await api.create(service)
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            try await api.patch(
                Service.self, namespace: service.metadata.namespace, name: service.metadata.name,
                merge: [
                    "metadata": ["ownerReferences": try JSON.encodeToValue(service.metadata.ownerReferences)],
                    "spec": ["ports": try JSON.encodeToValue(service.spec.ports)],
                ])
        }
    }

    private func announce(_ task: KusciaTask, _ status: KusciaTaskStatus) {
        guard status.phase != task.status.phase, let phase = status.phase else { return }
        logger.info("task", metadata: ["task": "\(task.namespacedName)", "phase": "\(phase.rawValue)", "why": "\(status.message ?? "")"])
        switch phase {
        case .failed: recorder.record(task, .warning, reason: status.reason ?? "TaskFailed", message: status.message ?? "The task failed")
        case .pending, .running, .succeeded:
            recorder.record(task, .normal, reason: "Task\(phase.rawValue)", message: "The task is \(phase.rawValue)")
        }
    }
}
