// Drives the machine through a faulty world with seeded chance, and walks every (state x input).
import KubernetesModel
import Testing

@testable import AgentCore

/// SplitMix64: a seed and the code reproduce a run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A node that carries out what the machine orders, late, in any order, and sometimes wrongly; its agent may be killed.
struct SimulatedNode {
    var random: SeededGenerator
    var machine: PodStateMachine
    var invariants = PodInvariants()
    var now = epoch
    var pendingAnswers: [PodInput] = []
    var running: Set<ContainerRun> = []
    var ended: [ContainerRun: ContainerTermination] = [:]
    var timer: UnixNanoseconds?
    var gone = false
    var deletionAsked = false

    init(seed: UInt64) {
        random = SeededGenerator(state: seed)
        let policy: RestartPolicy = [.never, .onFailure, .always][Int(seed % 3)]
        let pod = makePod(
            containers: seed % 5 == 0 ? ["a", "b"] : ["main"], initContainers: seed % 4 == 0 ? ["i1", "i2"] : [],
            restartPolicy: policy, deadline: seed % 7 == 0 ? 60 : nil, grace: 5)
        machine = PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.1", runtimeName: "runp"))
    }

    func chance(_ percent: Int, _ random: inout SeededGenerator) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func send(_ input: PodInput) {
        let before = machine
        let effects = machine.handle(input, now: now)
        invariants.check(input, before: before, after: machine, effects: effects)
        for effect in effects { obey(effect) }
    }

    mutating func obey(_ effect: PodEffect) {
        let fails = chance(10, &random)
        let failure = StepFailure(reason: "Failed", message: "chance", retriable: chance(80, &random))
        switch effect {
        case .prepareVolumes: pendingAnswers.append(fails ? .volumesFailed(failure) : .volumesReady)
        case .runSandbox: pendingAnswers.append(fails ? .sandboxFailed(failure) : .sandboxReady(address: nil))
        case .createAndStart(let run):
            if fails { return pendingAnswers.append(.containerStartFailed(run, failure)) }
            if ended[run] == nil { running.insert(run) }
            pendingAnswers.append(.containerStarted(run, at: now))
        case .stop(let run, _):
            if fails { return pendingAnswers.append(.stopFailed(run, message: "chance")) }
            end(run, code: 143)
        case .removeSandbox: pendingAnswers.append(fails ? .sandboxRemovalFailed(message: "chance") : .sandboxRemoved)
        case .cleanVolumes: pendingAnswers.append(fails ? .volumesCleanFailed(message: "chance") : .volumesCleaned)
        case .patchStatus(_, _, let final): if final { pendingAnswers.append(.finalStatusDelivered) }
        case .deletePodObject: pendingAnswers.append(fails ? .objectDeletionFailed(message: "chance") : .objectGone)
        case .setTimer(let time): timer = time
        case .event: break
        case .forget: gone = true
        }
    }

    mutating func end(_ run: ContainerRun, code: Int) {
        if running.remove(run) != nil { ended[run] = exit(code, at: now) }
        pendingAnswers.append(.containerExited(run, ended[run] ?? exit(137, at: now)))
    }

    mutating func restartAgent() {
        pendingAnswers = []
        timer = nil
        var found: [ContainerRun: AdoptedPhase] = [:]
        for run in running { found[run] = .running(startedAt: now) }
        for (run, termination) in ended { found[run] = .exited(termination) }
        send(.adopted(found))
        // The list that follows tells again what was asked while the agent was away.
        if deletionAsked { send(.deletionRequested(graceSeconds: 2)) }
    }

    mutating func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<3:
            restartAgent()
        case 3..<5:
            deletionAsked = true
            send(.deletionRequested(graceSeconds: Int.random(in: 0...10, using: &random)))
        case 5..<6:
            send(.updated(machine.pod))
        case 6..<16:
            if let run = running.sorted(by: { $0.name < $1.name }).first { end(run, code: chance(60, &random) ? 0 : 1) }
        case 16..<30:
            now += Int64.random(in: 1...20, using: &random) * second
            send(.tick)
        default:
            if pendingAnswers.isEmpty {
                if let timer, timer > now { now = timer }
                return send(.tick)
            }
            send(pendingAnswers.remove(at: Int.random(in: 0..<pendingAnswers.count, using: &random)))
        }
    }
}

@Suite("pod machine under chance")
struct PodSimulationTests {
    @Test("every invariant holds in 500 seeded lives with failures and agent restarts")
    func invariantsHold() {
        for seed in UInt64(1)...500 {
            var node = SimulatedNode(seed: seed)
            node.send(.added)
            for _ in 0..<150 where !node.gone { node.step() }
            #expect(node.invariants.firstViolation == nil, "seed \(seed)")
            if node.invariants.firstViolation != nil { return }
        }
    }

    @Test("a pod whose deletion is asked for always goes away, whatever fails on the way")
    func deletionEnds() {
        for seed in UInt64(1)...500 {
            var node = SimulatedNode(seed: seed)
            node.send(.added)
            for _ in 0..<60 where !node.gone { node.step() }
            node.deletionAsked = true
            node.send(.deletionRequested(graceSeconds: 2))
            var steps = 0
            while !node.gone && steps < 2000 {
                node.step()
                steps += 1
            }
            #expect(node.gone, "seed \(seed) hangs in \(node.machine.state)")
            #expect(node.running.isEmpty, "seed \(seed) leaves containers")
            if !node.gone { return }
        }
    }

    @Test("a machine keeps its whole value through its record")
    func codable() throws {
        for seed in UInt64(1)...50 {
            var node = SimulatedNode(seed: seed)
            node.send(.added)
            for _ in 0..<Int(seed) { node.step() }
            #expect(try roundTrip(node.machine) == node.machine, "seed \(seed)")
        }
    }

    @Test("no input in any reachable state breaks an invariant")
    func everyStateTimesEveryInput() {
        let run = ContainerRun(name: "main", attempt: 0)
        let failure = StepFailure(reason: "Failed", message: "test", retriable: false)
        let inputs: [PodInput] = [
            .added, .updated(makePod()), .deletionRequested(graceSeconds: 0), .objectGone, .rejected(reason: "r", message: "m"),
            .evicted(reason: "r", message: "m"), .volumesReady, .volumesFailed(failure), .sandboxReady(address: nil), .sandboxFailed(failure),
            .containerStarted(run, at: epoch), .containerStartFailed(run, failure), .containerExited(run, exit(1)),
            .stopFailed(run, message: "m"), .sandboxRemoved, .sandboxRemovalFailed(message: "m"), .volumesCleaned,
            .volumesCleanFailed(message: "m"), .finalStatusDelivered, .objectDeletionFailed(message: "m"), .tick,
            .adopted([:]), .adopted([run: .running(startedAt: epoch)]), .adopted([run: .unknown("rebooted")]), .lost,
        ]
        var reached: Set<Int> = []
        for path in Self.paths {
            for input in inputs {
                var machine = PodStateMachine(pod: makePod(), context: PodContext(nodeIP: "10.0.0.1", runtimeName: "runp"))
                var invariants = PodInvariants()
                for step in path + [input, .tick] {
                    let before = machine
                    let effects = machine.handle(step, now: epoch)
                    // An input that nothing ordered is the environment's lie: only a crash or a violation counts.
                    invariants.check(step, before: before, after: machine, effects: effects)
                    reached.insert(PodInvariants.rank(machine.state))
                }
                #expect(invariants.firstViolation == nil, "\(path) then \(input)")
            }
        }
        #expect(reached == Set(0...9))
    }

    /// One way into each state.
    static let paths: [[PodInput]] = {
        let run = ContainerRun(name: "main", attempt: 0)
        let life: [PodInput] = [
            .added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch), .containerExited(run, exit(0)),
            .sandboxRemoved, .volumesCleaned, .finalStatusDelivered, .deletionRequested(graceSeconds: 0), .objectGone,
        ]
        let deleted: [PodInput] = [
            .added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch), .deletionRequested(graceSeconds: 5),
        ]
        return (0...life.count).map { Array(life.prefix($0)) } + [deleted]
    }()
}
