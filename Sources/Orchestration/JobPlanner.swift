// Decides what becomes of a KusciaJob: given the job as stored and its tasks as reported, the tasks to make, to stop and to
// remove, and the status to write. Level-triggered, like `TaskPlanner`.
//
//      (new) --> Initialized --> Pending --> Running --> Succeeded
//                     |                       | | \----> Failed      <--\ Stop
//                     |                       | \------> Suspended      |   Restart: Failed, Suspended --> Running
//                     \--> Failed             \--------> Cancelled <----/ Cancel (also of Failed and Suspended)
//
// I-JOB-1  Succeeded and Cancelled are final; Failed and Suspended end only by a stage command.
// I-JOB-2  A task starts only when all tasks that it depends on have succeeded.
// I-JOB-3  Never more than maxParallelism tasks are under way.
// I-JOB-4  A command (label job-stage with its version) is carried out once, or refused once and in words.
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
    /// Tasks of others that have the name of one of the job's: by name, whose it is.
    public var taken: [String: String]
    public var appImage: (String) -> AppImage?
    public var now: Timestamp

    public init(
        job: KusciaJob, tasks: [String: KusciaTask], taken: [String: String] = [:], appImage: @escaping (String) -> AppImage?,
        now: Timestamp
    ) {
        self.job = job
        self.tasks = tasks
        self.taken = taken
        self.appImage = appImage
        self.now = now
    }
}

public enum JobPlanner {
    public static func plan(_ world: JobWorld) -> JobPlan {
        var plan = JobPlan(status: world.job.status)
        if let command = command(world), !command.waits(for: world.job.status.phase) {
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
        tellOfWaiting(world, &plan.status)
        if plan.status != world.job.status { plan.status.lastReconcileTime = world.now }
        return plan
    }

    /// A job under way says what keeps it: a node that fell silent, a task's name that is another's, or what a task waits for.
    private static func tellOfWaiting(_ world: JobWorld, _ status: inout KusciaJobStatus) {
        guard status.phase == .running else { return }
        let open = world.tasks.filter { $0.value.status.phase?.isFinished != true }.sorted { $0.key < $1.key }
        let silent = open.first { _, task in
            task.status.conditions.contains { $0.type == TaskPlanner.nodesReporting && $0.status == .false }
        }
        if let silent {
            status.reason = "NodeSilent"
            status.message = "task \(silent.key): \(silent.value.status.message ?? "a node does not report")"
        } else if let taken = takenName(world, status) {
            status.reason = nameTaken
            status.message = taken
        } else if let waiting = open.first(where: { $0.value.status.message?.isEmpty == false }) {
            status.reason = "TaskWaiting"
            status.message = "task \(waiting.key): \(waiting.value.status.message ?? "")"
        } else if let reason = status.reason, ["NodeSilent", nameTaken, "TaskWaiting"].contains(reason) {
            status.reason = nil
            status.message = nil
        }
    }

    /// Reason of a job under way one of whose tasks cannot be made, because another's has its name.
    public static let nameTaken = "TaskNameTaken"

    private static func takenName(_ world: JobWorld, _ status: KusciaJobStatus) -> String? {
        for template in world.job.spec.tasks {
            let id = taskID(world.job, template)
            guard let owner = world.taken[id], world.tasks[id] == nil, status.taskStatus[id]?.isFinished != true else { continue }
            return "task \"\(template.alias)\" cannot be made: KusciaTask \"\(id)\" is there already and belongs to \(owner); "
                + "delete that one, or submit this job again with another taskID"
        }
        return nil
    }

    /// Name of a template's KusciaTask.
    public static func taskID(_ job: KusciaJob, _ template: KusciaTaskTemplate) -> String {
        KusciaTaskID.of(taskID: template.taskID, alias: template.alias, job: job.metadata.name)
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

        /// Suspend before anything runs: it is carried out when the job would begin.
        func waits(for phase: KusciaJobPhase?) -> Bool {
            guard stage == "Suspend" else { return false }
            return switch phase {
            case nil, .initialized, .awaitingApproval, .pending: true
            case .running, .succeeded, .failed, .suspended, .cancelled, .approvalReject: false
            }
        }

        /// What the condition says of a command that was not carried out.
        func refusal(_ why: String) -> String { "version \(version): \(why)" }

        func isDone(_ condition: KusciaCondition?) -> Bool {
            guard let condition, condition.reason == stage, let message = condition.message else { return false }
            return condition.status == .true ? message == version : message.hasPrefix(refusal(""))
        }
    }

    /// The condition that tells of the last stage command: True with its version, or False with why it was not carried out.
    public static let stageCondition = "JobStage"

    /// The stage command that was not carried out yet.
    private static func command(_ world: JobWorld) -> Command? {
        let labels = world.job.metadata.labels
        guard let stage = labels[KusciaLabel.jobStage], world.job.status.phase != nil else { return nil }
        let command = Command(stage: stage, version: labels[KusciaLabel.jobStageVersion] ?? "0")
        return command.isDone(world.job.status.conditions.first { $0.type == stageCondition }) ? nil : command
    }

    private static func obey(_ command: Command, _ world: JobWorld, _ plan: inout JobPlan) {
        // I-JOB-4
        if let why = obstacle(to: command, world) {
            setCondition(
                &plan.status, stageCondition, .false, reason: command.stage, message: command.refusal(why), now: world.now)
            return
        }
        setCondition(&plan.status, stageCondition, .true, reason: command.stage, message: command.version, now: world.now)
        switch command.stage {
        case "Stop": end(world, &plan, .failed, "JobStopped", "stopped by command")
        case "Cancel": end(world, &plan, .cancelled, "JobCancelled", "cancelled by command")
        case "Suspend": end(world, &plan, .suspended, "JobSuspended", "suspended by command")
        case "Restart":
            for (name, task) in world.tasks.sorted(by: { $0.key < $1.key }) where task.status.phase != .succeeded {
                plan.actions.append(.remove(task: name))
            }
            plan.status.phase = .running
            plan.status.reason = nil
            plan.status.message = nil
            plan.status.completionTime = nil
            plan.status.taskStatus = plan.status.taskStatus.filter { $0.value == .succeeded }
        default: break  // Create and Start are what happens anyway.
        }
    }

    /// Why a command does not fit the job as it is; nil when it does. I-JOB-1.
    private static func obstacle(to command: Command, _ world: JobWorld) -> String? {
        let phase = world.job.status.phase
        let fits: Bool
        switch (command.stage, phase) {
        case ("Create", _), ("Start", _): fits = true
        case ("Stop", .initialized?), ("Stop", .awaitingApproval?), ("Stop", .pending?): fits = true
        case ("Stop", .running?), ("Stop", .suspended?): fits = true
        case ("Cancel", .succeeded?), ("Cancel", .cancelled?), ("Cancel", .approvalReject?): fits = false
        case ("Cancel", _): fits = true
        case ("Suspend", .running?): fits = true
        case ("Restart", .failed?), ("Restart", .suspended?): fits = true
        case ("Stop", _), ("Suspend", _), ("Restart", _): fits = false
        default: return "found \"\(command.stage)\", expected Create, Start, Stop, Cancel, Suspend or Restart"
        }
        return fits ? nil : "\(command.stage) does not fit a job that is \(phase?.rawValue ?? "new")"
    }

    private static func end(
        _ world: JobWorld, _ plan: inout JobPlan, _ phase: KusciaJobPhase, _ reason: String, _ message: String
    ) {
        stopAll(world, &plan, reason: reason, message: message)
        plan.status.phase = phase
        plan.status.reason = reason
        plan.status.message = message
        // A Failed job that is cancelled ended when it failed.
        if phase != .suspended { plan.status.completionTime = plan.status.completionTime ?? world.now }
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
            plan.status.reason = nil
            plan.status.message = nil
            return
        }
        // I-JOB-3
        let room = max(0, (world.job.spec.maxParallelism ?? 1) - underWay)
        // One whose name is another's cannot be made, and must not keep the others from it.
        plan.actions += ready.filter { world.taken[id($0)] == nil }.prefix(room).map { .create(task(world, $0)) }
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
        var labels = [KusciaLabel.jobID: job.metadata.name]
        if LabelValue.problems(with: template.alias).isEmpty { labels[KusciaLabel.taskAlias] = template.alias }
        return KusciaTask(
            metadata: ObjectMeta(
                name: taskID(job, template), namespace: job.metadata.namespace, labels: labels,
                annotations: [KusciaAnnotation.taskAlias: template.alias],
                ownerReferences: OwnerReference(controller: job).map { [$0] } ?? []),
            spec: KusciaTaskSpec(
                initiator: job.spec.initiator, taskInputConfig: template.taskInputConfig, scheduleConfig: template.scheduleConfig,
                parties: template.parties.map { party(world, template, $0) }))
    }

    /// A party's resources are shared out among its containers; its runtime class is for the whole pod.
    private static func party(_ world: JobWorld, _ template: KusciaTaskTemplate, _ party: KusciaJobParty) -> KusciaTaskParty {
        var spec: AppImagePodSpec?
        if let name = party.runtimeClassName { spec = AppImagePodSpec(runtimeClassName: name) }
        if let resources = party.resources {
            let image = world.appImage(template.appImage)
            spec = spec ?? AppImagePodSpec()
            spec?.containers = PartyOverrides.shares(
                of: resources, image.flatMap { TaskLayout.template(of: $0, role: party.role ?? "") })
        }
        return KusciaTaskParty(
            domainID: party.domainID, appImageRef: template.appImage, role: party.role,
            template: spec.map { KusciaPodTemplate(spec: $0) },
            bandwidthLimits: party.bandwidthLimits)
    }
}
