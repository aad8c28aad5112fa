// Records of the machine as it was before it knew hooks, probes and sidecars still load, and their pods go on.
import JSON
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("pod record of the first version")
struct PodRecordUpgradeTests {
    private struct Record: Decodable { var machine: PodStateMachine }

    private func load(_ text: String) throws -> Driver {
        let machine = try JSON.decode(Record.self, from: Array(text.utf8)).machine
        var driver = Driver(machine.pod)
        driver.machine = machine
        driver.now += 3600 * second
        return driver
    }

    @Test("a pod with a running and a crashed container is taken up: one goes on, the other is started when its back-off is over")
    func running() throws {
        var pod = try load(Self.running)
        pod.send(.adopted([ContainerRun(name: "a", attempt: 0): .running(startedAt: epoch)]))
        #expect(pod.starts(of: "a").isEmpty && pod.starts(of: "i1").isEmpty)
        #expect(pod.starts(of: "b") == [2])
        #expect(pod.container("a")?.ready == true && pod.container("a")?.started == true)
        #expect(pod.condition("Initialized")?.status == .true)
        pod.run("b", attempt: 2)
        pod.end(0, of: "a")
        pod.end(0, of: "b", attempt: 2)
        #expect(pod.status.phase == .succeeded)
    }

    @Test("a pod that was being stopped is stopped")
    func stopping() throws {
        var pod = try load(Self.stopping)
        pod.send(.adopted([ContainerRun(name: "a", attempt: 0): .running(startedAt: epoch)]))
        #expect(pod.stops(of: "a") == [5])
        pod.end(143, of: "a")
        #expect(pod.last.contains(.removeSandbox))
    }

    // As that version wrote them.
    private static let running = #"""
        {"version":1,"machine":{"pod":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"task-0","namespace":"alice","uid":"uid-1","labels":{"app":"psi"}},"spec":{"initContainers":[{"name":"i1","image":"psi:1"}],"containers":[{"name":"a","image":"psi:1"},{"name":"b","image":"psi:1"}],"restartPolicy":"OnFailure","nodeName":"node-1"}},"context":{"nodeIP":"10.0.0.1","runtimeName":"runp"},"state":{"sync":{"_0":{"running":{}}}},"containers":[{"name":"i1","isInit":true,"image":"psi:1","attempt":0,"phase":{"exited":{"_0":{"exitCode":0,"reason":"Completed","startedAt":1799999999000000000,"finishedAt":1800000000000000000,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096}}},"backOffCount":0,"startFailures":0,"retryAt":0,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096},{"name":"a","isInit":false,"image":"psi:1","attempt":0,"phase":{"running":{"startedAt":1800000000000000000}},"backOffCount":0,"startFailures":0,"retryAt":0,"cpuNanoseconds":0,"peakMemoryBytes":0},{"name":"b","isInit":false,"image":"psi:1","attempt":1,"phase":{"backingOff":{"_0":{"exitCode":1,"reason":"Error","startedAt":1799999999000000000,"finishedAt":1800000000000000000,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096},"until":1800000010000000000}},"lastTermination":{"exitCode":1,"reason":"Error","startedAt":1799999999000000000,"finishedAt":1800000000000000000,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096},"backOffCount":1,"startFailures":0,"retryAt":0,"cpuNanoseconds":3000000000,"peakMemoryBytes":4096}],"startTime":1800000000000000000,"objectGone":false,"finalStatusDelivered":false,"sandboxReady":true,"stepFailures":0,"retryAt":0,"lastStatus":{"phase":"Running","conditions":[{"type":"PodReadyToStartContainers","status":"True","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"Initialized","status":"True","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [b]","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"ContainersReady","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [b]","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"PodScheduled","status":"True","lastTransitionTime":"2027-01-15T08:00:00Z"}],"hostIP":"10.0.0.1","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"startTime":"2027-01-15T08:00:00Z","initContainerStatuses":[{"name":"i1","state":{"terminated":{"exitCode":0,"reason":"Completed","startedAt":"2027-01-15T07:59:59Z","finishedAt":"2027-01-15T08:00:00Z","containerID":"runp://uid-1_i1_0"}},"ready":true,"restartCount":0,"image":"psi:1","imageID":"psi:1","containerID":"runp://uid-1_i1_0","started":false}],"containerStatuses":[{"name":"a","state":{"running":{"startedAt":"2027-01-15T08:00:00Z"}},"ready":true,"restartCount":0,"image":"psi:1","imageID":"psi:1","containerID":"runp://uid-1_a_0","started":true},{"name":"b","state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s restarting failed container=b"}},"lastState":{"terminated":{"exitCode":1,"reason":"Error","startedAt":"2027-01-15T07:59:59Z","finishedAt":"2027-01-15T08:00:00Z","containerID":"runp://uid-1_b_1"}},"ready":false,"restartCount":1,"image":"psi:1","imageID":"psi:1","containerID":"runp://uid-1_b_1","started":false}],"qosClass":"BestEffort"},"mustReport":false,"finalStatusSent":false,"timer":1800000010000000000}}
        """#
    private static let stopping = #"""
        {"version":1,"machine":{"pod":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"task-0","namespace":"alice","uid":"uid-1","labels":{"app":"psi"}},"spec":{"initContainers":[{"name":"i1","image":"psi:1"}],"containers":[{"name":"a","image":"psi:1"},{"name":"b","image":"psi:1"}],"restartPolicy":"OnFailure","nodeName":"node-1"}},"context":{"nodeIP":"10.0.0.1","runtimeName":"runp"},"state":{"terminating":{"_0":{"stopping":{}},"_1":{"deleted":{}}}},"containers":[{"name":"i1","isInit":true,"image":"psi:1","attempt":0,"phase":{"exited":{"_0":{"exitCode":0,"reason":"Completed","startedAt":1799999999000000000,"finishedAt":1800000000000000000,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096}}},"backOffCount":0,"startFailures":0,"retryAt":0,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096},{"name":"a","isInit":false,"image":"psi:1","attempt":0,"phase":{"stopping":{"startedAt":1800000000000000000,"graceSeconds":5}},"backOffCount":0,"startFailures":0,"retryAt":0,"cpuNanoseconds":0,"peakMemoryBytes":0},{"name":"b","isInit":false,"image":"psi:1","attempt":1,"phase":{"backingOff":{"_0":{"exitCode":1,"reason":"Error","startedAt":1799999999000000000,"finishedAt":1800000000000000000,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096},"until":1800000010000000000}},"lastTermination":{"exitCode":1,"reason":"Error","startedAt":1799999999000000000,"finishedAt":1800000000000000000,"cpuNanoseconds":1500000000,"peakMemoryBytes":4096},"backOffCount":1,"startFailures":0,"retryAt":0,"cpuNanoseconds":3000000000,"peakMemoryBytes":4096}],"startTime":1800000000000000000,"deletionGrace":5,"objectGone":false,"finalStatusDelivered":false,"sandboxReady":true,"stepFailures":0,"retryAt":0,"lastStatus":{"phase":"Running","conditions":[{"type":"PodReadyToStartContainers","status":"True","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"Initialized","status":"True","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [a b]","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"ContainersReady","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [a b]","lastTransitionTime":"2027-01-15T08:00:00Z"},{"type":"PodScheduled","status":"True","lastTransitionTime":"2027-01-15T08:00:00Z"}],"hostIP":"10.0.0.1","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"startTime":"2027-01-15T08:00:00Z","initContainerStatuses":[{"name":"i1","state":{"terminated":{"exitCode":0,"reason":"Completed","startedAt":"2027-01-15T07:59:59Z","finishedAt":"2027-01-15T08:00:00Z","containerID":"runp://uid-1_i1_0"}},"ready":true,"restartCount":0,"image":"psi:1","imageID":"psi:1","containerID":"runp://uid-1_i1_0","started":false}],"containerStatuses":[{"name":"a","state":{"running":{"startedAt":"2027-01-15T08:00:00Z"}},"ready":false,"restartCount":0,"image":"psi:1","imageID":"psi:1","containerID":"runp://uid-1_a_0","started":false},{"name":"b","state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s restarting failed container=b"}},"lastState":{"terminated":{"exitCode":1,"reason":"Error","startedAt":"2027-01-15T07:59:59Z","finishedAt":"2027-01-15T08:00:00Z","containerID":"runp://uid-1_b_1"}},"ready":false,"restartCount":1,"image":"psi:1","imageID":"psi:1","containerID":"runp://uid-1_b_1","started":false}],"qosClass":"BestEffort"},"mustReport":false,"finalStatusSent":false}}
        """#
}
