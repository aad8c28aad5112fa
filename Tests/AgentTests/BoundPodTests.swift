// The agent keeps a pod's bytes and reads from them what it needs; its own report's echo changes nothing.
import JSON
import KubernetesModel
import Testing

@testable import Agent

@Suite("a bound pod as it came")
struct BoundPodTests {
    private func bound(_ change: (inout Pod) -> Void = { _ in }) throws -> BoundPod {
        var pod = Pod(
            metadata: ObjectMeta(name: "task", namespace: "alice", uid: "u-1", resourceVersion: "7", labels: ["a": "b"]),
            spec: PodSpec(containers: [Container(name: "main", image: "psi:1")], nodeName: "node-1"))
        change(&pod)
        let tape = try JSONTape(parsing: try JSON.encode(pod))
        return try BoundPod.observe(tape.root, of: tape)
    }

    @Test("it reads back whole")
    func whole() throws {
        let pod = try bound()
        #expect(pod.observedKey.description == "alice/task")
        #expect((pod.observedUID, pod.observedVersion) == ("u-1", "7"))
        #expect(try pod.pod().spec.containers[0].image == "psi:1")
    }

    @Test("the agent's own report is no news, what others may change is")
    func wishes() throws {
        let pod = try bound()
        let reported = try bound {
            $0.metadata.resourceVersion = "8"
            $0.status.phase = .running
            $0.status.conditions = [PodCondition(type: "Ready", status: .true)]
        }
        #expect(reported.asksTheSame(as: pod))
        let changes: [String: (inout Pod) -> Void] = [
            "uid": { $0.metadata.uid = "u-2" }, "labels": { $0.metadata.labels["a"] = "c" },
            "annotations": { $0.metadata.annotations["a"] = "c" },
            "deletion": { $0.metadata.deletionTimestamp = Timestamp(unixSeconds: 1) },
            "grace": { $0.metadata.deletionGracePeriodSeconds = 1 },
            "finalizers": { $0.metadata.finalizers = ["x"] }, "deadline": { $0.spec.activeDeadlineSeconds = 1 },
            "ephemeral": { $0.spec.ephemeralContainers = [Container(name: "debug", image: "psi:1")] },
        ]
        for (name, change) in changes { #expect(try !bound(change).asksTheSame(as: pod), "\(name)") }
        let gated: (inout Pod) -> Void = { $0.spec.readinessGates = [PodReadinessGate(conditionType: "gate")] }
        let open: (inout Pod) -> Void = {
            gated(&$0)
            $0.status.conditions = [PodCondition(type: "gate", status: .true)]
        }
        #expect(try !bound(open).asksTheSame(as: try bound(gated)), "readiness gate")
    }
}
