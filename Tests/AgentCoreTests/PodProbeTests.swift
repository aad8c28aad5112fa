// What probes decide, one situation at a time.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("probes of a container")
struct PodProbeTests {
    private func pod(_ policy: RestartPolicy = .always, _ change: (inout Container) -> Void) -> Driver {
        var pod = makePod(restartPolicy: policy, grace: 30)
        change(&pod.spec.containers[0])
        var driver = Driver(pod)
        driver.setUp()
        driver.run()
        return driver
    }

    @Test("begin after their delay, come once a period, and never two at a time")
    func schedule() {
        var pod = pod { $0.livenessProbe = makeProbe(delay: 5, period: 10) }
        #expect(pod.probes(.liveness) == 0)
        pod.wait(seconds: 5)
        #expect(pod.probes(.liveness) == 1)
        pod.wait(seconds: 30)
        #expect(pod.probes(.liveness) == 1, "the first has not answered")
        pod.probe(.liveness, .success())
        #expect(pod.probes(.liveness) == 2)
        pod.probe(.liveness, .success())
        pod.wait(seconds: 9)
        #expect(pod.probes(.liveness) == 2)
        pod.wait(seconds: 1)
        #expect(pod.probes(.liveness) == 3)
    }

    @Test("readiness turns on and off by its thresholds; an attempt that could not be made does not count")
    func readiness() {
        var pod = pod { $0.readinessProbe = makeProbe(period: 1, failures: 2, successes: 2) }
        func look(_ outcome: ProbeOutcome) {
            pod.probe(.readiness, outcome)
            pod.wait(seconds: 1)
        }
        #expect(pod.container("main")?.ready == false && pod.container("main")?.started == true)
        look(.success())
        #expect(pod.condition("Ready")?.reason == "ContainersNotReady")
        look(.success())
        #expect(pod.condition("Ready")?.status == .true)
        look(.failure("connection refused"))
        look(.error("no runtime"))
        #expect(pod.container("main")?.ready == true)
        look(.failure("connection refused"))
        #expect(pod.container("main")?.ready == false)
        #expect(pod.stops(of: "main").isEmpty)
        #expect(
            pod.effects.contains(.event(.warning, reason: "Unhealthy", message: "Readiness probe failed: connection refused", container: "main")))
    }

    @Test("a startup probe holds the others back; then the container has started")
    func startup() {
        var pod = pod {
            $0.startupProbe = makeProbe(period: 1, failures: 30)
            $0.readinessProbe = makeProbe()
            $0.livenessProbe = makeProbe()
        }
        #expect(pod.probes(.startup) == 1 && pod.probes(.readiness) == 0 && pod.probes(.liveness) == 0)
        #expect(pod.container("main")?.started == false)
        pod.probe(.startup, .success())
        #expect(pod.container("main")?.started == true && pod.container("main")?.ready == false)
        #expect(pod.probes(.readiness) == 1 && pod.probes(.liveness) == 1)
        pod.probe(.readiness, .success())
        #expect(pod.container("main")?.ready == true)
        pod.wait(seconds: 5)
        #expect(pod.probes(.startup) == 1)
    }

    @Test(
        "a liveness probe that fails often enough ends the container with its own grace, and it starts again",
        arguments: [0, 137])
    func liveness(_ exitCode: Int) {
        var pod = pod(.onFailure) { $0.livenessProbe = makeProbe(period: 1, failures: 3, grace: 4) }
        for _ in 0..<3 {
            pod.probe(.liveness, .failure("HTTP probe failed with statuscode: 500"))
            pod.wait(seconds: 1)
        }
        #expect(pod.stops(of: "main") == [4])
        #expect(
            pod.effects.contains(
                .event(.normal, reason: "Killing", message: "Container main failed liveness probe, will be restarted", container: "main")))
        pod.end(exitCode)
        #expect(pod.starts(of: "main") == [0, 1])
        #expect(pod.container("main")?.restartCount == 1)
    }

    @Test("a container of a pod that is never restarted is ended by its probe for good")
    func never() {
        var pod = pod(.never) { $0.startupProbe = makeProbe(failures: 1) }
        pod.probe(.startup, .failure("no"))
        #expect(pod.stops(of: "main") == [30])
        pod.end(143)
        #expect(pod.status.phase == .failed)
        #expect(pod.starts(of: "main") == [0])
    }

    @Test("what ends is looked at for readiness only")
    func ending() {
        var pod = pod {
            $0.livenessProbe = makeProbe(period: 1, failures: 1)
            $0.readinessProbe = makeProbe(period: 1)
        }
        pod.probe(.readiness, .success())
        pod.send(.deletionRequested(graceSeconds: 30))
        pod.probe(.liveness, .failure("busy ending"))
        #expect(pod.stops(of: "main") == [30])
        let (looks, lives) = (pod.probes(.readiness), pod.probes(.liveness))
        pod.wait(seconds: 2)
        #expect(pod.probes(.readiness) == looks + 1 && pod.probes(.liveness) == lives)
        #expect(pod.container("main")?.ready == true)
    }

    @Test("looking changes nothing on record: only what a probe decides is written")
    func record() {
        var pod = pod { $0.livenessProbe = makeProbe(period: 1) }
        let before = pod.machine
        for _ in 0..<3 {
            pod.probe(.liveness, .success())
            pod.wait(seconds: 1)
        }
        #expect(pod.probes(.liveness) == 4)
        #expect(pod.machine == before)
    }

    @Test("readiness survives the agent: a container that was ready stays so until a probe says otherwise")
    func restart() throws {
        var pod = pod { $0.readinessProbe = makeProbe(period: 10, failures: 1) }
        pod.probe(.readiness, .success())
        pod.machine = try roundTrip(pod.machine)
        pod.send(.adopted([ContainerRun(name: "main", attempt: 0): .running(startedAt: epoch)]))
        #expect(pod.container("main")?.ready == true)
        pod.wait(seconds: 10)
        pod.probe(.readiness, .failure("gone"))
        #expect(pod.container("main")?.ready == false)
    }

    @Test("a readiness gate is a condition that somebody else sets: Ready waits for it")
    func gates() {
        var spec = makePod()
        spec.spec.readinessGates = [PodReadinessGate(conditionType: "example.com/open")]
        var pod = Driver(spec)
        pod.setUp()
        pod.run()
        #expect(pod.condition("ContainersReady")?.status == .true)
        #expect(pod.condition("Ready")?.reason == "ReadinessGatesNotReady")
        #expect(
            pod.condition("Ready")?.message
                == "corresponding condition of pod readiness gate \"example.com/open\" does not exist.")
        spec.status.conditions = [PodCondition(type: "example.com/open", status: .true)]
        pod.send(.updated(spec))
        #expect(pod.condition("Ready")?.status == .true)
    }
}
