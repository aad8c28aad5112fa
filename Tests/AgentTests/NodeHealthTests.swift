// Pressure and what the node says of itself, over a whole agent: eviction, admission, pages, metrics at the master.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Testing

@testable import Agent

@Suite("a node under pressure", .timeLimit(.minutes(1)))
struct NodePressureTests {
    @Test("a node short of memory evicts one pod, the one over its request, says so and takes no best-effort pod meanwhile")
    func memory() async throws {
        let lab = try AgentLab()
        lab.runtime.setUsage(ContainerUsage(currentMemoryBytes: 300 << 20))
        lab.machine.change { $0.memoryAvailableBytes = 150 << 20 }
        await lab.start()
        try lab.submit("modest") { $0.spec.containers[0].resources.requests["memory"] = Quantity(bytes: 1 << 30) }
        try lab.submit("greedy") { $0.spec.containers[0].resources.requests["memory"] = Quantity(bytes: 1 << 20) }
        _ = await lab.runtime.waitForRunning(2)
        try await lab.waitForPhase("greedy", .running)
        try await lab.waitForPhase("modest", .running)
        // Near its threshold the node is looked at every second.
        lab.machine.change { $0.memoryAvailableBytes = 50 << 20 }
        try await lab.eventually { lab.service.evictionsSoFar["memory.available"] != nil }
        lab.machine.change { $0.memoryAvailableBytes = 4 << 30 }
        let evicted = try await lab.waitForPhase("greedy", .failed)
        #expect(evicted.status.reason == "Evicted")
        #expect(evicted.status.message?.hasPrefix("The node was low on resource: memory. ") == true)
        #expect(evicted.status.message?.contains("Container main was using 300Mi, request is 1Mi") == true)
        #expect(try lab.pod("modest")?.status.phase == .running)
        try lab.submit("late")
        let refused = try await lab.waitForPhase("late", .failed)
        #expect(refused.status.reason == "Evicted" && refused.status.message?.contains("MemoryPressure") == true)
        try await lab.stop()
    }
}

@Suite("what a node tells of itself", .timeLimit(.minutes(1)))
struct NodePageTests {
    @Test("/healthz, /metrics, /metrics/resource, /stats/summary and /pods are served; other paths are not")
    func pages() async throws {
        let lab = try AgentLab()
        lab.runtime.setUsage(ContainerUsage(cpuNanoseconds: 2_000_000_000, currentMemoryBytes: 300 << 20))
        await lab.start()
        try lab.submit("task")
        _ = await lab.runtime.waitForRunning(1)
        try await lab.waitForPhase("task", .running)
        let pages = lab.service.pages
        func text(_ path: String) async -> String {
            await pages.page(path).map { String(decoding: $0.body, as: UTF8.self) } ?? "-"
        }
        #expect(await text("/healthz") == "ok")
        #expect(await text("/metrics?x=y").contains("\nkubelet_running_pods 1\n"))
        let labels = "{container=\"main\",namespace=\"alice\",pod=\"task\"}"
        #expect(await text("/metrics/resource").contains("\ncontainer_cpu_usage_seconds_total\(labels) 2\n"))
        let summary = try JSONValue(parsing: await text("/stats/summary"))
        #expect(summary["pods"]?.arrayValue?.first?[path: "memory", "workingSetBytes"]?.intValue == 300 << 20)
        let list = try JSONValue(parsing: await text("/pods"))
        #expect(list["items"]?.arrayValue?.first?[path: "status", "phase"]?.stringValue == "Running")
        #expect(await pages.page("/run") == nil)
        try await lab.stop()
    }

    @Test("use is published as metrics.k8s.io objects; a pod that ended has none any more")
    func published() async throws {
        let lab = try AgentLab()
        lab.configure = { $0.publishesMetrics = true }
        await lab.start()
        let resource = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods")
        let nodes = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "nodes")
        try lab.submit("task")
        let id = try #require(await lab.runtime.waitForRunning(1).first)
        try await lab.waitForPhase("task", .running)
        let publisher = lab.publisher()
        try await publisher.publish(0)
        #expect(lab.api.document(nodes, name: AgentLab.node)?[path: "usage", "memory"]?.stringValue == "\(4 << 20)Ki")
        #expect(lab.api.document(resource, namespace: "alice", name: "task")?["containers"]?.arrayValue?.count == 1)
        lab.runtime.exit(id, code: 0)
        try await lab.waitForPhase("task", .succeeded)
        #expect(try await lab.stats().stats().pods.isEmpty)
        // What was measured a moment ago is good for a second.
        try await lab.eventually {
            try? await publisher.publish(1)
            let left: JSONValue? = lab.api.document(resource, namespace: "alice", name: "task")
            return left == Optional<JSONValue>.none
        }
        try await lab.stop()
    }
}

extension AgentLab {
    /// Of its own: the service's may have measured a moment ago, and gives the same answer for a second.
    fileprivate func stats() -> StatsProvider {
        StatsProvider(
            node: Self.node, pods: service.pods, runtime: runtime, clock: SystemClock(), measure: { [machine] in machine.load },
            evictions: { [:] })
    }

    fileprivate func publisher() -> MetricsPublisher {
        MetricsPublisher(api: api, stats: stats(), clock: SystemClock(), logger: Logger(label: "test"))
    }
}
