// What a pod's object may still change while it runs, what an agent's restart keeps, and how long a pod waits.
import KubernetesModel
import KusciaModel
import Testing

@testable import AgentCore

@Suite("a running pod's object")
struct PodDefinitionTests {
    private func with(_ image: String, _ pod: Pod) -> Pod {
        var pod = pod
        pod.spec.containers[0].image = image
        return pod
    }

    @Test(
        "a changed image restarts the container with it, at once, whatever the restart policy",
        arguments: [RestartPolicy.always, .onFailure, .never])
    func image(_ policy: RestartPolicy) {
        let spec = makePod(containers: ["main", "other"], restartPolicy: policy, grace: 10)
        var pod = Driver(spec)
        pod.setUp()
        pod.run()
        pod.run("other")
        pod.send(.updated(with("psi:2", spec)))
        #expect(pod.stops(of: "main") == [10] && pod.stops(of: "other").isEmpty)
        let message = "Container main definition changed, will be restarted"
        #expect(pod.effects.contains(.event(.normal, reason: "Killing", message: message, container: "main")))
        pod.end(143)
        #expect(pod.starts(of: "main") == [0, 1])
        #expect(pod.machine.spec(of: "main")?.image == "psi:2")
        pod.run(attempt: 1)
        #expect(pod.container("main")?.image == "psi:2" && pod.container("main")?.restartCount == 1)
        #expect(pod.machine.images == ["psi:1", "psi:2"])
        pod.send(.updated(with("psi:2", spec)))
        #expect(pod.stops(of: "main") == [10])
    }

    @Test("a crash that came before does not make the new image wait, and one of the new image is its first")
    func freshBackOff() {
        let spec = makePod(restartPolicy: .always)
        var pod = Driver(spec)
        pod.setUp()
        pod.run()
        pod.end(1)
        pod.run(attempt: 1)
        pod.end(1, attempt: 1)
        #expect(pod.container("main")?.state.waiting?.reason == "CrashLoopBackOff")
        pod.send(.updated(with("psi:2", spec)))
        #expect(pod.starts(of: "main") == [0, 1, 2])
        pod.run(attempt: 2)
        pod.end(1, attempt: 2)
        #expect(pod.starts(of: "main") == [0, 1, 2, 3])
    }

    @Test("an image that cannot be had is given up for its successor; what comes of its pull is not used")
    func imageBeforeStart() {
        let spec = makePod()
        let first = ContainerRun(name: "main", attempt: 0)
        var pod = Driver(spec)
        pod.setUp()
        pod.send(.imageNeeded(first))
        #expect(pod.last.contains(.pullImage(first)))
        pod.send(.updated(with("psi:2", spec)))
        #expect(pod.last.contains(.cancelPull(first)))
        pod.send(.imagePulled(first, "sha256:old", message: "pulled"))
        #expect(pod.machine.pulledImage(first) == nil)
        #expect(pod.starts(of: "main") == [0, 0])
        pod.send(.imageFailed(first, .image("ErrImagePull", "none")))
        #expect(pod.container("main")?.state.waiting?.reason == "ErrImagePull")
        pod.send(.updated(with("psi:3", spec)))
        #expect(pod.starts(of: "main") == [0, 0, 0])
        pod.run()
        #expect(pod.container("main")?.image == "psi:3" && pod.container("main")?.restartCount == 0)
    }

    @Test("one that changes while the container is being started restarts it; a container that is over stays over")
    func imageDuringStart() {
        let spec = makePod(containers: ["main", "done"])
        var pod = Driver(spec)
        pod.setUp()
        pod.send(.updated(with("psi:2", spec)))
        pod.run()
        #expect(pod.stops(of: "main").count == 1)
        var other = spec
        other.spec.containers[1].image = "psi:2"
        pod = Driver(spec)
        pod.setUp()
        pod.run()
        pod.run("done")
        pod.end(0, of: "done")
        pod.send(.updated(other))
        #expect(pod.starts(of: "done") == [0])
    }

    @Test("the deadline counts from the start that was told, whichever agent told it")
    func startTime() {
        var spec = makePod(deadline: 100)
        spec.status.startTime = Timestamp(unixNanoseconds: epoch - 90 * second)
        var pod = Driver(spec)
        pod.setUp()
        #expect(pod.status.startTime == spec.status.startTime)
        pod.wait(seconds: 11)
        #expect(pod.reasons.contains("DeadlineExceeded"))
        // Nobody's clock is ahead by years.
        spec.status.startTime = Timestamp(unixNanoseconds: epoch + 3600 * second)
        pod = Driver(spec)
        pod.send(.added)
        #expect(pod.machine.startTime == epoch)
    }

    @Test("a pod waits for its volumes without end; a task's pod, for which others wait, ten minutes")
    func volumes() {
        let failure = StepFailure(reason: "FailedMount", message: "configmap late is not there", retriable: true)
        var spec = makePod()
        var pod = Driver(spec)
        pod.send(.added)
        pod.now += 86_400 * second
        pod.send(.volumesFailed(failure))
        #expect(pod.status.phase == .pending && !pod.machine.isEnding)
        spec.metadata.labels[KusciaLabel.taskID] = "job-psi"
        pod = Driver(spec)
        pod.send(.added)
        pod.now += 601 * second
        pod.send(.volumesFailed(failure))
        #expect(pod.machine.isEnding)
    }

    @Test("before its init containers have begun, each container waits as PodInitializing")
    func waiting() {
        var pod = Driver(makePod(initContainers: ["first", "second"]))
        pod.send(.added)
        for name in ["first", "second", "main"] {
            #expect(pod.container(name)?.state.waiting?.reason == "PodInitializing")
        }
    }
}
