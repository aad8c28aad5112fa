// Random walks: whatever nodes, users and a crashing master do, in any order, the invariants hold. A failure names the seed.
import KubernetesModel
import KusciaModel
import Testing

@testable import Orchestration

/// SplitMix64: the same seed walks the same way everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("walks") struct PlannerWalkTests {
    @Test("every walk of a task keeps its invariants and ends", arguments: 0..<100 as Range<UInt64>)
    func task(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let quorum = Bool.random(using: &random)
        var lab = TaskLaboratory(
            OrchestrationTests.task(
                [party("alice", minReservedPods: quorum ? 1 : nil, replicas: 2), party("bob"), party("carol")],
                schedule: quorum ? ScheduleConfig(minReservedMembers: 2, lifecycleSeconds: 120) : nil))
        lab.ports = PortAllocator(start: 32760)
        for _ in 0..<120 {
            lab.now = lab.now.adding(seconds: Int64.random(in: 0...3, using: &random))
            if Bool.random(using: &random) { happen(&lab, &random) } else { advance(&lab, &random, seed) }
        }
        lab.now = lab.now.adding(seconds: 1000)
        for pod in lab.pods where pod.status.phase?.isFinished != true {
            if pod.metadata.deletionTimestamp == nil {
                lab.finish(pod.namespacedName, code: 0)
            } else {
                lab.erase(pod.namespacedName)
            }
        }
        for _ in 0..<40 where lab.phase?.isFinished != true {
            advance(&lab, &random, seed)
            for pod in lab.pods where pod.status.phase?.isFinished != true { lab.finish(pod.namespacedName, code: 0) }
        }
        #expect(lab.phase?.isFinished == true, "seed \(seed): the task hangs in \(String(describing: lab.phase)): \(lab.message)")
        for _ in 0..<4 {
            lab.settle()
            for pod in lab.pods where pod.metadata.deletionTimestamp != nil { lab.erase(pod.namespacedName) }
        }
        #expect(lab.pods.allSatisfy { $0.status.phase?.isFinished == true }, "I-TASK-3, seed \(seed)")
        #expect(lab.ports.taken == 0, "seed \(seed): ports leak")
    }

    /// Something that a node or a user does.
    private func happen(_ lab: inout TaskLaboratory, _ random: inout SeededGenerator) {
        guard let pod = lab.pods.filter({ $0.status.phase?.isFinished != true }).randomElement(using: &random) else { return }
        let (name, age) = (pod.namespacedName, lab.now.seconds(since: start))
        if pod.metadata.deletionTimestamp != nil, Bool.random(using: &random) { return lab.erase(name) }
        guard pod.spec.nodeName != nil else { return lab.place(name) }
        switch Int.random(in: 0..<12, using: &random) {
        case 0: lab.finish(name, code: [1, 137, 255].randomElement(using: &random) ?? 1, at: age)
        case 1: lab.refuse(name, reason: "PortConflict", message: "port taken")
        case 2: lab.erase(name)
        case 3, 4, 5: lab.finish(name, code: 0, at: age)
        default: lab.run(name)
        }
    }

    /// A round of the controller, sometimes of one that dies before its status is stored.
    private func advance(_ lab: inout TaskLaboratory, _ random: inout SeededGenerator, _ seed: UInt64) {
        let before = lab.task.status
        let plan = lab.plan()
        let stored = Set(before.allocatedPorts.flatMap { $0.namedPort.values })
        for case .create(let pod) in plan.actions {
            #expect(
                stored.isSuperset(of: pod.spec.containers.flatMap { $0.ports.map(\.containerPort) }), "I-TASK-2, seed \(seed)")
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            for action in plan.actions.prefix(Int.random(in: 0...plan.actions.count, using: &random)) { lab.carryOut(action) }
            return
        }
        lab.step()
        if let phase = before.phase, phase.isFinished { #expect(lab.phase == phase, "I-TASK-1, seed \(seed)") }
        if lab.phase?.isFinished == true {
            #expect(
                lab.pods.allSatisfy { $0.status.phase?.isFinished == true || $0.metadata.deletionTimestamp != nil },
                "I-TASK-3, seed \(seed)")
        }
        if lab.phase == .failed { #expect(!lab.message.isEmpty, "seed \(seed)") }
        let ports = lab.task.status.allocatedPorts.flatMap { $0.namedPort.values }
        #expect(Set(ports).count == ports.count, "seed \(seed): a port was given twice")
        #expect(TaskPlanner.attempt(lab.task.status) <= TaskPlanner.maximumAttempts)
    }

    @Test("every walk of a job keeps its invariants and ends", arguments: 0..<200 as Range<UInt64>)
    func job(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...7, using: &random)
        let templates = (0..<count).map { index in
            // Dependencies point back only, so there is no cycle.
            OrchestrationTests.template(
                "t\(index)", (0..<index).filter { _ in Int.random(in: 0..<4, using: &random) == 0 }.map { "t\($0)" },
                tolerable: Int.random(in: 0..<4, using: &random) == 0, priority: Int.random(in: 0..<3, using: &random))
        }
        let parallel = Int.random(in: 1...3, using: &random)
        var lab = JobLaboratory(templates, parallel: parallel, mode: Bool.random(using: &random) ? .strict : .bestEffort)
        var version = 0
        for _ in 0..<150 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                version += 1
                lab.job.metadata.labels[KusciaLabel.jobStage] = ["Stop", "Cancel", "Suspend", "Restart", "Restart"].randomElement(
                    using: &random)
                lab.job.metadata.labels[KusciaLabel.jobStageVersion] = "\(version)"
            case 1..<8:
                let open = lab.tasks.values.filter { $0.status.phase?.isFinished != true }.map(\.metadata.name).sorted()
                if let name = open.randomElement(using: &random) {
                    lab.tasks[name]?.status.phase = Int.random(in: 0..<5, using: &random) == 0 ? .failed : .succeeded
                }
            default: check(&lab, parallel, seed)
            }
        }
        for _ in 0..<60 {
            check(&lab, parallel, seed)
            for name in lab.tasks.keys where lab.tasks[name]?.status.phase?.isFinished != true {
                lab.tasks[name]?.status.phase = .succeeded
            }
        }
        #expect(
            [.succeeded, .failed, .cancelled, .suspended].contains(lab.phase),
            "seed \(seed): the job hangs in \(String(describing: lab.phase))")
        #expect(lab.underWay == 0, "seed \(seed)")
    }

    private func check(_ lab: inout JobLaboratory, _ parallel: Int, _ seed: UInt64) {
        let before = lab.job.status
        let succeeded = Set(
            lab.tasks.values.filter { $0.status.phase == .succeeded }.map { $0.metadata.labels[KusciaLabel.taskAlias] ?? "" })
        let plan = lab.step()
        for case .create(let task) in plan.actions {
            let template = lab.job.spec.tasks.first { $0.alias == task.metadata.labels[KusciaLabel.taskAlias] }
            #expect(template.map { succeeded.isSuperset(of: $0.dependencies) } == true, "I-JOB-2, seed \(seed)")
        }
        #expect(lab.underWay <= parallel, "I-JOB-3, seed \(seed)")
        if before.phase == .succeeded || before.phase == .cancelled {
            #expect(lab.phase == before.phase, "I-JOB-1, seed \(seed)")
        }
        if before.phase == .failed || before.phase == .suspended, lab.phase != before.phase {
            let stage = lab.job.metadata.labels[KusciaLabel.jobStage] ?? ""
            #expect(
                ["Restart", "Cancel"].contains(stage) || before.phase == .suspended && stage == "Stop", "I-JOB-1, seed \(seed)")
        }
        if lab.phase == .succeeded {
            let critical = lab.job.spec.tasks.filter { $0.tolerable != true }.map { JobPlanner.taskID(lab.job, $0) }
            #expect(critical.allSatisfy { lab.tasks[$0]?.status.phase == .succeeded }, "seed \(seed)")
        }
    }
}
