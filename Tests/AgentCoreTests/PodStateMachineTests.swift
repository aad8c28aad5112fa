// What a pod's machine promises, one situation at a time.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("pod machine")
struct PodStateMachineTests {
    @Test("a pod runs through volumes, sandbox, container and clean-up to Succeeded, reported finally once")
    func plainLife() {
        var pod = Driver(makePod())
        pod.send(.added)
        #expect(pod.last.first == .prepareVolumes)
        pod.send(.volumesReady)
        #expect(pod.last.contains(.runSandbox))
        pod.send(.sandboxReady(address: nil))
        #expect(pod.last.contains(.createAndStart(ContainerRun(name: "main", attempt: 0))))
        pod.run()
        #expect(pod.status.phase == .running)
        pod.end(0)
        #expect(pod.last.contains(.removeSandbox))
        #expect(pod.status.phase == .succeeded)
        pod.cleanUp()
        pod.send(.finalStatusDelivered, .tick, .tick)
        #expect(pod.finalReports == 1)
        #expect(pod.machine.state == .terminated(.settled, .completed))
    }

    @Test("init containers run in order, each after the one before succeeded, the main ones last")
    func initOrder() {
        var pod = Driver(makePod(initContainers: ["i1", "i2"]))
        pod.setUp()
        #expect(pod.last.contains(.createAndStart(ContainerRun(name: "i1", attempt: 0))))
        pod.run("i1")
        #expect(pod.starts(of: "i2").isEmpty)
        pod.end(0, of: "i1")
        #expect(pod.starts(of: "i2") == [0])
        pod.run("i2")
        pod.end(0, of: "i2")
        #expect(pod.starts(of: "main") == [0])
    }

    @Test("a failed init container of a pod that is never restarted fails the pod before its main container starts")
    func initFails() {
        var pod = Driver(makePod(initContainers: ["i1"]))
        pod.setUp()
        pod.run("i1")
        pod.end(3, of: "i1")
        #expect(pod.status.phase == .failed)
        #expect(pod.starts(of: "main").isEmpty)
    }

    @Test(
        "the restart policy decides",
        arguments: [
            (RestartPolicy.never, 0, false), (.never, 1, false), (.onFailure, 0, false), (.onFailure, 1, true),
            (.always, 0, true),
            (.always, 1, true),
        ])
    func restartPolicy(_ policy: RestartPolicy, _ code: Int, _ restarted: Bool) {
        var pod = Driver(makePod(restartPolicy: policy))
        pod.setUp()
        pod.run()
        pod.end(code)
        #expect(pod.starts(of: "main") == (restarted ? [0, 1] : [0]))
        if !restarted { #expect(pod.status.phase == (code == 0 ? .succeeded : .failed)) }
    }

    @Test("crashes back off: at once, then 10 s, doubling, at most 300 s; a long run forgives")
    func backOff() {
        var pod = Driver(makePod(restartPolicy: .always))
        pod.setUp()
        pod.run()
        pod.end(1)
        for (attempt, pause) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (7, 300)] {
            #expect(pod.starts(of: "main").last == attempt)
            pod.run(attempt: attempt)
            pod.end(1, attempt: attempt)
            #expect(pod.status.containerStatuses[0].state.waiting?.reason == "CrashLoopBackOff")
            pod.wait(seconds: Int64(pause) - 1)
            #expect(pod.starts(of: "main").last == attempt)
            pod.wait(seconds: 1)
        }
        pod.run(attempt: 8)
        pod.end(1, attempt: 8, ran: 601)
        #expect(pod.starts(of: "main").last == 9)
        #expect(pod.status.containerStatuses[0].restartCount == 9)
        #expect(pod.status.containerStatuses[0].lastState.terminated?.exitCode == 1)
    }

    @Test("a pod deleted while its container starts is stopped once the start is answered")
    func deletedDuringStart() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.send(.deletionRequested(graceSeconds: 7))
        #expect(!pod.effects.contains(.removeSandbox))
        pod.run()
        #expect(pod.last.contains(.stop(ContainerRun(name: "main", attempt: 0), graceSeconds: 7)))
        pod.end(143)
        #expect(pod.last.contains(.removeSandbox))
        pod.cleanUp()
        pod.send(.finalStatusDelivered)
        #expect(pod.last.contains(.deletePodObject))
        pod.send(.objectGone)
        #expect(pod.last == [.forget])
    }

    @Test("a pod deleted during volumes waits for them, cleans up and never starts anything")
    func deletedDuringVolumes() {
        var pod = Driver(makePod())
        pod.send(.added, .deletionRequested(graceSeconds: 0))
        #expect(!pod.effects.contains(.removeSandbox))
        pod.send(.volumesReady)
        #expect(pod.last.contains(.removeSandbox))
        #expect(pod.starts(of: "main").isEmpty)
    }

    @Test("a second deletion with a shorter grace shortens the stop under way")
    func shorterGrace() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        let run = ContainerRun(name: "main", attempt: 0)
        pod.send(.deletionRequested(graceSeconds: 30))
        #expect(pod.last.contains(.stop(run, graceSeconds: 30)))
        pod.send(.deletionRequested(graceSeconds: 60))
        #expect(!pod.last.contains { if case .stop = $0 { true } else { false } })
        pod.send(.deletionRequested(graceSeconds: 1))
        #expect(pod.last.contains(.stop(run, graceSeconds: 1)))
    }

    @Test("an object removed by force shortens a long grace: nobody waits for the pod any more")
    func removedByForce() {
        var pod = Driver(makePod(grace: 600))
        pod.setUp()
        pod.run()
        pod.send(.deletionRequested(graceSeconds: 600), .objectGone)
        #expect(pod.last.contains(.stop(ContainerRun(name: "main", attempt: 0), graceSeconds: 2)))
        pod.end(143)
        pod.cleanUp()
        #expect(pod.last.contains(.forget))
        #expect(pod.finalReports == 0)
    }

    @Test("the object is deleted only after the final status was delivered and everything is cleaned")
    func deletionOrder() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        pod.send(.deletionRequested(graceSeconds: 1))
        pod.end(143)
        pod.send(.finalStatusDelivered)
        #expect(!pod.effects.contains(.deletePodObject))
        pod.cleanUp()
        #expect(pod.effects.contains(.deletePodObject))
    }

    @Test("activeDeadlineSeconds ends the pod as Failed, DeadlineExceeded, with the pod's own grace")
    func deadline() {
        var pod = Driver(makePod(deadline: 60, grace: 4))
        pod.setUp()
        pod.run()
        pod.wait(seconds: 59)
        #expect(pod.status.phase == .running)
        pod.wait(seconds: 1)
        #expect(pod.last.contains(.stop(ContainerRun(name: "main", attempt: 0), graceSeconds: 4)))
        pod.end(143)
        #expect(pod.status.phase == .failed)
        #expect(pod.status.reason == "DeadlineExceeded")
    }

    @Test("an OOM kill is told as OOMKilled, 137")
    func outOfMemory() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        pod.end(137, reason: "OOMKilled")
        let terminated = pod.status.containerStatuses[0].state.terminated
        #expect(terminated?.reason == "OOMKilled")
        #expect(terminated?.exitCode == 137)
        #expect(pod.status.phase == .failed)
        #expect(pod.reasons.contains("OOMKilling"))
    }

    @Test("volumes that are not there yet are tried again and told once")
    func volumesWait() {
        var pod = Driver(makePod())
        pod.send(.added)
        let failure = StepFailure(reason: "FailedMount", message: "waiting for hosts", retriable: true)
        for _ in 0..<5 {
            pod.send(.volumesFailed(failure))
            pod.wait(seconds: 10)
        }
        #expect(pod.effects.count { $0 == .prepareVolumes } == 6)
        #expect(pod.reasons == ["FailedMount"])
        #expect(pod.status.containerStatuses[0].state.waiting == .init(reason: "ContainerCreating", message: "waiting for hosts"))
        pod.send(.volumesReady)
        #expect(pod.last.contains(.runSandbox))
    }

    @Test("volumes that never come fail a task's pod after ten minutes, not never")
    func volumesNever() {
        var spec = makePod()
        spec.metadata.labels["kuscia.secretflow/task-id"] = "psi"
        var pod = Driver(spec)
        pod.send(.added)
        for _ in 0..<62 {
            pod.send(.volumesFailed(StepFailure(reason: "FailedMount", message: "no hosts", retriable: true)))
            pod.wait(seconds: 10)
        }
        #expect(pod.status.phase == .failed)
        #expect(pod.status.reason == "FailedMount")
    }

    @Test("a volume that cannot ever work fails the pod at once")
    func volumesFatal() {
        var pod = Driver(makePod())
        pod.send(.added, .volumesFailed(StepFailure(reason: "FailedMount", message: "not allowed", retriable: false)))
        #expect(pod.status.phase == .failed)
        #expect(pod.status.message == "not allowed")
    }

    @Test("a container whose configuration is missing waits without end, tries again with growing pauses, and is told once")
    func configurationWait() {
        var pod = Driver(makePod())
        pod.setUp()
        let run = ContainerRun(name: "main", attempt: 0)
        for _ in 0..<200 {
            pod.send(.containerStartFailed(run, .configuration("configmap \"x\" not found")))
            #expect(
                pod.status.containerStatuses[0].state.waiting
                    == .init(reason: "CreateContainerConfigError", message: "configmap \"x\" not found"))
            pod.wait(seconds: 10)
        }
        #expect(pod.starts(of: "main").count == 201 && pod.status.phase == .pending)
        let told = PodEffect.event(.warning, reason: "Failed", message: "Error: configmap \"x\" not found", container: "main")
        #expect(pod.effects.count { $0 == told } == 1)
        pod.run()
        #expect(pod.status.phase == .running && pod.status.containerStatuses[0].restartCount == 0)
    }

    @Test("a start that fails for good is StartError 128; one that may pass is tried five times")
    func startFails() {
        var pod = Driver(makePod())
        pod.setUp()
        let run = ContainerRun(name: "main", attempt: 0)
        pod.send(.containerStartFailed(run, StepFailure(reason: "Failed", message: "no such file", retriable: false)))
        #expect(pod.status.containerStatuses[0].state.terminated?.exitCode == 128)
        #expect(pod.status.containerStatuses[0].state.terminated?.reason == "StartError")

        var other = Driver(makePod())
        other.setUp()
        for _ in 0..<5 {
            other.send(.containerStartFailed(run, StepFailure(reason: "Failed", message: "busy", retriable: true)))
            other.wait(seconds: 10)
        }
        #expect(other.starts(of: "main").count == 5)
        #expect(other.status.phase == .failed)
    }

    @Test("a program that is over before anybody saw it run was started all the same, once; one that could not be started was not")
    func overAtOnce() {
        func started(_ end: (inout Driver) -> Void) -> Int {
            var pod = Driver(makePod())
            pod.setUp()
            end(&pod)
            return pod.reasons.count { $0 == "Started" }
        }
        #expect(started { $0.end(0) } == 1)
        #expect(started { $0.run(); $0.end(0) } == 1)
        #expect(started { $0.end(128, reason: "StartError") } == 0)
        let lost = ContainerTermination(exitCode: 137, reason: "ContainerStatusUnknown", finishedAt: epoch)
        #expect(started { $0.send(.containerExited(ContainerRun(name: "main", attempt: 0), lost)) } == 0)
        // What could not be started is told as a failure instead, once.
        var pod = Driver(makePod())
        pod.setUp()
        pod.end(128, reason: "StartError")
        #expect(pod.reasons.count { $0 == "Failed" } == 1)
    }

    @Test("a rejected pod is Failed with the node's reason, and nothing of it ever existed")
    func rejected() {
        var pod = Driver(makePod())
        pod.send(.rejected(reason: "PortConflict", message: "port 20000 is in use"))
        #expect(pod.status.phase == .failed)
        #expect(pod.status.reason == "PortConflict")
        #expect(pod.status.containerStatuses.isEmpty)
        #expect(!pod.effects.contains { PodInvariants.isStep($0) })
    }

    @Test("a pod that finished, as the API server says, is never started again", arguments: [PodPhase.succeeded, .failed])
    func finishedStays(_ phase: PodPhase) {
        var finished = makePod()
        finished.status.phase = phase
        var pod = Driver(finished)
        pod.send(.added, .tick, .updated(finished), .adopted([:]), .added, .tick)
        #expect(pod.effects.isEmpty)
        pod.send(.deletionRequested(graceSeconds: 0))
        #expect(pod.effects == [.deletePodObject])
    }

    @Test("the final status carries what the containers used")
    func usage() throws {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        pod.end(0)
        let annotations = pod.effects.compactMap { effect -> [String: String]? in
            if case .patchStatus(_, let annotations, true) = effect { annotations } else { nil }
        }
        #expect(
            annotations == [
                ["kuscia.secretflow/usage": #"{"containers":{"main":{"cpuSeconds":1.5,"peakMemoryBytes":4096}}}"#]
            ])
    }
}

@Suite("pod machine after an agent restart")
struct PodAdoptionTests {
    private func restarted(_ driver: Driver, _ found: [ContainerRun: AdoptedPhase]) throws -> Driver {
        var next = Driver(driver.machine.pod)
        next.machine = try roundTrip(driver.machine)
        next.now = driver.now + 5 * second
        next.send(.adopted(found))
        return next
    }
    private let main = ContainerRun(name: "main", attempt: 0)

    private func running() -> Driver {
        var pod = Driver(makePod(restartPolicy: .never))
        pod.setUp()
        pod.run()
        return pod
    }

    @Test("a container that still runs goes on; nothing is started")
    func goesOn() throws {
        var pod = try restarted(running(), [main: .running(startedAt: epoch)])
        #expect(pod.starts(of: "main").isEmpty)
        #expect(pod.status.phase == .running)
        pod.end(0)
        #expect(pod.status.phase == .succeeded)
    }

    @Test("a container that ended meanwhile is reported with its true exit, once")
    func trueExit() throws {
        let pod = try restarted(running(), [main: .exited(exit(42, at: epoch + second))])
        #expect(pod.status.containerStatuses[0].state.terminated?.exitCode == 42)
        #expect(pod.finalReports == 1)
    }

    @Test("a container of which nobody can tell the end is ContainerStatusUnknown, never started again")
    func unknownEnd() throws {
        for found in [[:], [main: AdoptedPhase.unknown("rebooted")]] {
            let pod = try restarted(running(), found)
            #expect(pod.starts(of: "main").isEmpty)
            #expect(pod.status.containerStatuses[0].state.terminated?.reason == "ContainerStatusUnknown")
            #expect(pod.status.phase == .failed)
        }
    }

    @Test("a start that was meant but never happened happens now")
    func intendedStart() throws {
        var pod = Driver(makePod())
        pod.setUp()
        let next = try restarted(pod, [:])
        #expect(next.starts(of: "main") == [0])
        let created = try restarted(pod, [main: .created])
        #expect(created.starts(of: "main") == [0])
    }

    @Test("a start that happened without the agent knowing is not repeated")
    func unseenStart() throws {
        var pod = Driver(makePod())
        pod.setUp()
        let next = try restarted(pod, [main: .running(startedAt: epoch)])
        #expect(next.starts(of: "main").isEmpty)
        #expect(next.status.phase == .running)
        // What was so before the restart keeps its time.
        let scheduled = next.status.conditions.first { $0.type == "PodScheduled" }
        #expect(scheduled?.lastTransitionTime == Timestamp(unixSeconds: epoch / second))
    }

    @Test("a delivered final status is not sent again; an undelivered one is")
    func finalOnce() throws {
        var pod = running()
        pod.end(0)
        #expect(try restarted(pod, [main: .exited(exit(0))]).finalReports == 1)
        pod.send(.finalStatusDelivered)
        #expect(try restarted(pod, [main: .exited(exit(0))]).finalReports == 0)
    }

    @Test("a clean-up that was interrupted is done again")
    func cleanUpAgain() throws {
        var pod = running()
        pod.end(0)
        #expect(try restarted(pod, [main: .exited(exit(0))]).effects.contains(.removeSandbox))
        pod.send(.sandboxRemoved)
        #expect(try restarted(pod, [:]).effects.contains(.cleanVolumes))
    }

    @Test("a pod that had been started by a former life without any record is Failed, not run twice")
    func lost() {
        var known = makePod()
        known.status.phase = .running
        var pod = Driver(known)
        pod.send(.lost)
        #expect(pod.status.phase == .failed)
        #expect(pod.status.reason == "ContainerStatusUnknown")
        #expect(pod.starts(of: "main").isEmpty)
    }
}
