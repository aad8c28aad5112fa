// Carries out what `JobPlanner` decides about KusciaJobs: makes, stops and removes their tasks and writes their status.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging
import Orchestration

public struct KusciaJobController: Sendable {
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
    private let writes = OwnWrites<KusciaTask>()

    public init(
        api: any KubernetesAPI, informers: SharedInformers, recorder: EventRecorder, now: @escaping @Sendable () -> Timestamp,
        logger: Logger
    ) {
        self.api = api
        self.informers = informers
        self.recorder = recorder
        self.now = now
        self.logger = logger
    }

    public func run() async throws {
        informers.jobs.onEvent { event in
            let job = event.object.metadata
            queue.add(Key(namespace: job.namespace ?? "", name: job.name))
        }
        informers.tasks.onEvent { event in
            let isGone = if case .deleted = event { true } else { false }
            writes.heard(of: event.object, isGone: isGone)
            let task = event.object.metadata
            if let job = task.labels[KusciaLabel.jobID] { queue.add(Key(namespace: task.namespace ?? "", name: job)) }
        }
        await informers.waitUntilSynced()
        await queue.run(workers: Self.workers) { key, error in
            // A conflict only says that the job moved on meanwhile; the next plan sees it.
            logger.debug("job not brought up to date; trying again", metadata: ["job": "\(key.name)", "error": "\(error)"])
        } work: { key in
            try await bringUpToDate(key)
        }
    }

    private func bringUpToDate(_ key: Key) async throws {
        guard let job = try await api.find(KusciaJob.self, namespace: key.namespace, name: key.name),
            job.metadata.deletionTimestamp == nil
        else { return }
        // The local copy, and what it does not know yet: a task made a moment ago must count against maxParallelism, and one that was
        // removed for a restart must not fail the job again. A job of the same name that was deleted may have left some.
        let uid = job.metadata.uid
        let counted = writes.objects { task in
            task.metadata.namespace == key.namespace && task.metadata.labels[KusciaLabel.jobID] == key.name
        } copied: {
            informers.tasks(ofJob: ObjectKey(namespace: key.namespace, name: key.name))
        }
        let own = counted.filter { task in task.metadata.ownerReferences.contains { $0.uid == uid } }
        let world = JobWorld(
            job: job, tasks: Dictionary(own.map { ($0.metadata.name, $0) }, uniquingKeysWith: { $1 }),
            appImage: { informers.appImages.get(name: $0) }, now: now())
        var plan = JobPlanner.plan(world)
        do {
            for action in plan.actions { try await carryOut(action, job, own) }
        } catch let error as KubernetesAPIError where error.isRefusal {
            plan = JobPlanner.refused(world, message: "\(error)")
        }
        try await api.writeStatus(of: job, from: job.status, to: plan.status)
        announce(job, plan.status)
    }

    private func carryOut(_ action: JobAction, _ job: KusciaJob, _ tasks: [KusciaTask]) async throws {
        switch action {
        case .create(let task):
            try await create(task, job)
        case .stop(let name, let reason, let message):
            guard let task = tasks.first(where: { $0.metadata.name == name }) else { return }
            var status = task.status
            status.phase = .failed
            status.reason = reason
            status.message = message
            status.completionTime = now()
            try await api.writeStatus(of: task, from: task.status, to: status)
        case .remove(let name):
            guard let task = tasks.first(where: { $0.metadata.name == name }) else { return }
            try await writes.removing(task.metadata.uid ?? "") {
                try await api.deleteIfPresent(KusciaTask.self, namespace: job.metadata.namespace, name: name)
            }
            // The deletion was heard of before it was noted: there is nothing left to wait for.
            if informers.tasks.get(namespace: job.metadata.namespace, name: name)?.metadata.uid != task.metadata.uid {
                writes.heard(of: task, isGone: true)
            }
        }
    }

    /// A task of that name which belongs to another job is an error that the user must see, not "already there".
    private func create(_ task: KusciaTask, _ job: KusciaJob) async throws {
        let present = try await writes.creating(task.observedKey) { try await api.createIfAbsent(task) }
        guard !present.hasOwner(of: task) else { return }
        // One of a former job of this name is about to be collected.
        if !present.metadata.ownerReferences.contains(where: { $0.kind == KusciaJob.kind && $0.name == job.metadata.name }) {
            recorder.record(
                job, .warning, reason: "TaskNameTaken",
                message: "KusciaTask \(present.namespacedName) exists already and belongs to another job; choose another taskID")
        }
        throw KubernetesAPIError.transport("task \(present.namespacedName) belongs to another job")
    }

    private func announce(_ job: KusciaJob, _ status: KusciaJobStatus) {
        guard status.phase != job.status.phase, let phase = status.phase else { return }
        logger.info("job", metadata: ["job": "\(job.namespacedName)", "phase": "\(phase.rawValue)"])
        switch phase {
        case .succeeded: recorder.record(job, .normal, reason: "JobSucceeded", message: "All tasks that matter have succeeded")
        case .failed:
            recorder.record(job, .warning, reason: status.reason ?? "JobFailed", message: status.message ?? "The job failed")
        case .initialized, .awaitingApproval, .approvalReject, .pending, .running, .suspended, .cancelled:
            recorder.record(job, .normal, reason: "Job\(phase.rawValue)", message: "The job is \(phase.rawValue)")
        }
    }
}
