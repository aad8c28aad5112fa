// Whose log `kubectl logs` shows in each state of a container, and what it says where there is none.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("which run's log is shown")
struct LoggedRunTests {
    private func shown(_ pod: Driver, previous: Bool = false) -> LoggedRun {
        pod.machine.loggedRun(pod.machine.containers[0], previous: previous)
    }

    private func run(_ attempt: Int) -> LoggedRun { .run(ContainerRun(name: "main", attempt: attempt)) }

    private let nothingBefore = LoggedRun.absent("previous terminated container \"main\" in pod \"task-0\" not found")

    @Test("a container that has not run yet says what it waits for")
    func waiting() {
        var pod = Driver(makePod())
        pod.setUp()
        let what = "container \"main\" in pod \"task-0\" is waiting to start:"
        #expect(shown(pod) == .absent("\(what) ContainerCreating"))
        pod.send(.imageNeeded(ContainerRun(name: "main", attempt: 0)))
        pod.send(.imageFailed(ContainerRun(name: "main", attempt: 0), .image("ErrImagePull", "no such image")))
        #expect(shown(pod) == .absent("\(what) image can't be pulled"))
        pod.wait(seconds: 2)
        #expect(shown(pod) == .absent("\(what) trying and failing to pull image"))
        #expect(shown(pod, previous: true) == nothingBefore)
    }

    @Test("a run, and behind it the one that ended last: also while the next one waits, then by either question")
    func restarts() {
        var pod = Driver(makePod(restartPolicy: .always))
        pod.setUp()
        pod.run()
        #expect(shown(pod) == run(0))
        #expect(shown(pod, previous: true) == nothingBefore)
        pod.end(1)
        #expect(shown(pod) == run(0) && shown(pod, previous: true) == run(0))
        while !pod.last.contains(.createAndStart(ContainerRun(name: "main", attempt: 1))) { pod.wait(seconds: 1) }
        #expect(shown(pod) == run(0) && shown(pod, previous: true) == run(0))
        pod.run(attempt: 1)
        #expect(shown(pod) == run(1) && shown(pod, previous: true) == run(0))
    }

    @Test(
        "a program that could not be started has no log, and is told apart from one that says nothing; the run before it has one")
    func neverStarted() {
        for policy in [RestartPolicy.never, .always] {
            var pod = Driver(makePod(restartPolicy: policy))
            pod.setUp()
            pod.send(
                .containerStartFailed(
                    ContainerRun(name: "main", attempt: 0),
                    StepFailure(reason: "Failed", message: "exec: no such file", retriable: false)))
            let refusal = LoggedRun.absent("container \"main\" in pod \"task-0\" has not started: exec: no such file")
            #expect(shown(pod) == refusal, "\(policy)")
        }
        var pod = Driver(makePod())
        pod.setUp()
        pod.send(
            .containerExited(
                ContainerRun(name: "main", attempt: 0), ContainerTermination(exitCode: 128, reason: "StartError", message: "m", finishedAt: epoch)))
        #expect(shown(pod) == .absent("container \"main\" in pod \"task-0\" has not started: m"))
    }

    @Test("a finished pod's containers show their run; those of a pod that the node refused have none")
    func over() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        pod.end(0)
        #expect(shown(pod) == run(0))
        // Of a pod that was over before this agent knew of it, the status says which run was the last.
        var known = makePod()
        known.status.phase = .succeeded
        known.status.containerStatuses = [ContainerStatus(name: "main", restartCount: 2)]
        #expect(shown(Driver(known)) == run(2))
        var refused = Driver(makePod())
        refused.send(.rejected(reason: "OutOfmemory", message: "no memory"))
        #expect(shown(refused) == .absent("container \"main\" in pod \"task-0\" is not available"))
    }
}
