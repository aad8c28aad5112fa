// What becomes of a job, in every phase.
import KubernetesModel
import KusciaModel
import Testing

@testable import Orchestration

/// A job and its tasks, which the test ends by hand.
struct JobLaboratory {
    var job: KusciaJob
    var tasks: [String: KusciaTask] = [:]
    var image: AppImage? = appImage()
    var taken: [String: String] = [:]
    var now = start
    private(set) var created: [String] = []
    private(set) var stopped: [String] = []
    private(set) var removed: [String] = []

    init(_ templates: [KusciaTaskTemplate], parallel: Int? = nil, mode: KusciaJobScheduleMode? = nil) {
        job = KusciaJob(
            metadata: ObjectMeta(name: "job", namespace: "cross-domain", uid: "job-uid"),
            spec: KusciaJobSpec(initiator: "alice", scheduleMode: mode, maxParallelism: parallel, tasks: templates))
    }

    var phase: KusciaJobPhase? { job.status.phase }
    var message: String { job.status.message ?? "" }
    var underWay: Int { tasks.values.count { $0.status.phase?.isFinished != true } }

    func plan() -> JobPlan {
        JobPlanner.plan(JobWorld(job: job, tasks: tasks, taken: taken, appImage: { [image] _ in image }, now: now))
    }

    @discardableResult
    mutating func step() -> JobPlan {
        let plan = plan()
        for action in plan.actions { carryOut(action) }
        job.status = plan.status
        return plan
    }

    mutating func carryOut(_ action: JobAction) {
        switch action {
        case .create(let task):
            guard tasks[task.metadata.name] == nil else { return }
            created.append(task.metadata.name)
            tasks[task.metadata.name] = task
        case .stop(let name, let reason, let message):
            stopped.append(name)
            tasks[name]?.status.phase = .failed
            tasks[name]?.status.reason = reason
            tasks[name]?.status.message = message
        case .remove(let name):
            removed.append(name)
            tasks[name] = nil
        }
    }

    mutating func settle() {
        for _ in 0..<20 {
            let before = job.status
            if step().actions.isEmpty && job.status == before { return }
        }
        Issue.record("the planner does not come to rest")
    }

    mutating func end(_ name: String, _ phase: KusciaTaskPhase, message: String? = nil, reason: String? = nil) {
        guard tasks[name] != nil else {
            Issue.record("there is no task \(name), only \(tasks.keys.sorted())")
            return
        }
        tasks[name]?.status.phase = phase
        tasks[name]?.status.message = message
        tasks[name]?.status.reason = reason
        settle()
    }

    mutating func command(_ stage: String, version: String) {
        job.metadata.labels[KusciaLabel.jobStage] = stage
        job.metadata.labels[KusciaLabel.jobStageVersion] = version
        settle()
    }
}

func template(_ alias: String, _ dependencies: [String] = [], tolerable: Bool? = nil, priority: Int? = nil) -> KusciaTaskTemplate
{
    KusciaTaskTemplate(
        alias: alias, dependencies: dependencies, tolerable: tolerable, appImage: "psi-image", taskInputConfig: "{}",
        priority: priority,
        parties: [KusciaJobParty(domainID: "alice", role: "guest"), KusciaJobParty(domainID: "bob")])
}

@Suite("JobPlanner") struct JobPlannerTests {
    @Test("Initialized, Pending, Running, Succeeded")
    func phases() {
        var lab = JobLaboratory([template("a")])
        var seen: [KusciaJobPhase?] = []
        for _ in 0..<4 {
            lab.step()
            seen.append(lab.phase)
        }
        #expect(seen == [.initialized, .pending, .running, .running])
        #expect(lab.job.status.startTime == start)
        #expect(lab.created == ["job-a"])
        lab.now = start.adding(seconds: 7)
        lab.end("job-a", .succeeded)
        #expect(lab.phase == .succeeded)
        #expect(lab.job.status.completionTime == start.adding(seconds: 7))
        #expect(lab.job.status.taskStatus == ["job-a": .succeeded])
    }

    @Test("a task carries its template, its job and its owner; a party's resources go to its template's container")
    func task() throws {
        var first = template("a")
        first.taskID = "my-task"
        first.scheduleConfig = ScheduleConfig(lifecycleSeconds: 5)
        first.parties[0].resources = ResourceRequirements(limits: ["cpu": 2])
        first.parties[0].runtimeClassName = "runc"
        var lab = JobLaboratory([first])
        lab.settle()
        let task = try #require(lab.tasks["my-task"])
        #expect(task.metadata.namespace == "cross-domain")
        #expect(task.metadata.labels == ["kuscia.secretflow/job-id": "job", "kuscia.secretflow/task-alias": "a"])
        #expect(task.metadata.annotations == ["kuscia.secretflow/task-alias": "a"])
        #expect(task.metadata.ownerReferences.map(\.uid) == ["job-uid"])
        #expect(task.spec.initiator == "alice")
        #expect(task.spec.taskInputConfig == "{}")
        #expect(task.spec.scheduleConfig?.lifecycleSeconds == 5)
        #expect(task.spec.parties.map(\.domainID) == ["alice", "bob"])
        #expect(task.spec.parties.map(\.role) == ["guest", nil])
        #expect(task.spec.parties[0].appImageRef == "psi-image")
        #expect(task.spec.parties[0].template?.spec?.containers.first?.name == "engine")
        #expect(task.spec.parties[0].template?.spec?.containers.first?.resources.limits["cpu"] == 2)
        #expect(task.spec.parties[0].template?.spec?.runtimeClassName == "runc")
        #expect(task.spec.parties[1].template == nil)
    }

    @Test("a party's resources are shared out among its containers in all replicas; a device goes to each replica's first")
    func shares() throws {
        var first = template("a")
        first.parties[0].resources = ResourceRequirements(
            limits: ["cpu": 2, "memory": Quantity(bytes: 4 << 30), "example.com/gpu": 1], requests: ["cpu": 1])
        var image = appImage(replicas: 2)
        image.spec.deployTemplates[0].spec.containers.append(AppImageContainer(name: "sidecar"))
        var lab = JobLaboratory([first])
        lab.image = image
        lab.settle()
        let task = try #require(lab.tasks["job-a"])
        let layout = try TaskLayout(task) { _ in image }
        let pods = layout.podObjects(ports: layout.allocatedPorts(Array(21000..<21100)), attempt: 1)
        for pod in pods.filter({ $0.metadata.namespace == "alice" }) {
            #expect(pod.spec.containers.map { $0.resources.limits["cpu"] } == [Quantity(millis: 500), Quantity(millis: 500)])
            #expect(pod.spec.containers.map { $0.resources.requests["cpu"] } == [Quantity(millis: 250), Quantity(millis: 250)])
            #expect(pod.spec.containers.map { $0.resources.limits["memory"]?.text } == ["1Gi", "1Gi"])
            #expect(pod.spec.containers.map { $0.resources.limits["example.com/gpu"] } == [1, nil])
        }
        image.spec.deployTemplates[0].replicas = .max
        let least = PartyOverrides.shares(of: ResourceRequirements(limits: ["memory": 1]), image.spec.deployTemplates[0])
        #expect(least.map { $0.resources.limits["memory"] } == [1, 1], "nobody gets nothing of something")
    }

    @Test("the alias is kept as it is in an annotation, and is a label only where it is a label's value")
    func alias() throws {
        var strange = template("交集 / 1")
        strange.taskID = "my-task"
        var lab = JobLaboratory([strange])
        lab.settle()
        let task = try #require(lab.tasks["my-task"])
        #expect(task.metadata.annotations == ["kuscia.secretflow/task-alias": "交集 / 1"])
        #expect(task.metadata.labels == ["kuscia.secretflow/job-id": "job"])
        let layout = try TaskLayout(task) { _ in appImage() }
        let pod = try #require(layout.podObjects(ports: layout.allocatedPorts([1, 2, 3, 4]), attempt: 1).first)
        #expect(pod.metadata.annotations["kuscia.secretflow/task-alias"] == "交集 / 1")
        #expect(pod.metadata.labels["kuscia.secretflow/task-alias"] == nil)
    }

    @Test("a task whose name is another's is told with its owner, and keeps no other task from running")
    func takenName() {
        var lab = JobLaboratory([template("a"), template("b")], parallel: 1)
        lab.taken = ["job-a": #"KusciaJob "other""#]
        lab.settle()
        #expect(lab.created == ["job-b"])
        #expect(lab.phase == .running)
        #expect(lab.job.status.reason == "TaskNameTaken")
        let words = #"task "a" cannot be made: KusciaTask "job-a" is there already and belongs to KusciaJob "other""#
        #expect(lab.message.hasPrefix(words))
        lab.end("job-b", .succeeded)
        #expect(lab.phase == .running)
        lab.taken = [:]
        lab.settle()
        #expect(lab.created == ["job-b", "job-a"])
        #expect(lab.job.status.reason == nil)
        lab.end("job-a", .succeeded)
        #expect(lab.phase == .succeeded)
    }

    @Test("a job under way says which of its tasks waits for what, until it does not")
    func waiting() {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.tasks["job-a"]?.status.message = "pod bob/x: container engine waits: ErrImagePull: no such image"
        lab.settle()
        #expect(lab.job.status.reason == "TaskWaiting")
        #expect(lab.message == "task job-a: pod bob/x: container engine waits: ErrImagePull: no such image")
        var done = lab
        done.end("job-a", .succeeded)
        #expect(done.job.status.reason == nil && done.job.status.message == nil)
        lab.tasks["job-a"]?.status.message = nil
        lab.settle()
        #expect(lab.job.status.reason == nil && lab.job.status.message == nil)
    }

    @Test(
        "what cannot be run is refused before anything runs",
        arguments: [
            ([template("a", ["b"])], #"spec.tasks[0].dependencies[0]: no task of this job has the alias "b""#),
            ([template("a", ["b"]), template("b", ["a"])], "spec.tasks: dependencies form a cycle: a -> b -> a"),
            ([], "spec.tasks: Required value: a job has at least one task"),
            ([template("a_b"), template("a-b")], #"spec.tasks[1].taskID: "job-a-b" is the task id of spec.tasks[0] already"#),
        ])
    func invalid(templates: [KusciaTaskTemplate], words: String) {
        var lab = JobLaboratory(templates)
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.job.status.reason == "ValidateFailed")
        #expect(lab.message == words)
        #expect(lab.created.isEmpty)
    }

    @Test("a task id that is no name is refused; an alias that is none is made one")
    func names() {
        var bad = template("a")
        bad.taskID = "Not A Name"
        var lab = JobLaboratory([bad])
        lab.settle()
        #expect(lab.message.hasPrefix(#"spec.tasks[0].taskID: "Not A Name" is no name for a KusciaTask"#))
        lab = JobLaboratory([template("PSI_1")])
        lab.settle()
        #expect(lab.created == ["job-psi-1"])
    }

    @Test("I-JOB-2: a task starts when all that it depends on have succeeded")
    func dependencies() {
        var lab = JobLaboratory([template("join", ["left", "right"]), template("left"), template("right")], parallel: 9)
        lab.settle()
        #expect(lab.created == ["job-left", "job-right"])
        lab.end("job-left", .succeeded)
        #expect(lab.created.count == 2)
        lab.end("job-right", .succeeded)
        #expect(lab.created.last == "job-join")
        #expect(lab.phase == .running)
    }

    @Test("I-JOB-3: never more tasks than maxParallelism, one when it is not given; the most urgent first")
    func parallelism() {
        for parallel in [nil, 1, 2] {
            var lab = JobLaboratory([template("a"), template("b"), template("c", priority: 5)], parallel: parallel)
            lab.settle()
            #expect(lab.created == (parallel == 2 ? ["job-c", "job-a"] : ["job-c"]))
            lab.end("job-c", .succeeded)
            #expect(lab.created.count == (parallel ?? 1) + 1)
        }
    }

    @Test("Strict: the first failure stops the others and fails the job with its cause")
    func strict() {
        var lab = JobLaboratory([template("a"), template("b"), template("c")], parallel: 2)
        lab.settle()
        lab.end("job-b", .failed, message: "party bob, pod x: exit code 3", reason: "Error")
        #expect(lab.phase == .failed)
        #expect(lab.message == #"task "b" (job-b) failed: party bob, pod x: exit code 3"#)
        #expect(lab.job.status.reason == "Error")
        #expect(lab.stopped == ["job-a"])
        #expect(lab.created.count == 2)
        #expect(lab.job.status.taskStatus == ["job-a": .failed, "job-b": .failed])
    }

    @Test("BestEffort: what can still run runs; then the job fails with the first cause as written")
    func bestEffort() {
        var lab = JobLaboratory([template("a"), template("b"), template("c", ["a"])], parallel: 1, mode: .bestEffort)
        lab.settle()
        lab.end("job-a", .failed, message: "boom")
        #expect(lab.phase == .running)
        #expect(lab.created == ["job-a", "job-b"])
        lab.end("job-b", .succeeded)
        #expect(lab.phase == .failed)
        #expect(lab.message == #"task "a" (job-a) failed: boom"#)
        #expect(!lab.created.contains("job-c"))
    }

    @Test("a tolerable task may fail", arguments: [KusciaJobScheduleMode.strict, .bestEffort])
    func tolerable(mode: KusciaJobScheduleMode) {
        var lab = JobLaboratory(
            [template("a", tolerable: true), template("b"), template("c", ["a"], tolerable: true)], mode: mode)
        lab.settle()
        lab.end("job-a", .failed)
        lab.end("job-b", .succeeded)
        #expect(lab.phase == .succeeded)
        #expect(lab.created == ["job-a", "job-b"])
    }

    @Test("dependents of a failed tolerable task never start; the job fails and names what they waited for")
    func dependencyFailed() {
        var lab = JobLaboratory([template("a", tolerable: true), template("b", ["a"], tolerable: true), template("c", ["b"])])
        lab.settle()
        lab.end("job-a", .failed, message: "boom")
        #expect(lab.phase == .failed)
        #expect(lab.job.status.reason == "DependencyFailed")
        #expect(lab.message == #"task "c" cannot start: it depends on task "a" (job-a) failed: boom"#)
        #expect(lab.created == ["job-a"])
    }

    @Test("a task that succeeded and was deleted is not run again; one that was under way is")
    func deletedTask() {
        var lab = JobLaboratory([template("a"), template("b", ["a"])])
        lab.settle()
        lab.tasks["job-a"] = nil
        lab.settle()
        #expect(lab.created == ["job-a", "job-a"])
        lab.end("job-a", .succeeded)
        lab.tasks["job-a"] = nil
        lab.end("job-b", .succeeded)
        #expect(lab.created == ["job-a", "job-a", "job-b"])
        #expect(lab.phase == .succeeded)
    }

    @Test("the job's words follow when a task's cause is put right")
    func refinedCause() {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.end("job-a", .failed, message: "lost a peer", reason: "Error")
        lab.end("job-a", .failed, message: "out of memory", reason: "OOMKilled")
        #expect(lab.message == #"task "a" (job-a) failed: out of memory"#)
        #expect(lab.job.status.reason == "OOMKilled")
    }

    @Test("the same world gives the same plan")
    func idempotent() {
        var lab = JobLaboratory([template("a"), template("b"), template("c")], parallel: 3)
        for _ in 0..<3 { lab.step() }
        let plan = lab.plan()
        #expect(plan.actions == lab.plan().actions)
        for action in plan.actions { lab.carryOut(action) }
        lab.settle()
        #expect(lab.created == ["job-a", "job-b", "job-c"])
    }

    // MARK: commands

    @Test(
        "Stop, Cancel and Suspend stop what runs and end the job each in its way",
        arguments: [
            ("Stop", KusciaJobPhase.failed), ("Cancel", .cancelled), ("Suspend", .suspended),
        ])
    func ending(stage: String, phase: KusciaJobPhase) {
        var lab = JobLaboratory([template("a"), template("b")])
        lab.settle()
        lab.command(stage, version: "1")
        #expect(lab.phase == phase)
        #expect(lab.stopped == ["job-a"])
        #expect((lab.job.status.completionTime == nil) == (phase == .suspended))
        #expect(lab.created == ["job-a"])
    }

    @Test("Restart runs what had not succeeded again, and nothing else", arguments: ["Stop", "Suspend"])
    func restart(stage: String) {
        var lab = JobLaboratory([template("a"), template("b")])
        lab.settle()
        lab.end("job-a", .succeeded)
        lab.command(stage, version: "1")
        lab.command("Restart", version: "2")
        #expect(lab.phase == .running)
        #expect(lab.removed == ["job-b"])
        #expect(lab.created == ["job-a", "job-b", "job-b"])
        #expect(lab.job.status.completionTime == nil)
        #expect(lab.job.status.message == nil)
        lab.end("job-b", .succeeded)
        #expect(lab.phase == .succeeded)
    }

    @Test("a Failed job that is cancelled is Cancelled, and ended when it failed")
    func cancelFailed() {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.end("job-a", .failed, message: "boom")
        lab.now = start.adding(seconds: 50)
        lab.command("Cancel", version: "1")
        #expect(lab.phase == .cancelled)
        #expect(lab.job.status.reason == "JobCancelled")
        #expect(lab.job.status.completionTime == start)
    }

    @Test("Suspend given before anything runs holds until the job would begin")
    func suspendAtCreation() {
        var lab = JobLaboratory([template("a")])
        lab.command("Suspend", version: "1")
        #expect(lab.phase == .suspended)
        #expect(lab.created.isEmpty)
        lab.command("Restart", version: "2")
        #expect(lab.created == ["job-a"])
    }

    @Test(
        "a command that does not fit is refused once and in words",
        arguments: [
            (
                "Dance", KusciaJobPhase.running,
                #"version 1: found "Dance", expected Create, Start, Stop, Cancel, Suspend or Restart"#
            ),
            ("Restart", .running, "version 1: Restart does not fit a job that is Running"),
            ("Restart", .cancelled, "version 1: Restart does not fit a job that is Cancelled"),
            ("Suspend", .suspended, "version 1: Suspend does not fit a job that is Suspended"),
            ("Stop", .failed, "version 1: Stop does not fit a job that is Failed"),
            ("Cancel", .succeeded, "version 1: Cancel does not fit a job that is Succeeded"),
        ])
    func misfit(stage: String, phase: KusciaJobPhase, words: String) {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.job.status.phase = phase
        lab.command(stage, version: "1")
        #expect(lab.phase == phase)
        func said() -> [KusciaCondition] { lab.job.status.conditions.filter { $0.type == "JobStage" } }
        #expect(said().map(\.status) == [.false])
        #expect(said().map(\.reason) == [stage])
        #expect(said().map(\.message) == [words])
        // A refused command stays refused, also when it would fit now; given again, it is a new one.
        lab.job.status.phase = .failed
        lab.settle()
        #expect(lab.phase == .failed)
        lab.command("Restart", version: "2")
        #expect(lab.phase == .running)
        #expect(said().map(\.status) == [.true])
    }

    @Test("I-JOB-4: a command is carried out once; with a new version it is a new command")
    func once() {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.command("Suspend", version: "1")
        lab.command("Restart", version: "2")
        lab.end("job-a", .failed, message: "boom")
        #expect(lab.phase == .failed, "Restart of version 2 is done")
        lab.command("Restart", version: "3")
        #expect(lab.phase == .running)
        #expect(lab.removed == ["job-a", "job-a"])
    }

    @Test(
        "I-JOB-1: final phases stay, whatever is commanded", arguments: [KusciaJobPhase.succeeded, .cancelled, .approvalReject],
        ["Stop", "Cancel", "Suspend", "Restart", "Start", "Create", "Dance"])
    func final(phase: KusciaJobPhase, stage: String) {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.end("job-a", .succeeded)
        lab.job.status.phase = phase
        lab.command(stage, version: "1")
        #expect(lab.phase == phase)
        #expect(lab.removed.isEmpty)
        #expect(lab.created == ["job-a"])
    }

    @Test("commands that only say what happens anyway change nothing", arguments: ["Create", "Start"])
    func harmless(stage: String) {
        var lab = JobLaboratory([template("a")])
        lab.command(stage, version: "1")
        #expect(lab.phase == .running)
        #expect(lab.created == ["job-a"])
    }

    @Test("a task that the server refuses for good fails the job; what runs is stopped")
    func refused() {
        var lab = JobLaboratory([template("a")])
        lab.settle()
        lab.job.status =
            JobPlanner.refused(
                JobWorld(job: lab.job, tasks: lab.tasks, appImage: { _ in nil }, now: lab.now), message: "invalid"
            ).status
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.job.status.reason == "TaskRefused")
        #expect(lab.stopped == ["job-a"])
    }
}
