// A pod's record is written only before what must not happen twice: an agent that died with just those records goes on as well.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("what of a pod must be on disk")
struct PodRecordNeedTests {
    /// A machine whose worker writes what is needed and nothing else.
    private struct Recorded {
        var driver: Driver
        var record: PodStateMachine?
        var needs: [RecordNeed] = []

        init(_ pod: Pod) { driver = Driver(pod) }

        mutating func send(_ inputs: PodInput...) {
            for input in inputs {
                driver.send(input)
                let need = driver.machine.recordNeed(record, driver.last)
                if need == .none { continue }
                record = driver.machine
                needs.append(need)
            }
        }
    }

    private let run = ContainerRun(name: "main", attempt: 0)

    @Test("a plain pod's whole life is written four times: before its program begins, when it runs, when its end is told, when all is done")
    func plain() {
        var pod = Recorded(makePod())
        pod.send(.added, .volumesReady)
        #expect(pod.needs.isEmpty)
        pod.send(.sandboxReady(address: nil))
        #expect(pod.needs == [.durable], "a program may begin")
        pod.send(.imageResolved(run, "psi:1"), .containerStarted(run, at: epoch))
        #expect(pod.needs == [.durable, .written])
        pod.send(.containerExited(run, exit(0)))
        #expect(pod.needs == [.durable, .written, .durable], "its end is told")
        pod.send(.sandboxRemoved, .finalStatusDelivered, .volumesCleaned)
        #expect(pod.needs == [.durable, .written, .durable, .written])
        pod.send(.deletionRequested(graceSeconds: 0), .objectGone)
        #expect(pod.needs.count == 4)
    }

    @Test("who ends a pod and why is written before anything is stopped")
    func evicted() {
        var pod = Recorded(makePod())
        pod.send(.added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch))
        pod.send(.evicted(reason: "Evicted", message: "disk"))
        #expect(pod.needs.last == .written)
        #expect(pod.record?.isEnding == true)
    }

    @Test("each start of a container is written, and what only the machine knows of a run: hooks, probes, why it must end")
    func probed() {
        var wanted = makePod(restartPolicy: .always)
        wanted.spec.containers[0].livenessProbe = makeProbe(failures: 1)
        wanted.spec.containers[0].readinessProbe = makeProbe()
        wanted.spec.containers[0].lifecycle = Lifecycle(postStart: commandHook)
        var pod = Recorded(wanted)
        pod.send(.added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch))
        for input in [PodInput.hookFinished(run, .postStart, failure: nil), .probed(run, .readiness, .success()), .probed(run, .liveness, .failure("m"))] {
            let before = pod.needs.count
            pod.send(input)
            #expect(pod.needs.count == before + 1, "\(input)")
        }
        pod.send(.containerExited(run, exit(137)))
        #expect(pod.needs.last == .durable, "the next run is ordered")
    }

    @Test("a change of the object's labels is not written: the API server tells it again")
    func labels() {
        var pod = Recorded(makePod())
        pod.send(.added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch))
        let before = pod.needs.count
        var newer = makePod()
        newer.metadata.labels["new"] = "label"
        pod.send(.updated(newer))
        #expect(pod.needs.count == before)
        #expect(pod.driver.machine.pod.metadata.labels["new"] == "label")
    }
}
