// What a pod's spec asks of the node beside its main containers: sidecars, debugging containers, names, ports of who is about to go.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite("a pod's spec, through the whole agent", .timeLimit(.minutes(1)))
struct PodSpecLifeTests {
    @Test("a pod's limits have room for its sidecars beside the main containers")
    func sidecarLimits() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("mesh") { pod in
            let limits: [String: Quantity] = ["memory": Quantity(bytes: 64 << 20), "cpu": Quantity(millis: 500)]
            pod.spec.containers[0].resources.limits = limits
            pod.spec.initContainers = [
                Container(name: "proxy", image: "psi:1", resources: ResourceRequirements(limits: limits), restartPolicy: "Always")
            ]
        }
        try await lab.waitForPhase("mesh", .running)
        let limits = try #require(lab.runtime.machine.sandboxes[pod.metadata.uid ?? ""]?.limits)
        #expect(limits.memoryBytes == 128 << 20 && limits.cpuMillis == 1000)
        #expect(limits.pids == 8192)
        try await lab.stop()
    }

    @Test("a debugging container that asks for what the node does not grant is not started; the pod goes on")
    func ephemeralPermissions() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("task")
        var running = try await lab.waitForPhase("task", .running)
        running.spec.ephemeralContainers = [
            Container(
                name: "look", image: "psi:1", securityContext: SecurityContext(capabilities: Capabilities(add: ["SYS_ADMIN"])))
        ]
        try lab.api.put(running)
        let refused = try await lab.wait(for: "task") { pod in
            pod?.status.ephemeralContainerStatuses.first?.state.terminated != nil
        }
        let end = try #require(refused?.status.ephemeralContainerStatuses.first?.state.terminated)
        #expect(end.reason == "StartError" && end.message?.contains("SYS_ADMIN") == true)
        #expect(lab.runtime.machine.configs.keys.map(\.name) == ["main"])
        #expect(lab.runtime.running() == [lab.containerID(pod)])
        try await lab.stop()
    }

    @Test("of a container that crashes again and again the run before is kept, and its log")
    func oldRuns() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("loop") { $0.spec.restartPolicy = .always }
        let uid = pod.metadata.uid ?? ""
        @Sendable func run(_ attempt: Int) -> ContainerID { ContainerID(podUID: uid, name: "main", attempt: attempt) }
        for attempt in 0..<2 {
            await lab.runtime.wait { machine, _ in
                if case .running = machine.containers[run(attempt)]?.phase { true } else { false }
            }
            try await lab.wait(for: "loop") { $0?.status.containerStatuses.first?.state.running != nil }
            appendFile(lab.path("logs/pods/alice_loop_\(uid)/main/\(attempt).log"), "line\n")
            lab.runtime.exit(run(attempt), code: 1)
            // The second pause is ten seconds.
        }
        await lab.runtime.wait { machine, _ in machine.containers[run(0)] == nil }
        #expect(lab.runtime.machine.containers[run(1)] != nil && lab.runtime.machine.containers[run(2)] != nil)
        #expect(lab.exists("logs/pods/alice_loop_\(uid)/main/1.log"))
        try await lab.stop()
    }

    @Test("a pod waits for a port that another holds who is about to go, and then runs")
    func portOfEnding() async throws {
        let lab = try AgentLab()
        await lab.start()
        let port = ContainerPort(name: "spu", containerPort: 20_002)
        try lab.submit("first") { $0.spec.containers[0].ports = [port] }
        try await lab.waitForPhase("first", .running)
        lab.runtime.hold(.stopContainer)
        try await lab.api.delete(Pod.self, namespace: "alice", name: "first", options: DeleteOptions(gracePeriodSeconds: 0))
        await lab.runtime.wait { _, calls in calls.contains { $0.verb == .stopContainer } }
        try lab.submit("second") { $0.spec.containers[0].ports = [port] }
        // Another that has nothing to wait for comes after it and is taken before it.
        try lab.submit("third")
        try await lab.waitForPhase("third", .running)
        #expect(try lab.pod("second")?.status.phase == .pending)
        lab.runtime.release(.stopContainer)
        try await lab.waitForPhase("second", .running)
        try await lab.stop()
    }

    @Test("a pod that is deleted while it waits for a port goes away")
    func deletedWhileWaiting() async throws {
        let lab = try AgentLab()
        await lab.start()
        let port = ContainerPort(name: "spu", containerPort: 20_002)
        try lab.submit("first") { $0.spec.containers[0].ports = [port] }
        try await lab.waitForPhase("first", .running)
        lab.runtime.hold(.stopContainer)
        try await lab.api.delete(Pod.self, namespace: "alice", name: "first", options: DeleteOptions(gracePeriodSeconds: 1))
        await lab.runtime.wait { _, calls in calls.contains { $0.verb == .stopContainer } }
        try lab.submit("second") { $0.spec.containers[0].ports = [port] }
        try await lab.api.delete(Pod.self, namespace: "alice", name: "second", options: DeleteOptions(gracePeriodSeconds: 1))
        try await lab.waitUntilGone("second")
        lab.runtime.release(.stopContainer)
        try await lab.waitUntilGone("first")
        try await lab.stop()
    }

    @Test("a part of a node's directory that is missing is made, as wide as the directory itself")
    func subPathOfHostPath() async throws {
        let lab = try AgentLab()
        let shared = lab.directory + "/shared"
        mkdir(shared, 0o755)
        chmod(shared, 0o750)
        lab.configure = { $0.hostPathAllowList = [shared] }
        await lab.start()
        let pod = try lab.submit("writer") { pod in
            pod.spec.volumes = [Volume(name: "shared", hostPath: HostPathVolumeSource(path: shared))]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "shared", mountPath: "/out", subPath: "a/b")]
        }
        try await lab.waitForPhase("writer", .running)
        #expect(lab.runtime.machine.configs[lab.containerID(pod)]?.mounts.first?.hostPath == shared + "/a/b")
        var facts = stat()
        #expect(stat(shared + "/a", &facts) == 0 && facts.st_mode & 0o777 == 0o750)
        try await lab.stop()
    }

    @Test("a parameter of the kernel that is the machine's own fails the pod as SysctlForbidden")
    func sysctls() async throws {
        let lab = try AgentLab()
        await lab.start()
        for (index, name) in ["vm.swappiness", "net.ipv4.ip_local_port_range"].enumerated() {
            try lab.submit("p\(index)") {
                $0.spec.securityContext = PodSecurityContext(sysctls: [Sysctl(name: name, value: "1")])
            }
            let status = try await lab.waitForPhase("p\(index)", .failed).status
            #expect(status.reason == "SysctlForbidden" && status.message?.contains(name) == true)
        }
        try await lab.stop()
    }

    @Test("who shares the node's network finds names as the node does; who has none, nothing")
    func resolver() async throws {
        let lab = try AgentLab()
        let file = lab.directory + "/resolv.conf"
        appendFile(file, "# of the node\nnameserver 10.0.0.53\nsearch example.org\noptions ndots:2 edns0\n")
        lab.configure = { $0.resolverFile = file }
        await lab.start()
        let plain = try lab.submit("plain")
        let own = try lab.submit("own") {
            $0.spec.dnsPolicy = "None"
            $0.spec.dnsConfig = PodDNSConfig(nameservers: ["10.9.9.9"])
        }
        let none = try lab.submit("none") { $0.metadata.annotations["kuscia.secretflow/network"] = "none" }
        for name in ["plain", "own", "none"] { try await lab.waitForPhase(name, .running) }
        func sandbox(_ pod: Pod) -> PodSandboxConfig? { lab.runtime.machine.sandboxes[pod.metadata.uid ?? ""] }
        #expect(sandbox(plain)?.nameservers == ["10.0.0.53"] && sandbox(plain)?.searches == ["example.org"])
        #expect(sandbox(plain)?.resolverOptions == ["ndots:2", "edns0"])
        #expect(sandbox(own)?.nameservers == ["10.9.9.9"] && sandbox(own)?.searches == [])
        #expect(sandbox(none)?.nameservers == [])
        try await lab.stop()
    }

    @Test("what the pod says of root and of its files reaches the runtime, and nothing where it says nothing")
    func securityWords() async throws {
        let lab = try AgentLab()
        await lab.start()
        let silent = try lab.submit("silent")
        let strict = try lab.submit("strict") {
            $0.spec.securityContext = PodSecurityContext(runAsNonRoot: true)
            $0.spec.containers[0].securityContext = SecurityContext(readOnlyRootFilesystem: true)
        }
        for name in ["silent", "strict"] { try await lab.waitForPhase(name, .running) }
        let configs = lab.runtime.machine.configs
        let (first, second) = (try #require(configs[lab.containerID(silent)]), try #require(configs[lab.containerID(strict)]))
        #expect(first.readOnlyRootFilesystem == nil && !first.runAsNonRoot)
        #expect(second.readOnlyRootFilesystem == true && second.runAsNonRoot)
        try await lab.stop()
    }
}
