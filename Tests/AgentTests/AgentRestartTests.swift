// The restart story: what an agent that comes back makes of what it left.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite("an agent that restarts", .timeLimit(.minutes(1)))
struct AgentRestartTests {
    private func runningPod(_ lab: AgentLab, _ name: String = "task") async throws -> Pod {
        let pod = try lab.submit(name)
        try await lab.waitForPhase(name, .running)
        return pod
    }

    @Test("adopts what runs, without starting anything, and reports its end")
    func adopts() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        try await lab.restart()
        #expect(lab.runtime.running() == [lab.containerID(pod)])
        lab.runtime.exit(lab.containerID(pod), code: 0)
        try await lab.waitForPhase("task", .succeeded)
        #expect(lab.runtime.count(.startContainer) == 0)
        try await lab.stop()
    }

    @Test("reports what ended meanwhile with its true exit")
    func reportsTrueExit() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        try await lab.restart { $0.exit(lab.containerID(pod), code: 42) }
        let status = try await lab.waitForPhase("task", .failed).status
        #expect(status.containerStatuses[0].state.terminated?.exitCode == 42)
        #expect(lab.runtime.count(.startContainer) == 0)
        try await lab.stop()
    }

    @Test("adopts from its records even while the API server is away")
    func adoptsWithoutServer() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        // No list of pods is answered before the agent has told what it knows from its records.
        lab.api.setHook { call in
            if call.verb == .list, call.resource == Pod.resource { throw KubernetesAPIError.transport("connection refused") }
        }
        try await lab.restart { $0.exit(lab.containerID(pod), code: 3) }
        #expect(try await lab.waitForPhase("task", .failed).status.containerStatuses[0].state.terminated?.exitCode == 3)
        lab.api.setHook(nil)
        try await lab.stop()
    }

    @Test("never starts a finished pod again")
    func finishedStays() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        lab.runtime.exit(lab.containerID(pod), code: 0)
        try await lab.waitForPhase("task", .succeeded)
        await lab.runtime.wait { machine, _ in machine.sandboxes.isEmpty }
        try await lab.restart()
        _ = try await runningPod(lab, "other")
        #expect(lab.runtime.count(.startContainer) == 1)
        #expect(try lab.pod("task")?.status.phase == .succeeded)
        try await lab.stop()
    }

    @Test("kills and clears away a pod that was removed meanwhile")
    func removedMeanwhile() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        let api = lab.api
        try await lab.restart { _ in api.remove(Pod.resource, namespace: "alice", name: "task") }
        await lab.runtime.wait { machine, _ in machine.sandboxes.isEmpty }
        #expect(lab.runtime.running().isEmpty)
        _ = try await runningPod(lab, "next")
        try await lab.stop()
        #expect(!lab.runtime.machine.containers.keys.contains(lab.containerID(pod)))
    }

    @Test("a damaged record costs nothing while the container runs: the pod is rebuilt around it; its neighbour is untouched")
    func damagedRecord() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pods = [try await runningPod(lab, "hurt"), try await runningPod(lab, "whole")]
        let record = lab.path("pods/\(pods[0].metadata.uid ?? "")/record.json")
        try await lab.restart { _ in appendFile(record, "}}garbage") }
        for (pod, code) in zip(pods, [5, 6]) { lab.runtime.exit(lab.containerID(pod), code: code) }
        #expect(try await lab.waitForPhase("hurt", .failed).status.containerStatuses[0].state.terminated?.exitCode == 5)
        #expect(try await lab.waitForPhase("whole", .failed).status.containerStatuses[0].state.terminated?.exitCode == 6)
        #expect(lab.runtime.count(.startContainer) == 0)
        try await lab.stop()
    }

    @Test("a pod that ran and of which nothing is left is Failed with ContainerStatusUnknown, not run twice")
    func nothingLeft() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        let record = lab.path("pods/\(pod.metadata.uid ?? "")/record.json")
        try await lab.restart { runtime in
            appendFile(record, "}}garbage")
            runtime.forget(lab.containerID(pod))
        }
        #expect(try await lab.waitForPhase("task", .failed).status.reason == "ContainerStatusUnknown")
        #expect(lab.runtime.count(.startContainer) == 0)
        try await lab.stop()
    }

    @Test("what a pod held whose end was told before a power cut, and of which no record is left, is removed when the machine is back")
    func toldAndNotRemoved() async throws {
        let lab = try AgentLab()
        lab.runtime.exitOnStart(container: "main", code: 0)
        lab.runtime.hold(.removePodSandbox)
        await lab.start()
        let pod = try lab.submit("told") { $0.spec.volumes = [Volume(name: "v", emptyDir: .init())] }
        try await lab.waitForPhase("told", .succeeded)
        let uid = pod.metadata.uid ?? ""
        #expect(lab.exists("pods/\(uid)/volumes"))
        lab.runtime.release(.removePodSandbox)
        try await lab.stop()
        try DiskFiles.makeDirectory(lab.path("pods/\(uid)/volumes/v"))
        for file in ["pods.journal", "pods/\(uid)/record.json", "pods/\(uid)/record.json.new", "pods/\(uid)/settled.json"] {
            unlink(lab.path(file))
        }
        lab.bootID = "b-2"
        await lab.start()
        try await lab.eventually { !lab.exists("pods/\(uid)/volumes") }
        #expect(try lab.pod("told")?.status.phase == .succeeded && lab.runtime.count(.startContainer) == 1)
        try await lab.stop()
    }

    @Test("after a power cut that took the runtime's records, a pod whose start was ordered before is not started again")
    func powerCut() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        lab.bootID = "b-2"
        try await lab.restart { $0.forget(lab.containerID(pod)) }
        let failed = try await lab.waitForPhase("task", .failed)
        #expect(failed.status.containerStatuses[0].state.terminated?.reason == "ContainerStatusUnknown")
        #expect(lab.runtime.count(.startContainer) == 0)
        try await lab.stop()
    }

    @Test("with the policy drain, an agent that ends stops its pods and says so before the node is NotReady")
    func drains() async throws {
        let lab = try AgentLab()
        lab.stopPolicy = .drain
        await lab.start()
        _ = try await runningPod(lab)
        try await lab.stop()
        let pod = try #require(try lab.pod("task"))
        #expect(pod.status.phase == .failed)
        #expect(pod.status.reason == "Terminated")
        #expect(lab.runtime.running().isEmpty)
        #expect(try lab.api.object(Node.self, name: AgentLab.node)?.status.isReady == false)
    }

    @Test("with the policy leave, the tasks run on")
    func leaves() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try await runningPod(lab)
        try await lab.stop()
        #expect(lab.runtime.running() == [lab.containerID(pod)])
        #expect(try lab.pod("task")?.status.phase == .running)
        #expect(try lab.api.object(Node.self, name: AgentLab.node)?.status.isReady == false)
    }
}

@Suite("an agent's node", .timeLimit(.minutes(1)))
struct NodeRegistrationTests {
    @Test("registers with Kuscia's labels and taint, Kubernetes' fields, and a lease")
    func registers() async throws {
        let lab = try AgentLab()
        await lab.start()
        let node = try #require(try lab.api.object(Node.self, name: AgentLab.node))
        #expect(node.metadata.labels["domain"] == "alice")
        #expect(node.metadata.labels["kuscia.secretflow/namespace"] == "alice")
        #expect(node.spec.taints.contains { $0.key == "kuscia.secretflow/agent" && $0.effect == .noSchedule })
        #expect(node.status.internalIP == "10.0.0.7")
        #expect(node.status.capacity["cpu"] == Quantity(4))
        #expect(node.status.isReady)
        #expect(Set(node.status.conditions.map(\.type)) == ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"])
        try await lab.stop()
    }

    @Test("a node that was registered before becomes Ready again")
    func comesBack() async throws {
        let lab = try AgentLab()
        await lab.start()
        try await lab.stop()
        #expect(try lab.api.object(Node.self, name: AgentLab.node)?.status.isReady == false)
        await lab.start()
        #expect(try lab.api.object(Node.self, name: AgentLab.node)?.status.isReady == true)
        try await lab.stop()
    }
}
