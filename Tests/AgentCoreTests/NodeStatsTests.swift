// What a node says of its use: rates out of samples, the kubelet's summary, Prometheus' text, metrics.k8s.io.
import JSON
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("node stats")
struct NodeStatsTests {
    private func stats(at seconds: Int64, nodeCPU: Int64, containers: [ContainerSample]) -> NodeStats {
        let load = NodeMeasurement(
            memoryAvailableBytes: 6 << 30, diskFreeBytes: 1, diskTotalBytes: 2, inodesFree: 3, inodesTotal: 4, processes: 5,
            processLimit: 6, memoryTotalBytes: 8 << 30)
        return NodeStats(
            nodeName: "n1",
            node: NodeSample(
                cpuNanoseconds: nodeCPU, load: load, agentCPUNanoseconds: second, agentResidentBytes: 4096,
                at: epoch + seconds * second),
            pods: [PodSample(uid: "u", namespace: "alice", name: "p", startedAt: epoch, containers: containers)])
    }

    private func container(_ name: String, at seconds: Int64, cpu: Int64, attempt: Int = 0) -> ContainerSample {
        ContainerSample(
            name: name, attempt: attempt, cpuNanoseconds: cpu, memoryUsageBytes: 3 << 20, workingSetBytes: 2 << 20,
            rssBytes: 1 << 20,
            pids: 2, startedAt: epoch, at: epoch + seconds * second)
    }

    @Test("a rate is CPU time over time; a restarted container counts from its own start")
    func rates() {
        let before = stats(at: 10, nodeCPU: 10 * second, containers: [container("main", at: 10, cpu: second)])
        let after = stats(
            at: 20, nodeCPU: 25 * second,
            containers: [container("main", at: 20, cpu: 6 * second), container("new", at: 20, cpu: 2 * second, attempt: 1)])
        let rated = after.rated(since: before)
        #expect(rated.nodeNanoCores == 1_500_000_000)
        #expect(rated.pods[0].containers.map(\.usageNanoCores) == [500_000_000, 100_000_000])
        #expect(after.rated(since: nil).nodeNanoCores == nil)
        #expect(after.rated(since: after).nodeNanoCores == nil, "no time has passed")
    }

    @Test("a pod that runs elsewhere has the rate that was measured there, and no total since its start")
    func elsewhere() {
        let far = ContainerSample(
            name: "far", usageNanoCores: 250_000_000, workingSetBytes: 2 << 20, startedAt: epoch, at: epoch + 20 * second)
        let before = stats(at: 10, nodeCPU: 0, containers: [far])
        let rated = stats(at: 20, nodeCPU: 0, containers: [far]).rated(since: before)
        #expect(rated.pods[0].containers.map(\.usageNanoCores) == [250_000_000])
        let pod = rated.summary["pods"]?.arrayValue?.first
        #expect(pod?[path: "cpu", "usageNanoCores"]?.intValue == 250_000_000)
        #expect(pod?[path: "cpu", "usageCoreNanoSeconds"]?.intValue == nil)
        #expect(
            rated.podMetrics(rated.pods[0])["containers"]?.arrayValue?.first?[path: "usage", "cpu"]?.stringValue == "250000000n")
        #expect(!rated.resourcePrometheus.contains("\ncontainer_cpu_usage_seconds_total{"))
        #expect(rated.resourcePrometheus.contains("\ncontainer_memory_working_set_bytes{"))
    }

    @Test("the summary has the kubelet's fields")
    func summary() {
        let summary = stats(at: 10, nodeCPU: second, containers: [container("main", at: 10, cpu: second)]).summary
        #expect(summary[path: "node", "memory", "workingSetBytes"]?.intValue == 2 << 30)
        #expect(summary[path: "node", "rlimit", "maxpid"]?.intValue == 6)
        let pod = summary["pods"]?.arrayValue?.first
        #expect(pod?[path: "podRef", "name"]?.stringValue == "p")
        #expect(pod?[path: "memory", "workingSetBytes"]?.intValue == 2 << 20)
        #expect(pod?["containers"]?.arrayValue?.first?[path: "cpu", "usageCoreNanoSeconds"]?.intValue == second)
    }

    @Test("a pod's figures have its labels, by which lists of them are chosen")
    func labels() {
        var stats = stats(at: 10, nodeCPU: 0, containers: [container("main", at: 10, cpu: 0)])
        stats.pods[0].labels = ["app": "psi"]
        #expect(stats.podMetrics(stats.pods[0])[path: "metadata", "labels", "app"]?.stringValue == "psi")
    }

    @Test("metrics.k8s.io objects add up")
    func metrics() {
        let before = stats(at: 10, nodeCPU: 0, containers: [container("main", at: 10, cpu: 0)])
        let rated = stats(at: 40, nodeCPU: 30 * second, containers: [container("main", at: 40, cpu: 15 * second)]).rated(
            since: before)
        #expect(rated.nodeMetrics["window"]?.stringValue == "30s")
        #expect(rated.nodeMetrics[path: "usage", "cpu"]?.stringValue == "1000000000n")
        let pod = rated.podMetrics(rated.pods[0])
        let usage = pod["containers"]?.arrayValue?.first?["usage"]
        #expect(usage?["cpu"]?.stringValue == "500000000n")
        #expect(usage?["memory"]?.stringValue == "2048Ki")
    }

    @Test("Prometheus' text: one HELP and TYPE a family, labels escaped, whole numbers whole")
    func prometheus() {
        var page = PrometheusText()
        page.family("a_total", .counter, "An a.", [([("pod", "x\"y\\z\n")], 1.5), ([("pod", "q")], 3)])
        #expect(
            page.text
                == "# HELP a_total An a.\n# TYPE a_total counter\na_total{pod=\"x\\\"y\\\\z\\n\"} 1.5\na_total{pod=\"q\"} 3\n")
        let text = stats(at: 10, nodeCPU: second, containers: [container("main", at: 10, cpu: second / 2)])
            .prometheus(AgentCounts(knownPods: 2, runningPods: 1, runningContainers: 1, undelivered: 0))
        for line in [
            "kubelet_running_pods 1", "node_cpu_usage_seconds_total 1",
            "container_cpu_usage_seconds_total{container=\"main\",namespace=\"alice\",pod=\"p\"} 0.5",
            "pod_memory_working_set_bytes{namespace=\"alice\",pod=\"p\"} 2097152",
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line) is missing")
        }
        let families = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE") }
        #expect(Set(families).count == families.count)
    }
}

@Suite("static pods")
struct StaticPodTests {
    @Test("a file's text is its pod's identity: the same text is the same pod, another text another")
    func identity() {
        let manifest = makePod()
        let one = StaticPod.pod(manifest, text: Array("a".utf8), node: "n1", defaultNamespace: "alice")
        #expect(one == StaticPod.pod(manifest, text: Array("a".utf8), node: "n1", defaultNamespace: "alice"))
        #expect(one.metadata.name == "task-0-n1" && one.spec.nodeName == "n1" && StaticPod.isStatic(one))
        let other = StaticPod.pod(manifest, text: Array("b".utf8), node: "n1", defaultNamespace: "alice")
        #expect(other.metadata.uid != one.metadata.uid && other.metadata.uid?.count == 36)
        let mirror = StaticPod.mirror(of: one, owner: nil)
        #expect(StaticPod.isMirror(mirror) && !StaticPod.isStatic(mirror) && mirror.metadata.uid == nil)
        #expect(NodeAdmission.isCritical(one))
    }

    @Test("a static pod that needs the API server is refused")
    func problems() {
        var pod = makePod()
        #expect(StaticPod.problem(pod) == nil)
        pod.spec.volumes = [Volume(name: "v", secret: SecretVolumeSource(secretName: "s"))]
        #expect(StaticPod.problem(pod)?.contains("v") == true)
        pod.spec.volumes = []
        pod.spec.serviceAccountName = "robot"
        #expect(StaticPod.problem(pod) != nil)
    }
}

@Suite("labels of nodes")
struct NodeLabelPolicyTests {
    @Test("what NodeRestriction refuses is known beforehand")
    func refused() {
        let refused = NodeLabelPolicy.refused([
            "team": "a", "kuscia.secretflow/runtime": "runp", "kubernetes.io/hostname": "h", "node.kubernetes.io/x": "y",
            "kubernetes.io/role": "agent", "node-restriction.kubernetes.io/zone": "z", "x.k8s.io/y": "z",
        ])
        #expect(refused == ["kubernetes.io/role", "node-restriction.kubernetes.io/zone", "x.k8s.io/y"])
    }

    @Test("a node of a stock cluster labels itself with nothing that is refused")
    func ownLabels() {
        let identity = NodeIdentity(
            name: "n1", domain: nil, hostname: "h", internalIP: "10.0.0.7", runtime: "runp", architecture: "amd64",
            machineID: "m",
            bootID: "b", kernelVersion: "6.1", osImage: "Debian", agentVersion: "v0.1.0")
        let builder = NodeStatusBuilder(identity: identity, capacity: PodResources(pods: 1), reserved: PodResources())
        #expect(NodeLabelPolicy.refused(builder.labels).isEmpty)
        #expect(!builder.labels.isEmpty)
    }
}
