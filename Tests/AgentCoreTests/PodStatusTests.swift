// The status that users and controllers see, at each turn of a pod's life.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("pod status")
struct PodStatusTests {
    private func condition(_ type: String, _ status: PodStatus) -> PodCondition? { status.conditions.first { $0.type == type } }

    @Test("before the first container: Pending, ContainerCreating, not ready, started on this node")
    func creating() {
        var pod = Driver(makePod())
        pod.send(.added)
        #expect(pod.status.phase == .pending)
        #expect(pod.status.startTime == Timestamp(unixSeconds: epoch / second))
        #expect(pod.status.hostIP == "10.0.0.1")
        #expect(pod.status.podIP == nil)
        #expect(pod.status.containerStatuses[0].state.waiting?.reason == "ContainerCreating")
        #expect(pod.status.containerStatuses[0].containerID == nil)
        #expect(condition("PodScheduled", pod.status)?.status == .true)
        #expect(condition("Initialized", pod.status)?.status == .true)
        #expect(condition("Ready", pod.status)?.reason == "ContainersNotReady")
        #expect(condition("Ready", pod.status)?.message == "containers with unready status: [main]")
    }

    @Test("running: Ready, with address, start time and container id")
    func running() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        let container = pod.status.containerStatuses[0]
        #expect(pod.status.podIP == "10.0.0.1")
        #expect(pod.status.podIPs == [PodIP(ip: "10.0.0.1")])
        #expect(container.ready && container.started == true)
        #expect(container.containerID == "runp://uid-1_main_0")
        #expect(container.state.running?.startedAt == Timestamp(unixSeconds: epoch / second))
        for type in ["Ready", "ContainersReady", "PodReadyToStartContainers"] {
            #expect(condition(type, pod.status)?.status == .true)
        }
    }

    @Test("waiting for init containers: PodInitializing, Initialized False")
    func initializing() {
        var pod = Driver(makePod(initContainers: ["i1"]))
        pod.setUp()
        pod.run("i1")
        #expect(pod.status.phase == .pending)
        #expect(pod.status.containerStatuses[0].state.waiting?.reason == "PodInitializing")
        #expect(condition("Initialized", pod.status)?.reason == "ContainersNotInitialized")
        pod.end(0, of: "i1")
        #expect(pod.status.initContainerStatuses[0].ready)
        #expect(condition("Initialized", pod.status)?.status == .true)
    }

    @Test("ended: PodCompleted or PodFailed, with the times of the run", arguments: [0, 9])
    func ended(_ code: Int) {
        var pod = Driver(makePod())
        pod.setUp()
        pod.run()
        pod.now += 30 * second
        pod.end(code, ran: 30)
        let terminated = pod.status.containerStatuses[0].state.terminated
        #expect(terminated?.exitCode == code)
        #expect(terminated?.reason == (code == 0 ? "Completed" : "Error"))
        #expect(terminated?.startedAt == Timestamp(unixSeconds: epoch / second))
        #expect(terminated?.finishedAt == Timestamp(unixSeconds: epoch / second + 30))
        #expect(condition("Ready", pod.status)?.reason == (code == 0 ? "PodCompleted" : "PodFailed"))
        #expect(condition("Ready", pod.status)?.lastTransitionTime == Timestamp(unixSeconds: epoch / second + 30))
        #expect(pod.status.containerStatuses[0].ready == false)
    }

    @Test("one of two containers failed: the pod stays Running until the other ended, then Failed")
    func mixed() {
        var pod = Driver(makePod(containers: ["a", "b"]))
        pod.setUp()
        pod.run("a")
        pod.run("b")
        pod.end(1, of: "a")
        #expect(pod.status.phase == .running)
        #expect(condition("Ready", pod.status)?.message == "containers with unready status: [a]")
        pod.end(0, of: "b")
        #expect(pod.status.phase == .failed)
    }

    @Test(
        "quality of service",
        arguments: [
            ([:], "BestEffort"), (["cpu": Quantity(1)], "Burstable"),
            (["cpu": Quantity(1), "memory": Quantity(1024)], "Guaranteed"),
        ] as [([String: Quantity], String)])
    func qualityOfService(_ limits: [String: Quantity], _ expected: String) {
        var pod = Driver(makePod(limits: limits))
        pod.send(.added)
        #expect(pod.status.qosClass == expected)
    }
}
