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
        api: any KubernetesAPI, informers: SharedInformers, recorder: EventRecorder,
        firstPort: Int = PortAllocator.pool.lowerBound,
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
            if case .deleted = event { self.releasePorts(of: event.object) }
            self.queue.add(Key(namespace: task.namespace ?? "", name: task.name))
        }
        informers.pods.onEvent { event in
            guard let task = event.object.task else { return }
            if case .deleted = event { self.releasePorts(ofOwnersOf: event.object) }
            // A task that is not known yet comes by here itself when it is.
            guard self.informers.tasks.get(namespace: Kuscia.crossDomainNamespace, name: task) != nil else { return }
            self.queue.add(Key(namespace: Kuscia.crossDomainNamespace, name: task))
        }
        informers.appImages.onEvent { _ in self.wakeUnfinished() }
        informers.nodes.onEvent { event in
            guard case .updated(let old, let new) = event else { return self.wakeUnfinished() }
            // A pod may be seen on a node before the node's address is.
            if old.status.internalIP != new.status.internalIP { self.wakeUnfinished() }
            if NodeTaints.readinessKey(old) != NodeTaints.readinessKey(new) { self.wakeTasks(on: new.metadata.name) }
        }
        await informers.waitUntilSynced()
        adoptPorts()
        await queue.run(workers: Self.workers) { key, error in
            self.logger.debug(
                "task not brought up to date; trying again", metadata: ["task": "\(key.name)", "error": "\(error)"])
        } work: { key in
            try await self.bringUpToDate(key)
        }
    }

    /// What a silent node means for its tasks is said in their status.
    private func wakeTasks(on node: String) {
        for task in Set(informers.pods(on: node).compactMap(\.task)) {
            queue.add(Key(namespace: Kuscia.crossDomainNamespace, name: task))
        }
    }

    private func wakeUnfinished() {
        for task in informers.tasks.objects where task.status.phase?.isFinished != true {
            queue.add(Key(namespace: task.metadata.namespace ?? "", name: task.metadata.name))
        }
    }

    // MARK: ports

    /// A master that starts learns which ports are in use, before it gives out any: from the tasks that have not finished,
    /// and from the pods that have not, whatever became of their task.
    private func adoptPorts() {
        ports.withLock { ports in
            for task in informers.tasks.objects where task.status.phase?.isFinished != true {
                ports.adopt(task.status.allocatedPorts.flatMap { $0.namedPort.values }, owner: TaskPlanner.portOwner(task))
            }
            for pod in informers.pods.objects where !pod.isFinished {
                guard let owner = pod.owners.first(where: { $0.kind == KusciaTask.kind }) else { continue }
                ports.adopt(pod.shape.ports.compactMap(\.hostPort), owner: owner.uid)
            }
        }
    }

    /// The ports of a task that is gone are free when its last pod is gone too; whichever goes last comes by here.
    private func releasePorts(of task: KusciaTask) { releasePorts(owner: TaskPlanner.portOwner(task)) }

    private func releasePorts(ofOwnersOf pod: PodView) {
        for owner in pod.owners where owner.kind == KusciaTask.kind {
            if informers.tasks.get(namespace: Kuscia.crossDomainNamespace, name: owner.name)?.metadata.uid != owner.uid {
                releasePorts(owner: owner.uid)
            }
        }
    }

    private func releasePorts(owner uid: String) {
        let inUse = informers.pods(ownedBy: uid).contains { !$0.isFinished }
        if !inUse { ports.withLock { $0.release(owner: uid) } }
    }

    // MARK: work

    private func bringUpToDate(_ key: Key) async throws {
        guard let task = try await api.find(KusciaTask.self, namespace: key.namespace, name: key.name),
            task.metadata.deletionTimestamp == nil
        else { return }
        let images = try await appImages(of: task)
        let world = TaskWorld(
            task: task, pods: try informers.pods(ofTask: key.name).map { try $0.whole() },
            appImage: { images[$0] }, nodeAddress: { self.informers.nodes.get(name: $0)?.status.internalIP },
            isSilent: { name in
                self.informers.nodes.get(name: name).map { NodeTaints.readinessKey($0) == NodeTaints.unreachable } ?? false
            },
            now: now())
        var plan = ports.withLock { TaskPlanner.plan(world, ports: &$0) }
        do {
            for action in plan.actions { try await carryOut(action) }
        } catch let error as KubernetesAPIError where error.isRefusal {
            plan = TaskPlanner.refused(world, message: "\(error)")
            for action in plan.actions { try await carryOut(action) }
        } catch let error as NameTaken {
            plan = TaskPlanner.refused(world, reason: "NameTaken", message: "\(error)")
            for action in plan.actions { try await carryOut(action) }
        } catch let error as KubernetesAPIError where error.isNotFound {
            // A namespace that is missing may be on its way.
            try await tell(error, of: task)
        } catch let error as InTheWay {
            try await tell(error, of: task)
        }
        do {
            try await api.writeStatus(of: task, from: task.status, to: plan.status)
        } catch let error as KubernetesAPIError where error.isNotFound {
            return releasePorts(of: task)
        }
        announce(task, plan.status)
        if let seconds = plan.again { queue.add(key, after: .seconds(seconds)) }
    }

    /// What may pass: told, and tried again until the task's time is over.
    private func tell(_ obstacle: any Error, of task: KusciaTask) async throws {
        var status = task.status
        status.message = "\(obstacle)"
        try await api.writeStatus(of: task, from: task.status, to: status)
        throw obstacle
    }

    /// The local copy may lag behind a manifest that brings image and job together, so the server has the last word.
    private func appImages(of task: KusciaTask) async throws -> [String: AppImage] {
        var images: [String: AppImage] = [:]
        for name in Set(task.spec.parties.map(\.appImageRef)) {
            if let known = informers.appImages.get(name: name) {
                images[name] = known
            } else {
                images[name] = try await api.find(AppImage.self, name: name)
            }
        }
        return images
    }

    private func carryOut(_ action: TaskAction) async throws {
        switch action {
        case .apply(let map): try await apply(map)
        case .applyService(let service): try await apply(service)
        case .create(let pod): try await create(pod)
        case .removeConfigMap(let namespace, let name):
            try await api.deleteIfPresent(ConfigMap.self, namespace: namespace, name: name)
        case .delete(let namespace, let pod, let uid, let grace):
            do {
                try await api.deleteIfPresent(
                    Pod.self, namespace: namespace, name: pod, options: DeleteOptions(gracePeriodSeconds: grace, uid: uid))
            } catch let error as KubernetesAPIError where error.isConflict {
                return  // Another pod of that name by now.
            }
        }
    }

    /// A pod of that name which is not the one meant (an earlier attempt's, a former task's) is not "already there": the
    /// next plan sees it and makes room.
    private func create(_ pod: Pod) async throws {
        let present = try await api.createIfAbsent(pod)
        let attempt = TaskLayout.attemptAnnotation
        guard present.hasOwner(of: pod) else {
            try await refuseOthers(present)
            throw InTheWay(object: "Pod \(present.namespacedName)", why: "it is not this task's; waiting for its end")
        }
        guard present.metadata.annotations[attempt] == pod.metadata.annotations[attempt] else {
            throw InTheWay(object: "Pod \(present.namespacedName)", why: "an earlier attempt's; waiting for its end")
        }
    }

    /// Throws when another task that is there owns the object. Task `a` in role `b` and task `a-b` share names: what the one made
    /// is not the leftover of a former task, and must neither be deleted nor used by the other.
    private func refuseOthers<T: KubernetesObject>(_ present: T) async throws {
        for owner in present.metadata.ownerReferences where owner.kind == KusciaTask.kind {
            let task = try await api.find(KusciaTask.self, namespace: Kuscia.crossDomainNamespace, name: owner.name)
            guard let task, task.metadata.uid == owner.uid, task.metadata.deletionTimestamp == nil else { continue }
            throw NameTaken(object: "\(T.kind) \(present.namespacedName)", owner: owner.name)
        }
    }

    private func apply(_ map: ConfigMap) async throws {
        let present = try await createOwn(map)
        guard present.data != map.data else { return }
        // Whole, so that keys which are no longer wanted go.
        let change = JSONValue.mergeDifference(from: try JSON.encodeToValue(present.data), to: try JSON.encodeToValue(map.data))
        try await api.patch(
            ConfigMap.self, namespace: map.metadata.namespace, name: map.metadata.name, merge: ["data": change ?? .null])
    }

    private func apply(_ service: Service) async throws {
        let present = try await createOwn(service)
        guard present.spec.ports != service.spec.ports else { return }
        try await api.patch(
            Service.self, namespace: service.metadata.namespace, name: service.metadata.name,
            merge: ["spec": ["ports": try JSON.encodeToValue(service.spec.ports)]])
    }

    /// Creates the object or returns ours that is there. A former task's is replaced rather than taken over: the garbage
    /// collector is about to delete it.
    private func createOwn<T: KubernetesObject>(_ object: T) async throws -> T {
        let present = try await api.createIfAbsent(object)
        if present.hasOwner(of: object) { return present }
        guard present.metadata.ownerReferences.contains(where: { $0.kind == KusciaTask.kind }) else {
            throw InTheWay(object: "\(T.kind) \(present.namespacedName)", why: "it belongs to no task")
        }
        try await refuseOthers(present)
        try await api.deleteIfPresent(
            T.self, namespace: object.metadata.namespace, name: object.metadata.name,
            options: DeleteOptions(uid: present.metadata.uid))
        return try await api.create(object)
    }

    private func announce(_ task: KusciaTask, _ status: KusciaTaskStatus) {
        guard status.phase != task.status.phase, let phase = status.phase else { return }
        logger.info(
            "task", metadata: ["task": "\(task.namespacedName)", "phase": "\(phase.rawValue)", "why": "\(status.message ?? "")"])
        switch phase {
        case .failed:
            recorder.record(task, .warning, reason: status.reason ?? "TaskFailed", message: status.message ?? "The task failed")
        case .pending, .running, .succeeded:
            recorder.record(task, .normal, reason: "Task\(phase.rawValue)", message: "The task is \(phase.rawValue)")
        }
    }
}

/// An object that this task must make is another's, who is there and needs it: waiting would not help.
private struct NameTaken: Error, CustomStringConvertible {
    var object: String
    var owner: String
    var description: String {
        "\(object) belongs to KusciaTask \"\(owner)\"; the two tasks' names lead to the same objects: choose another taskID"
    }
}

/// Something that may go has the name of an object that this task must make.
private struct InTheWay: Error, CustomStringConvertible {
    var object: String
    var why: String
    var description: String { "\(object) is in the way: \(why)" }
}
