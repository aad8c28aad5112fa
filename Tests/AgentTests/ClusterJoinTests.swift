// The agent as a node of any Kubernetes cluster: against a server that refuses what a stock one refuses to a node.
import AgentCore
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite("joining a stock cluster", .timeLimit(.minutes(1)))
struct ClusterJoinTests {
    private func lab(_ change: @escaping (inout AgentConfig) -> Void = { _ in }) throws -> (AgentLab, StockServer) {
        let lab = try AgentLab()
        let server = StockServer(node: AgentLab.node, base: lab.api)
        lab.front = server
        lab.configure = { config in
            config.domain = nil
            config.taints = []
            change(&config)
        }
        return (lab, server)
    }

    @Test("it registers, keeps its lease, runs pods of every namespace and asks nothing that a node may not")
    func lifecycle() async throws {
        let (lab, server) = try lab()
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "team-a"), data: ["k": "v"]))
        await lab.start()
        let node = try #require(try lab.api.object(Node.self, name: AgentLab.node))
        #expect(node.status.isReady && node.spec.taints.isEmpty)
        #expect(node.metadata.labels["kubernetes.io/os"] == "linux" && node.metadata.labels["kubernetes.io/role"] == nil)
        #expect(node.metadata.labels["kuscia.secretflow/namespace"] == nil)
        for namespace in ["team-a", "team-b"] {
            try lab.submit("task") { pod in
                pod.metadata.namespace = namespace
                guard namespace == "team-a" else { return }
                pod.spec.containers[0].env = [
                    EnvVar(name: "K", valueFrom: EnvVarSource(configMapKeyRef: KeySelector(name: "settings", key: "k")))
                ]
            }
        }
        let ids = await lab.runtime.waitForRunning(2)
        for id in ids { lab.runtime.exit(id, code: 0) }
        try await lab.eventually {
            let pods = (try? lab.api.objects(Pod.self)) ?? []
            return pods.count == 2 && pods.allSatisfy { $0.status.phase == .succeeded }
        }
        for namespace in ["team-a", "team-b"] {
            try await lab.api.delete(Pod.self, namespace: namespace, name: "task", options: DeleteOptions(gracePeriodSeconds: 1))
        }
        try await lab.eventually { ((try? lab.api.objects(Pod.self)) ?? []).isEmpty }
        try await lab.eventually { (try? lab.api.object(Lease.self, namespace: "kube-node-lease", name: AgentLab.node)) != nil }
        try await lab.stop()
        #expect(server.conversation.refusals == [])
        #expect(server.conversation.all.contains("create nodes -> allowed"))
        #expect(server.conversation.all.contains("get team-a/configmaps/settings -> allowed"))
        #expect(try lab.api.object(Node.self, name: AgentLab.node)?.status.isReady == false, "it said good-bye")
    }

    @Test("a node that exists keeps its taints, labels and the conditions of others")
    func existing() async throws {
        let (lab, server) = try lab()
        let taint = Taint(key: "dedicated", value: "x", effect: .noSchedule)
        let network = NodeCondition(type: "NetworkUnavailable", status: .false, reason: "CNI")
        try lab.api.put(
            Node(
                metadata: ObjectMeta(name: AgentLab.node, labels: ["kubernetes.io/role": "worker"]),
                spec: NodeSpec(unschedulable: true, taints: [taint]), status: NodeStatus(conditions: [network])))
        await lab.start()
        let node = try #require(try lab.api.object(Node.self, name: AgentLab.node))
        #expect(node.status.isReady && node.spec.taints == [taint] && node.spec.unschedulable)
        #expect(node.metadata.labels["kubernetes.io/role"] == "worker" && node.metadata.labels["kubernetes.io/os"] == "linux")
        #expect(node.status.conditions.contains { $0.type == "NetworkUnavailable" && $0.reason == "CNI" })
        try await lab.stop()
        #expect(server.conversation.refusals == [])
    }

    @Test("the strict server would refuse a Lite's own words: the fake refuses something")
    func strictness() async throws {
        let (lab, server) = try lab { $0.domain = "alice" }
        let body = try JSON.encode(Node(metadata: ObjectMeta(name: AgentLab.node, labels: ["kubernetes.io/role": "agent"])))
        await #expect(throws: KubernetesAPIError.self) {
            _ = try await server.create(Node.resource, namespace: nil, name: nil, subresource: nil, body: body)
        }
        await #expect(throws: KubernetesAPIError.self) {
            _ = try await server.list(Pod.resource, namespace: "team-a", options: ListOptions())
        }
        #expect(server.conversation.refusals.count == 2)
        _ = lab
    }
}

@Suite("static pods on an agent", .timeLimit(.minutes(1)))
struct StaticPodAgentTests {
    private static let manifest = """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"restartPolicy":"Always","containers":[
        {"name":"main","image":"psi:1","command":["run"]}]}}
        """

    @Test("a file's pod runs, has a mirror with its status, survives the mirror's deletion and a restart, and ends with its file")
    func lifecycle() async throws {
        let lab = try AgentLab()
        let manifests = lab.directory + "/manifests"
        try DiskFiles.makeDirectory(manifests)
        try DiskFiles.replace(manifests + "/web.json", with: Array(Self.manifest.utf8))
        lab.configure = { $0.podManifestDirectory = manifests }
        let server = StockServer(node: AgentLab.node, base: lab.api)
        lab.front = server
        lab.configure = { config in
            config.podManifestDirectory = manifests
            config.domain = nil
        }
        await lab.start()
        let id = try #require(await lab.runtime.waitForRunning(1).first)
        let name = "web-\(AgentLab.node)"
        func mirror() -> Pod? { (try? lab.api.object(Pod.self, namespace: "default", name: name)) ?? nil }
        try await lab.eventually { mirror()?.status.phase == .running }
        let first = try #require(mirror())
        #expect(StaticPod.isMirror(first) && first.metadata.ownerReferences.first?.name == AgentLab.node)
        lab.api.remove(Pod.resource, namespace: "default", name: name)
        try await lab.eventually {
            mirror().map { $0.metadata.uid != first.metadata.uid && $0.status.phase == .running } ?? false
        }
        #expect(lab.runtime.count(.stopContainer) == 0, "the pod does not notice")
        try await lab.restart()
        #expect(
            lab.runtime.machine.containers[id] != nil && lab.runtime.count(.startContainer) == 0, "adopted, not started again")
        #expect(unlinkFile(manifests + "/web.json"))
        try await lab.eventually { mirror() == nil && lab.runtime.machine.containers.isEmpty }
        try await lab.stop()
        #expect(server.conversation.refusals == [])
    }
}

private func unlinkFile(_ path: String) -> Bool { unlink(path) == 0 }
