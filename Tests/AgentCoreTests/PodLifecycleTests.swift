// Sidecars, hooks and ephemeral containers, one situation at a time.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("sidecars of a pod")
struct SidecarTests {
    private func pod(_ policy: RestartPolicy = .never) -> Pod {
        var pod = makePod(restartPolicy: policy, grace: 10)
        pod.spec.initContainers = [makeSidecar("s1"), Container(name: "i1", image: "psi:1"), makeSidecar("s2")]
        return pod
    }

    /// Everything runs.
    private func running(_ policy: RestartPolicy = .never) -> Driver {
        var driver = Driver(pod(policy))
        driver.setUp()
        driver.run("s1")
        driver.run("i1")
        driver.end(0, of: "i1")
        driver.run("s2")
        driver.run()
        return driver
    }

    @Test("start in the init order, the next as soon as one has started; the main containers after all of them")
    func order() {
        var pod = Driver(pod())
        pod.setUp()
        #expect(pod.starts(of: "s1") == [0] && pod.starts(of: "i1").isEmpty)
        pod.run("s1")
        #expect(pod.starts(of: "i1") == [0] && pod.starts(of: "s2").isEmpty)
        pod.run("i1")
        pod.end(0, of: "i1")
        #expect(pod.starts(of: "s2") == [0] && pod.starts(of: "main").isEmpty)
        pod.run("s2")
        #expect(pod.starts(of: "main") == [0])
        #expect(pod.status.phase == .pending)
        pod.run()
        #expect(pod.status.phase == .running)
        #expect(pod.condition("Ready")?.status == .true)
    }

    @Test("one with a startup probe holds up the order until the probe has succeeded")
    func startupProbe() {
        var spec = pod()
        spec.spec.initContainers[0].startupProbe = makeProbe()
        var pod = Driver(spec)
        pod.setUp()
        pod.run("s1")
        #expect(pod.starts(of: "i1").isEmpty)
        #expect(pod.condition("Initialized")?.message == "containers with incomplete status: [s1 i1 s2]")
        pod.probe(.startup, .success(), of: "s1")
        #expect(pod.starts(of: "i1") == [0])
    }

    @Test("is started again whatever the pod's policy, without taking the others along")
    func restarts() {
        var pod = running(.never)
        pod.end(0, of: "s1")
        #expect(pod.starts(of: "s1") == [0, 1])
        #expect(pod.starts(of: "i1") == [0])
        #expect(pod.condition("Initialized")?.status == .true)
        #expect(pod.status.phase == .running)
        pod.run("s1", attempt: 1)
        pod.end(1, of: "s1", attempt: 1)
        #expect(pod.container("s1")?.state.waiting?.reason == "CrashLoopBackOff")
        #expect(pod.condition("Ready")?.message == "containers with unready status: [s1]")
    }

    @Test("ends after the main containers, the last one first, and does not decide how the pod ended")
    func end() {
        var pod = running()
        pod.end(0)
        #expect(pod.stops(of: "s2") == [10] && pod.stops(of: "s1").isEmpty)
        pod.end(143, of: "s2")
        #expect(pod.stops(of: "s1") == [10])
        pod.end(137, of: "s1")
        #expect(pod.status.phase == .succeeded)
        #expect(pod.last.contains(.removeSandbox))
    }

    @Test("of a deleted pod is told to stop when its turn comes or the grace is over, whichever is first")
    func graceIsShared() {
        var pod = running()
        pod.send(.deletionRequested(graceSeconds: 10))
        #expect(pod.stops(of: "main") == [10] && pod.stops(of: "s2").isEmpty)
        pod.wait(seconds: 4)
        pod.end(143)
        #expect(pod.stops(of: "s2") == [6] && pod.stops(of: "s1").isEmpty)
        pod.wait(seconds: 6)
        #expect(pod.stops(of: "s1") == [2], "a moment for SIGTERM is left")
    }
}

@Suite("lifecycle hooks of a container")
struct LifecycleHookTests {
    private let main = ContainerRun(name: "main", attempt: 0)

    private func pod(_ lifecycle: Lifecycle, _ containers: [String] = ["main"], policy: RestartPolicy = .never) -> Driver {
        var pod = makePod(containers: containers, restartPolicy: policy, grace: 10)
        pod.spec.containers[0].lifecycle = lifecycle
        var driver = Driver(pod)
        driver.setUp()
        return driver
    }

    @Test("until postStart is done the container counts as being created, and the next one waits")
    func postStart() {
        var pod = pod(Lifecycle(postStart: commandHook), ["main", "next"])
        pod.run()
        #expect(pod.last.contains(.runHook(main, .postStart, timeoutSeconds: PodStateMachine.longestPostStartSeconds)))
        #expect(pod.container("main")?.state.waiting?.reason == "ContainerCreating")
        #expect(pod.starts(of: "next").isEmpty && pod.status.phase == .pending)
        pod.hook(.postStart)
        #expect(pod.container("main")?.ready == true)
        #expect(pod.starts(of: "next") == [0])
    }

    @Test("a postStart hook that fails ends the container, which then follows the restart policy")
    func postStartFails() {
        var pod = pod(Lifecycle(postStart: commandHook), policy: .onFailure)
        pod.run()
        pod.hook(.postStart, failure: "exit 1")
        #expect(pod.reasons.contains("FailedPostStartHook"))
        #expect(pod.stops(of: "main") == [10])
        pod.end(137)
        #expect(pod.starts(of: "main") == [0, 1])
    }

    @Test("preStop comes before SIGTERM and takes its time from the same grace")
    func preStop() {
        var pod = pod(Lifecycle(preStop: commandHook))
        pod.run()
        pod.send(.deletionRequested(graceSeconds: 10))
        #expect(pod.last.contains(.runHook(main, .preStop, timeoutSeconds: 10)))
        #expect(pod.stops(of: "main").isEmpty)
        pod.now += 3 * second
        pod.hook(.preStop)
        #expect(pod.stops(of: "main") == [7])
    }

    @Test("a preStop hook that does not end is not waited for longer than the grace")
    func preStopHangs() {
        var pod = pod(Lifecycle(preStop: commandHook))
        pod.run()
        pod.send(.deletionRequested(graceSeconds: 10))
        #expect(pod.last.contains(.setTimer(pod.now + 10 * second)))
        pod.wait(seconds: 10)
        #expect(pod.stops(of: "main") == [2])
    }

    @Test("who deletes with no grace runs no hook; a grace that is shortened cuts one off")
    func noGrace() {
        var forced = pod(Lifecycle(preStop: commandHook))
        forced.run()
        forced.send(.deletionRequested(graceSeconds: 0))
        #expect(forced.stops(of: "main") == [0])
        var shortened = pod(Lifecycle(preStop: commandHook))
        shortened.run()
        shortened.send(.deletionRequested(graceSeconds: 10), .deletionRequested(graceSeconds: 0))
        #expect(shortened.stops(of: "main") == [0])
    }

    @Test("an agent that comes back runs a postStart hook again whose answer it missed, and no other")
    func restart() throws {
        var pod = pod(Lifecycle(postStart: commandHook))
        pod.run()
        var next = pod
        next.machine = try roundTrip(pod.machine)
        next.send(.adopted([main: .running(startedAt: epoch)]))
        #expect(next.last.contains { if case .runHook(_, .postStart, _) = $0 { true } else { false } })
        pod.hook(.postStart)
        pod.machine = try roundTrip(pod.machine)
        pod.send(.adopted([main: .running(startedAt: epoch)]))
        #expect(!pod.last.contains { if case .runHook = $0 { true } else { false } })
    }
}

@Suite("ephemeral containers, eviction and the end of a pod")
struct PodEndTests {
    @Test("an ephemeral container is started in a running pod, once, and decides nothing")
    func ephemeral() {
        var newer = makePod(restartPolicy: .always)
        newer.spec.ephemeralContainers = [Container(name: "debug", image: "tools:1", targetContainerName: "main")]
        var pod = Driver(makePod(restartPolicy: .always))
        pod.setUp()
        pod.run()
        pod.send(.updated(newer), .updated(newer))
        #expect(pod.starts(of: "debug") == [0])
        pod.run("debug")
        #expect(pod.status.ephemeralContainerStatuses.map(\.name) == ["debug"])
        pod.end(1, of: "debug")
        #expect(pod.starts(of: "debug") == [0])
        #expect(pod.status.phase == .running && pod.condition("Ready")?.status == .true)
    }

    @Test("an evicted pod is Failed with the node's reason and a DisruptionTarget, within the grace that the node gives")
    func evicted() {
        var pod = Driver(makePod(restartPolicy: .always, grace: 30))
        pod.setUp()
        pod.run()
        pod.send(.evicted(reason: "Evicted", message: "The node was low on resource: memory.", graceSeconds: 0))
        #expect(pod.stops(of: "main") == [0])
        pod.end(137)
        #expect(pod.status.phase == .failed && pod.status.reason == "Evicted")
        #expect(pod.condition("DisruptionTarget")?.reason == "TerminationByKubelet")
        #expect(pod.starts(of: "main") == [0])
    }

    @Test("a main container that never ran is not taken for a success when its pod is over")
    func neverRan() {
        var pod = Driver(makePod(containers: ["a", "b"]))
        pod.setUp()
        pod.run("a")
        pod.send(.deletionRequested(graceSeconds: 1), .containerStartFailed(
            ContainerRun(name: "b", attempt: 0), StepFailure(reason: "Failed", message: "busy", retriable: true)))
        pod.end(0, of: "a")
        #expect(pod.status.phase == .failed)
        #expect(pod.container("b")?.state.terminated?.exitCode != 0)
    }
}
