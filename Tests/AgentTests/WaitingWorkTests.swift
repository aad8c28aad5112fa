// In which order work gets a thread.
import AgentCore
import KubernetesModel
import KusciaModel
import Synchronization
import Testing

@testable import Agent
@testable import RuntimeInterface

@Suite("the order of waiting work")
struct WaitingWorkTests {
    private static let patience = WaitingWork.patienceNanoseconds

    /// What is done, as it is done.
    private final class Done: Sendable {
        private let names = Mutex<[String]>([])

        func work(_ name: String) -> WaitingWork.Body { { self.names.withLock { $0.append(name) } } }
        var order: [String] { names.withLock { $0 } }
    }

    @Test("what goes on comes before what begins, and that before what may come later; each in its order")
    func turns() {
        var (waiting, done) = (WaitingWork(), Done())
        for round in 1...2 {
            for turn in [WorkTurn.later, .fresh, .next] { waiting.append(done.work("\(turn)\(round)"), turn, now: 0) }
        }
        #expect(WorkTurn.allCases.map { waiting.count(of: $0) } == [2, 2, 2])
        waiting.take(now: 0)?()
        // What comes meanwhile and goes on does not wait for what has not begun.
        waiting.append(done.work("next3"), .next, now: 0)
        while let work = waiting.take(now: 0) { work() }
        #expect(done.order == ["next1", "next2", "next3", "fresh1", "fresh2", "later1", "later2"])
        #expect(waiting.count == 0)
        done = Done()
        waiting.append(done.work("again"), .fresh, now: 0)
        waiting.take(now: 0)?()
        #expect(done.order == ["again"])
    }

    @Test("what may come later comes when its time is over, however much else waits")
    func patience() {
        var (waiting, done) = (WaitingWork(), Done())
        waiting.append(done.work("later"), .later, now: 0)
        waiting.append(done.work("later still"), .later, now: Self.patience)
        for _ in 0..<4 { waiting.append(done.work("next"), .next, now: 0) }
        for now in [1, Self.patience, Self.patience + 1, Self.patience + 2] { waiting.take(now: now)?() }
        #expect(done.order == ["next", "next", "later", "next"])
    }

    @Test("what goes on without end lets something begin now and then")
    func endless() {
        var (waiting, done) = (WaitingWork(), Done())
        for name in ["one", "two"] { waiting.append(done.work(name), .fresh, now: 0) }
        for _ in 0..<WaitingWork.goingBeforeFresh * 3 {
            waiting.append(done.work("next"), .next, now: 0)
            waiting.take(now: 0)?()
        }
        #expect(done.order.firstIndex(of: "one") == WaitingWork.goingBeforeFresh)
        #expect(done.order.firstIndex(of: "two") == WaitingWork.goingBeforeFresh * 2 + 1)
    }

    @Test("thousands keep their order, whether they come at once or while others are taken")
    func many() {
        var (waiting, done) = (WaitingWork(), Done())
        for number in 0..<3000 {
            waiting.append(done.work("\(number)"), .next, now: 0)
            if number % 3 == 0 { waiting.take(now: 0)?() }
        }
        while let work = waiting.take(now: 0) { work() }
        #expect(done.order == (0..<3000).map(String.init))
    }

    @Test(
        "a pod begins when others have gone on; what one that ended by itself leaves is removed when nobody waits, unless somebody does"
    )
    func pods() {
        let run = ContainerRun(name: "main", attempt: 0)
        for (network, turn) in [("host", WorkTurn.later), ("none", .later), ("cni/lab", .next)] {
            var pod = Pod(
                metadata: ObjectMeta(name: "p", namespace: "alice"), spec: PodSpec(containers: [Container(name: "main")]))
            pod.spec.restartPolicy = .never
            pod.metadata.annotations[KusciaAnnotation.network] = network
            var machine = PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.7", runtimeName: "fake"))
            _ = machine.handle(.added, now: 1)
            #expect(PodWorker.turn(of: .prepareVolumes, machine) == .fresh)
            for effect in [PodEffect.runSandbox, .createAndStart(run), .stop(run, graceSeconds: 1), .cleanVolumes] {
                #expect(PodWorker.turn(of: effect, machine) == .next)
            }
            for input in [PodInput.deletionRequested(graceSeconds: 1), .objectGone, .evicted(reason: "Evicted", message: "disk")]
            {
                var ending = machine
                _ = ending.handle(input, now: 2)
                #expect(PodWorker.turn(of: .removeSandbox, ending) == .next)
            }
            let end = ContainerTermination(exitCode: 0, reason: "Completed", finishedAt: 2)
            for input in [PodInput.volumesReady, .sandboxReady(address: nil), .containerExited(run, end)] {
                _ = machine.handle(input, now: 2)
            }
            #expect(PodWorker.turn(of: .removeSandbox, machine) == turn, "\(network)")
            _ = machine.handle(.deletionRequested(graceSeconds: 0), now: 3)
            #expect(PodWorker.turn(of: .removeSandbox, machine) == .next)
        }
    }
}
