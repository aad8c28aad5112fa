// What the agent promises about one life of a pod.
import Agent
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Testing

@Suite("a pod on an agent", .timeLimit(.minutes(1)))
struct PodLifeTests {
    @Test("a pod runs to Succeeded, its status says so once, its scratch is gone, its logs stay")
    func succeeds() async throws {
        let lab = try AgentLab()
        lab.runtime.setUsage(ContainerUsage(cpuNanoseconds: 2_000_000_000, peakMemoryBytes: 1 << 20))
        await lab.start()
        let created = try lab.submit("task") { pod in
            pod.spec.volumes = [Volume(name: "scratch", emptyDir: .init())]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "scratch", mountPath: "/scratch")]
        }
        let uid = try #require(created.metadata.uid)
        let ids = await lab.runtime.waitForRunning(1)
        try await lab.waitForPhase("task", .running)
        #expect(lab.exists("pods/\(uid)/volumes/scratch"))
        lab.runtime.exit(ids[0], code: 0)
        let pod = try await lab.waitForPhase("task", .succeeded)
        #expect(pod.status.containerStatuses[0].state.terminated?.reason == "Completed")
        #expect(pod.metadata.annotations["kuscia.secretflow/usage"]?.contains(#""cpuSeconds":2"#) == true)
        try await lab.eventually { !lab.exists("pods/\(uid)/volumes") }
        #expect(lab.exists("logs/pods/alice_task_\(uid)/main"))
        try await lab.api.delete(Pod.self, namespace: "alice", name: "task", options: DeleteOptions(gracePeriodSeconds: 0))
        try await lab.eventually { !lab.exists("pods/\(uid)") }
        let statusPatches = lab.api.calls.count { $0.verb == .patch && $0.resource == Pod.resource && $0.subresource == "status" }
        #expect(statusPatches <= 4, "pending, sandbox, running, succeeded")
        try await lab.stop()
        #expect(lab.runtime.count(.startContainer) == 1)
    }

    @Test("an OOM kill is reported as OOMKilled, 137")
    func outOfMemory() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("greedy")
        lab.runtime.exit(await lab.runtime.waitForRunning(1)[0], code: 137, signal: 9, oomKilled: true)
        let terminated = try await lab.waitForPhase("greedy", .failed).status.containerStatuses[0].state.terminated
        #expect(terminated?.reason == "OOMKilled")
        #expect(terminated?.exitCode == 137)
        try await lab.stop()
    }

    @Test("a pod whose port is taken on the node is Failed with PortConflict and the port's number")
    func portTaken() async throws {
        let lab = try AgentLab()
        lab.takenPorts = [20_001]
        await lab.start()
        try lab.submit("unlucky") { $0.spec.containers[0].ports = [ContainerPort(name: "spu", containerPort: 20_001)] }
        let status = try await lab.waitForPhase("unlucky", .failed).status
        #expect(status.reason == "PortConflict")
        #expect(status.message?.contains("20001") == true)
        #expect(lab.runtime.count(.runPodSandbox) == 0)
        try await lab.stop()
    }

    @Test("two pods that want the same port: the second is Failed with PortConflict")
    func portPromised() async throws {
        let lab = try AgentLab()
        await lab.start()
        let port = ContainerPort(name: "spu", containerPort: 20_002)
        try lab.submit("first") { $0.spec.containers[0].ports = [port] }
        try await lab.waitForPhase("first", .running)
        try lab.submit("second") { $0.spec.containers[0].ports = [port] }
        #expect(try await lab.waitForPhase("second", .failed).status.reason == "PortConflict")
        try await lab.stop()
    }

    @Test(
        "what the node does not have or grant is refused with its reason",
        arguments: ["OutOfcpu", "OutOfmemory", "RuntimeClassNotFound", "Forbidden", "FailedMount"])
    func refused(_ reason: String) async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("big") { pod in
            switch reason {
            case "OutOfcpu": pod.spec.containers[0].resources.requests = ["cpu": Quantity(5)]
            case "OutOfmemory": pod.spec.containers[0].resources.limits = ["memory": Quantity(bytes: 9 << 30)]
            case "RuntimeClassNotFound": pod.spec.runtimeClassName = "kata"
            case "Forbidden": pod.spec.containers[0].securityContext = SecurityContext(privileged: true)
            default: pod.spec.volumes = [Volume(name: "etc", hostPath: HostPathVolumeSource(path: "/etc"))]
            }
        }
        #expect(try await lab.waitForPhase("big", .failed).status.reason == reason)
        #expect(lab.runtime.count(.startContainer) == 0)
        try await lab.stop()
    }

    @Test("a pod deleted while its container starts is stopped and goes away")
    func deletedDuringStart() async throws {
        let lab = try AgentLab()
        await lab.start()
        lab.runtime.hold(.startContainer)
        try lab.submit("short")
        await lab.runtime.wait { _, calls in calls.contains { $0.verb == .startContainer } }
        try await lab.api.delete(Pod.self, namespace: "alice", name: "short", options: DeleteOptions(gracePeriodSeconds: 1))
        lab.runtime.release(.startContainer)
        try await lab.waitUntilGone("short")
        #expect(lab.runtime.running().isEmpty)
        #expect(lab.runtime.count(.stopContainer) == 1)
        await lab.runtime.wait { machine, _ in machine.sandboxes.isEmpty }
        try await lab.stop()
    }

    @Test("while the API server is away the task goes on; its end is delivered afterwards")
    func serverAway() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("steady")
        let id = await lab.runtime.waitForRunning(1)[0]
        try await lab.waitForPhase("steady", .running)
        lab.api.setHook { _ in throw KubernetesAPIError.transport("connection refused") }
        lab.api.dropWatches(.transport("connection reset"))
        lab.runtime.exit(id, code: 7)
        await lab.runtime.wait { machine, _ in machine.sandboxes.isEmpty }
        #expect(try lab.pod("steady")?.status.phase == .running)
        lab.api.setHook(nil)
        let pod = try await lab.waitForPhase("steady", .failed)
        #expect(pod.status.containerStatuses[0].state.terminated?.exitCode == 7)
        #expect(lab.runtime.count(.startContainer) == 1)
        try await lab.stop()
    }

    @Test("a pod that disappears from the API is killed and its files are removed")
    func removed() async throws {
        let lab = try AgentLab()
        await lab.start()
        let uid = try #require(try lab.submit("ghost").metadata.uid)
        _ = await lab.runtime.waitForRunning(1)
        try await lab.waitForPhase("ghost", .running)
        lab.api.remove(Pod.resource, namespace: "alice", name: "ghost")
        await lab.runtime.wait { machine, _ in machine.sandboxes.isEmpty }
        #expect(lab.runtime.running().isEmpty)
        try await lab.eventually { !lab.exists("pods/\(uid)") }
        try await lab.stop()
    }

    @Test("a following log reader ends when the pod ends, with everything that was written")
    func logFollows() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("talker")
        let id = await lab.runtime.waitForRunning(1)[0]
        try await lab.waitForPhase("talker", .running)
        let log = try await lab.log(of: "talker")
        appendFile(log.path, "2026-01-01T00:00:00.000000001Z stdout F one\n")
        let collector = Collector()
        var query = ContainerLogQuery()
        query.follow = true
        let reader = ContainerLogReader(path: log.path, query: query)
        let following = Task { try await reader.copy(ended: log.ended) { await collector.append($0) } }
        await collector.waitFor("one\n")
        appendFile(log.path, "2026-01-01T00:00:00.000000002Z stdout F two\n")
        lab.runtime.exit(id, code: 0)
        try await following.value
        #expect(await collector.text == "one\ntwo\n")
        try await lab.stop()
    }

    @Test("a failed container of a pod that restarts is started again under the next attempt")
    func restarts() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("stubborn") { $0.spec.restartPolicy = .onFailure }
        lab.runtime.exit(await lab.runtime.waitForRunning(1)[0], code: 1)
        let again = ContainerID(podUID: pod.metadata.uid ?? "", name: "main", attempt: 1)
        await lab.runtime.wait { machine, _ in
            if case .running = machine.containers[again]?.phase { true } else { false }
        }
        lab.runtime.exit(again, code: 0)
        let status = try await lab.waitForPhase("stubborn", .succeeded).status.containerStatuses[0]
        #expect(status.restartCount == 1)
        #expect(status.lastState.terminated?.exitCode == 1)
        try await lab.stop()
    }

    @Test("a pod's turns are told as events, with Kubernetes' reasons, each once")
    func events() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("told")
        lab.runtime.exit(await lab.runtime.waitForRunning(1)[0], code: 0)
        try await lab.waitForPhase("told", .succeeded)
        func reasons() throws -> [String] {
            try lab.api.objects(Event.self, namespace: "alice").filter { $0.involvedObject.name == "told" }.compactMap(\.reason)
        }
        try await lab.eventually { (try? reasons().count) == 3 }
        #expect(Set(try reasons()) == ["Pulled", "Created", "Started"])
        try await lab.stop()
    }
}
