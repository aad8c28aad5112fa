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
    /// How often a job looks whether a name that it needs is free.
    static let nameInterval = Duration.seconds(3)

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
            job: job, tasks: Dictionary(own.map { ($0.metadata.name, $0) }, uniquingKeysWith: { $1 }), taken: taken(by: job),
            appImage: { informers.appImages.get(name: $0) }, now: now())
        var plan = JobPlanner.plan(world)
        var notYet: NotYet?
        do {
            for action in plan.actions {
                do {
                    try await carryOut(action, job, own)
                } catch let error as NotYet {
                    // The others do not depend on it, and the status says what the plan found.
                    notYet = error
                }
            }
        } catch let error as KubernetesAPIError where error.isRefusal {
            plan = JobPlanner.refused(world, message: "\(error)")
        }
        try await api.writeStatus(of: job, from: job.status, to: plan.status)
        announce(job, plan.status)
        if let notYet { throw notYet }
        // The end of another's task is no event of this job.
        if plan.status.reason == JobPlanner.nameTaken { queue.add(key, after: Self.nameInterval) }
    }

    /// Tasks of others under the names of the job's own, by name. One of a former job of this name is about to be collected, and
    /// then the name is free.
    private func taken(by job: KusciaJob) -> [String: String] {
        var taken: [String: String] = [:]
        for template in job.spec.tasks {
            let name = JobPlanner.taskID(job, template)
            guard let present = informers.tasks.get(namespace: job.metadata.namespace, name: name) else { continue }
            let owners = present.metadata.ownerReferences
            if owners.contains(where: { $0.kind == KusciaJob.kind && $0.name == job.metadata.name }) { continue }
            taken[name] = owners.first.map { "\($0.kind) \"\($0.name)\"" } ?? "no job"
        }
        return taken
    }

    private func carryOut(_ action: JobAction, _ job: KusciaJob, _ tasks: [KusciaTask]) async throws {
        switch action {
        case .create(let task):
            try await create(task, job)
        case .stop(let name, let reason, let message):
            guard let task = tasks.first(where: { $0.metadata.name == name }) else { return }
            let status = TaskPlanner.stopped(task, reason: reason, message: message, now: now())
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

    /// A task of that name which is another's is not "already there". The next plan knows it and says so in the status.
    private func create(_ task: KusciaTask, _ job: KusciaJob) async throws {
        let present = try await writes.creating(task.observedKey) { try await api.createIfAbsent(task) }
        if !present.hasOwner(of: task) { throw NotYet(task: present.namespacedName) }
    }

    private func announce(_ job: KusciaJob, _ status: KusciaJobStatus) {
        if status.reason == JobPlanner.nameTaken, status.message != job.status.message, let message = status.message {
            recorder.record(job, .warning, reason: JobPlanner.nameTaken, message: message)
        }
        let command = status.conditions.first { $0.type == JobPlanner.stageCondition }
        if let command, command.status == .false, !job.status.conditions.contains(command) {
            recorder.record(job, .warning, reason: "StageCommandRefused", message: command.message ?? "")
        }
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

/// A task cannot be made yet, because another has its name.
private struct NotYet: Error, CustomStringConvertible {
    var task: String
    var description: String { "task \(task) is there and not this job's" }
}
