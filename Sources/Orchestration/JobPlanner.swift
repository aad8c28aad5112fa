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
            case nil:
                plan.status.phase = .initialized
                plan.status.startTime = world.now
            case .initialized, .awaitingApproval: validate(world, &plan)
            case .pending: plan.status.phase = .running
            case .running: advance(world, &plan)
            case .failed, .suspended, .cancelled:
                stopAll(world, &plan, reason: "JobStopped", message: "job \(phaseWord(world)) already")
                note(world, &plan)
                followCause(world, &plan)
            case .succeeded, .approvalReject: break
            }
        }
        tellOfSilence(world, &plan.status)
        if plan.status != world.job.status { plan.status.lastReconcileTime = world.now }
        return plan
    }

    /// A job under way says which of its tasks waits for a node that fell silent.
    private static func tellOfSilence(_ world: JobWorld, _ status: inout KusciaJobStatus) {
        guard status.phase == .running else { return }
        let silent = world.tasks.sorted { $0.key < $1.key }.first { _, task in
            task.status.phase?.isFinished != true
                && task.status.conditions.contains { $0.type == TaskPlanner.nodesReporting && $0.status == .false }
        }
        if let silent {
            status.reason = "NodeSilent"
            status.message = "task \(silent.key): \(silent.value.status.message ?? "a node does not report")"
        } else if status.reason == "NodeSilent" {
            status.reason = nil
            status.message = nil
        }
    }

    /// Name of a template's KusciaTask. An alias may have letters that a name must not have.
    public static func taskID(_ job: KusciaJob, _ template: KusciaTaskTemplate) -> String {
        if let id = template.taskID, !id.isEmpty { return id }
        let alias = template.alias.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return "\(job.metadata.name)-\(String(alias))"
    }

    /// The plan for a job one of whose tasks the server refuses for good. What runs is stopped by the next plan.
    public static func refused(_ world: JobWorld, message: String) -> JobPlan {
        var plan = JobPlan(status: world.job.status)
        fail(&plan, world, "TaskRefused", message)
        plan.status.lastReconcileTime = world.now
        return plan
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
            for (name, task) in world.tasks.sorted(by: { $0.key < $1.key }) where task.status.phase != .succeeded {
                plan.actions.append(.remove(task: name))
            }
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
            _ = try graph(world.job)
            plan.status.phase = .pending
        } catch {
            fail(&plan, world, "ValidateFailed", "\(error)")
        }
    }

    /// The job's graph, once the names of its tasks are good too.
    private static func graph(_ job: KusciaJob) throws(TaskGraph.Defect) -> TaskGraph {
        let graph = try TaskGraph(job.spec.tasks)
        var names: [String: Int] = [:]
        for (index, template) in graph.tasks.enumerated() {
            let name = taskID(job, template)
            if let problem = DNSLabel.problems(with: name).first {
                throw TaskGraph.Defect(
                    field: "spec.tasks[\(index)].taskID", message: "\"\(name)\" is no name for a KusciaTask: \(problem)")
            }
            if let first = names.updateValue(index, forKey: name) {
                throw TaskGraph.Defect(
                    field: "spec.tasks[\(index)].taskID", message: "\"\(name)\" is the task id of spec.tasks[\(first)] already")
            }
        }
        return graph
    }

    private static func advance(_ world: JobWorld, _ plan: inout JobPlan) {
        let graph: TaskGraph
        do {
            graph = try self.graph(world.job)
        } catch {
            return fail(&plan, world, "ValidateFailed", "\(error)")
        }
        note(world, &plan)
        let id = { taskID(world.job, $0) }
        let phases = phases(world)
        let critical = graph.tasks.filter { $0.tolerable != true }
        let failedCritical = critical.filter { phases[id($0)] == .some(.failed) }
        if let first = failedCritical.first, (world.job.spec.scheduleMode ?? .strict) == .strict {
            return give(up: first, world, &plan)
        }
        let ready = graph.ready(phases: phases, id: id)
        let underWay = world.tasks.values.filter { $0.status.phase?.isFinished != true }.count
        if underWay == 0 && ready.isEmpty {
            if let first = failedCritical.first { return give(up: first, world, &plan) }
            if let blocked = critical.first(where: { phases[id($0)] == nil }) {
                let text = "task \"\(blocked.alias)\" cannot start: it depends on "
                let cause = graph.failedAncestor(of: blocked, phases: phases, id: id)
                return fail(
                    &plan, world, "DependencyFailed", text + (cause.map { failureText($0, world) } ?? "a task that failed"))
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

    /// The tasks' phases by name. A finished task whose object was deleted stays what it was: it is not run again.
    private static func phases(_ world: JobWorld) -> [String: KusciaTaskPhase?] {
        var phases = world.tasks.mapValues { $0.status.phase }
        for (name, phase) in world.job.status.taskStatus where phase.isFinished && world.tasks[name] == nil {
            phases[name] = phase
        }
        return phases
    }

    private static func give(up template: KusciaTaskTemplate, _ world: JobWorld, _ plan: inout JobPlan) {
        let task = world.tasks[taskID(world.job, template)]
        stopAll(world, &plan, reason: "JobFailed", message: "task \"\(template.alias)\" failed")
        fail(&plan, world, task?.status.reason ?? "TaskFailed", failureText(template, world))
    }

    private static func failureText(_ template: KusciaTaskTemplate, _ world: JobWorld) -> String {
        let name = taskID(world.job, template)
        return failurePrefix(template, name) + (world.tasks[name]?.status.message ?? "no cause is known any more")
    }

    private static func failurePrefix(_ template: KusciaTaskTemplate, _ name: String) -> String {
        "task \"\(template.alias)\" (\(name)) failed: "
    }

    /// A task's cause may be put right after its verdict (see `TaskPlanner`): the job's words follow.
    private static func followCause(_ world: JobWorld, _ plan: inout JobPlan) {
        let culprit = world.job.spec.tasks.first { template in
            world.job.status.message?.hasPrefix(failurePrefix(template, taskID(world.job, template))) == true
        }
        guard world.job.status.phase == .failed, let culprit,
            let task = world.tasks[taskID(world.job, culprit)], task.status.phase == .failed
        else { return }
        plan.status.reason = task.status.reason ?? plan.status.reason
        plan.status.message = failureText(culprit, world)
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
            KusciaCondition(
                type: type, status: value, reason: reason, message: message, lastUpdateTime: now, lastTransitionTime: now))
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

    /// A party's resources apply to the first container of its deploy template; its runtime class to the whole pod.
    private static func party(_ world: JobWorld, _ template: KusciaTaskTemplate, _ party: KusciaJobParty) -> KusciaTaskParty {
        var spec: AppImagePodSpec?
        if let name = party.runtimeClassName { spec = AppImagePodSpec(runtimeClassName: name) }
        if let resources = party.resources {
            let image = world.appImage(template.appImage)
            let first = image.flatMap { TaskLayout.template(of: $0, role: party.role ?? "") }?.spec.containers.first?.name
            spec = spec ?? AppImagePodSpec()
            spec?.containers = [AppImageContainer(name: first ?? "", resources: resources)]
        }
        return KusciaTaskParty(
            domainID: party.domainID, appImageRef: template.appImage, role: party.role,
            template: spec.map { KusciaPodTemplate(spec: $0) },
            bandwidthLimits: party.bandwidthLimits)
    }
}
