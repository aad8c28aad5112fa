// Decides what becomes of a KusciaJob: given the job as stored and its tasks as reported, the tasks to make, to stop and to
// remove, and the status to write. Level-triggered, like `TaskPlanner`.
//
//      (new) --> Initialized --> Pending --> Running --> Succeeded
//                     |                       | | \----> Failed      <--\ Stop
//                     |                       | \------> Suspended      |   Restart: Failed, Suspended --> Running
//                     \--> Failed             \--------> Cancelled <----/ Cancel
//
// I-JOB-1  Succeeded and Cancelled are final; Failed and Suspended end only by the stage command Restart.
// I-JOB-2  A task starts only when all tasks that it depends on have succeeded.
// I-JOB-3  Never more than maxParallelism tasks are under way.
// I-JOB-4  A command (label job-stage with its version) is carried out once.
import KubernetesModel
import KusciaModel

public enum JobAction: Sendable, Hashable {
    case create(KusciaTask)
    /// Fails a task that is under way, for this reason.
    case stop(task: String, reason: String, message: String)
    /// Removes a task, so that it is made anew.
    case remove(task: String)
}

public struct JobPlan: Sendable {
    public var actions: [JobAction] = []
    public var status: KusciaJobStatus
}

public struct JobWorld {
    public var job: KusciaJob
    /// The job's tasks by name.
    public var tasks: [String: KusciaTask]
    public var appImage: (String) -> AppImage?
    public var now: Timestamp

    public init(job: KusciaJob, tasks: [String: KusciaTask], appImage: @escaping (String) -> AppImage?, now: Timestamp) {
        self.job = job
        self.tasks = tasks
        self.appImage = appImage
        self.now = now
    }
}

public enum JobPlanner {
    public static func plan(_ world: JobWorld) -> JobPlan {
        var plan = JobPlan(status: world.job.status)
        if let command = command(world) {
            obey(command, world, &plan)
        } else {
            switch world.job.status.phase {
            case nil: plan.status.phase = .initialized
                plan.status.startTime = world.now
            case .initialized, .awaitingApproval: validate(world, &plan)
            case .pending: plan.status.phase = .running
            case .running: advance(world, &plan)
            case .failed, .suspended, .cancelled: stopAll(world, &plan, reason: "JobStopped", message: "job \(phaseWord(world)) already")
                note(world, &plan)
            case .succeeded, .approvalReject: break
            }
        }
        if plan.status != world.job.status { plan.status.lastReconcileTime = world.now }
        return plan
    }

    /// Name of a template's KusciaTask.
    public static func taskID(_ job: KusciaJob, _ template: KusciaTaskTemplate) -> String {
        template.taskID ?? "\(job.metadata.name)-\(template.alias)"
    }

    private static func phaseWord(_ world: JobWorld) -> String { (world.job.status.phase?.rawValue ?? "").lowercased() }

    // MARK: commands

    private struct Command {
        var stage: String
        var version: String
    }

    /// The stage command that was not carried out yet.
    private static func command(_ world: JobWorld) -> Command? {
        let labels = world.job.metadata.labels
        guard let stage = labels[KusciaLabel.jobStage], world.job.status.phase != nil else { return nil }
        let command = Command(stage: stage, version: labels[KusciaLabel.jobStageVersion] ?? "0")
        let done = world.job.status.conditions.first { $0.type == "JobStage" }
        return done?.reason == command.stage && done?.message == command.version ? nil : command
    }

    private static func obey(_ command: Command, _ world: JobWorld, _ plan: inout JobPlan) {
        // I-JOB-4
        setCondition(&plan.status, "JobStage", .true, reason: command.stage, message: command.version, now: world.now)
        let phase = world.job.status.phase
        switch command.stage {
        case "Stop": end(world, &plan, .failed, "JobStopped", "stopped by command")
        case "Cancel": end(world, &plan, .cancelled, "JobCancelled", "cancelled by command")
        case "Suspend" where phase == .running: end(world, &plan, .suspended, "JobSuspended", "suspended by command")
        case "Restart" where phase == .failed || phase == .suspended:
            for (name, task) in world.tasks where task.status.phase != .succeeded { plan.actions.append(.remove(task: name)) }
            plan.status.phase = .running
            plan.status.reason = nil
            plan.status.message = nil
            plan.status.completionTime = nil
            plan.status.taskStatus = plan.status.taskStatus.filter { $0.value == .succeeded }
        default: break  // Create and Start are what happens anyway; the rest does not fit the phase.
        }
    }

    private static func end(
        _ world: JobWorld, _ plan: inout JobPlan, _ phase: KusciaJobPhase, _ reason: String, _ message: String
    ) {
        switch world.job.status.phase {
        case .succeeded, .cancelled, .failed, .approvalReject: return  // I-JOB-1
        case nil, .initialized, .awaitingApproval, .pending, .running, .suspended: break
        }
        stopAll(world, &plan, reason: reason, message: message)
        plan.status.phase = phase
        plan.status.reason = reason
        plan.status.message = message
        if phase != .suspended { plan.status.completionTime = world.now }
    }

    private static func stopAll(_ world: JobWorld, _ plan: inout JobPlan, reason: String, message: String) {
        for (name, task) in world.tasks.sorted(by: { $0.key < $1.key }) where task.status.phase?.isFinished != true {
            plan.actions.append(.stop(task: name, reason: reason, message: message))
        }
    }

    // MARK: life

    private static func validate(_ world: JobWorld, _ plan: inout JobPlan) {
        do {
            _ = try TaskGraph(world.job.spec.tasks)
            plan.status.phase = .pending
        } catch {
            fail(&plan, world, "ValidateFailed", "\(error)")
        }
    }

    private static func advance(_ world: JobWorld, _ plan: inout JobPlan) {
        let graph: TaskGraph
        do {
            graph = try TaskGraph(world.job.spec.tasks)
        } catch {
            return fail(&plan, world, "ValidateFailed", "\(error)")
        }
        note(world, &plan)
        let id = { taskID(world.job, $0) }
        let critical = graph.tasks.filter { $0.tolerable != true }
        let failedCritical = critical.filter { world.tasks[id($0)]?.status.phase == .failed }
        if let first = failedCritical.first, (world.job.spec.scheduleMode ?? .strict) == .strict {
            return give(up: first, world, &plan)
        }
        let phases = world.tasks.mapValues { $0.status.phase }
        let ready = graph.ready(phases: phases, id: id)
        let underWay = world.tasks.values.filter { $0.status.phase?.isFinished != true }.count
        if underWay == 0 && ready.isEmpty {
            if let first = failedCritical.first { return give(up: first, world, &plan) }
            if let blocked = critical.first(where: { world.tasks[id($0)] == nil }) {
                return fail(&plan, world, "DependencyFailed", "task \"\(blocked.alias)\" cannot start: a task that it depends on failed")
            }
            plan.status.phase = .succeeded
            plan.status.completionTime = world.now
            plan.status.message = nil
            return
        }
        // I-JOB-3
        let room = max(0, (world.job.spec.maxParallelism ?? 1) - underWay)
        plan.actions += ready.prefix(room).map { .create(task(world, $0)) }
    }

    private static func give(up template: KusciaTaskTemplate, _ world: JobWorld, _ plan: inout JobPlan) {
        let name = taskID(world.job, template)
        let why = world.tasks[name]?.status.message ?? "failed"
        stopAll(world, &plan, reason: "JobFailed", message: "task \"\(template.alias)\" failed")
        fail(&plan, world, world.tasks[name]?.status.reason ?? "TaskFailed", "task \"\(template.alias)\" (\(name)) failed: \(why)")
    }

    private static func fail(_ plan: inout JobPlan, _ world: JobWorld, _ reason: String, _ message: String) {
        plan.status.phase = .failed
        plan.status.reason = reason
        plan.status.message = message
        plan.status.completionTime = world.now
    }

    private static func note(_ world: JobWorld, _ plan: inout JobPlan) {
        for (name, task) in world.tasks { plan.status.taskStatus[name] = task.status.phase ?? .pending }
    }

    private static func setCondition(
        _ status: inout KusciaJobStatus, _ type: String, _ value: ConditionStatus, reason: String, message: String, now: Timestamp
    ) {
        status.conditions.removeAll { $0.type == type }
        status.conditions.append(
            KusciaCondition(type: type, status: value, reason: reason, message: message, lastUpdateTime: now, lastTransitionTime: now))
    }

    // MARK: tasks

    private static func task(_ world: JobWorld, _ template: KusciaTaskTemplate) -> KusciaTask {
        let job = world.job
        return KusciaTask(
            metadata: ObjectMeta(
                name: taskID(job, template), namespace: job.metadata.namespace,
                labels: [KusciaLabel.jobID: job.metadata.name, KusciaLabel.taskAlias: template.alias],
                ownerReferences: OwnerReference(controller: job).map { [$0] } ?? []),
            spec: KusciaTaskSpec(
                initiator: job.spec.initiator, taskInputConfig: template.taskInputConfig, scheduleConfig: template.scheduleConfig,
                parties: template.parties.map { party(world, template, $0) }))
    }

    /// A party's resources apply to the first container of its deploy template.
    private static func party(_ world: JobWorld, _ template: KusciaTaskTemplate, _ party: KusciaJobParty) -> KusciaTaskParty {
        var pod: KusciaPodTemplate?
        if let resources = party.resources {
            let image = world.appImage(template.appImage)
            let first = image.flatMap { TaskLayout.template(of: $0, role: party.role ?? "") }?.spec.containers.first?.name
            pod = KusciaPodTemplate(spec: AppImagePodSpec(containers: [AppImageContainer(name: first ?? "", resources: resources)]))
        }
        return KusciaTaskParty(
            domainID: party.domainID, appImageRef: template.appImage, role: party.role, template: pod,
            bandwidthLimits: party.bandwidthLimits)
    }
}
