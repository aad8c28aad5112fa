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
        /// False: what may wait is never written.
        var hasTime = true

        init(_ pod: Pod) { driver = Driver(pod) }

        mutating func send(_ inputs: PodInput...) {
            for input in inputs {
                driver.send(input)
                let need = driver.machine.recordNeed(record, driver.last)
                if need == .none { continue }
                needs.append(need)
                if need == .eventually, !hasTime { continue }
                record = need == .settled ? record?.settled() : driver.machine
            }
        }
    }

    private let run = ContainerRun(name: "main", attempt: 0)

    @Test(
        "a plain pod's whole life is written twice, before its program begins and when its end is told; when it goes on and when all is done cost less"
    )
    func plain() {
        var pod = Recorded(makePod())
        pod.send(.added, .volumesReady)
        #expect(pod.needs.isEmpty)
        pod.send(.sandboxReady(address: nil))
        #expect(pod.needs == [.durable], "a program may begin")
        pod.send(.imageResolved(run, "psi:1"), .containerStarted(run, at: epoch))
        #expect(pod.needs == [.durable, .eventually])
        pod.send(.containerExited(run, exit(0)))
        #expect(pod.needs == [.durable, .eventually, .durable], "its end is told")
        pod.send(.sandboxRemoved, .finalStatusDelivered, .volumesCleaned)
        #expect(pod.needs == [.durable, .eventually, .durable, .told, .settled], "told while something was left to remove")
        pod.send(.deletionRequested(graceSeconds: 0), .objectGone)
        #expect(pod.needs.count == 5)
    }

    @Test("what may wait may be missing: an agent that finds only the intent to start takes up what runs, or its end")
    func postponed() {
        for phase in [AdoptedPhase.running(startedAt: epoch), .exited(exit(0))] {
            var pod = Recorded(makePod())
            pod.hasTime = false
            pod.send(.added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch))
            #expect(pod.needs == [.durable, .eventually])
            var next = Driver(makePod())
            next.machine = pod.record ?? next.machine
            next.send(.adopted([run: phase]))
            #expect(next.starts(of: "main").isEmpty)
            #expect(next.status.phase == (phase == .exited(exit(0)) ? .succeeded : .running))
        }
    }

    @Test("a settled pod is settled for the next agent too: nothing is told, removed or started again")
    func settled() throws {
        var pod = Recorded(makePod())
        pod.send(
            .added, .volumesReady, .sandboxReady(address: nil), .containerStarted(run, at: epoch), .containerExited(run, exit(0)))
        pod.send(.sandboxRemoved, .finalStatusDelivered, .volumesCleaned)
        let record = try #require(pod.record)
        #expect(record.state == pod.driver.machine.state)
        var next = Driver(makePod())
        next.machine = record
        next.send(.adopted([:]))
        #expect(next.last.isEmpty)
        next.send(.deletionRequested(graceSeconds: 0))
        #expect(next.last.contains(.deletePodObject))
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
        for input in [
            PodInput.hookFinished(run, .postStart, failure: nil), .probed(run, .readiness, .success()),
            .probed(run, .liveness, .failure("m")),
        ] {
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
