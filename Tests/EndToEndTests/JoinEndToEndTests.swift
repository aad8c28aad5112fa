// A node of any Kubernetes cluster, against a real API server with the Node authorizer and NodeRestriction on: ours, to which
// it shows a stock kubelet's certificate and nothing of ours. And what nodes use, through `kubectl top`.
import FoundationEssentials
import Glibc
import JSON
import KubernetesClient
import PKI
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct JoinEndToEndTests {
    private static let node = "lab-1"

    /// A kubeconfig with the certificate that a stock kubelet would have.
    private func kubeconfig(_ cluster: TestCluster) throws -> String {
        let state = MasterState(cluster.state.master)
        let authority = try CertificateFiles(directory: state.pki).loadOrCreateAuthority()
        let pair = try authority.issueClient(commonName: "system:node:\(Self.node)", organizations: ["system:nodes"])
        let admin = try Kubeconfig(parsing: FileText.read(cluster.state.kubeconfig) ?? "").connection()
        let file = Kubeconfig(
            name: "join", cluster: admin.cluster,
            user: .init(
                clientCertificateData: Base64.encode(Array(pair.certificatePEM.utf8)),
                clientKeyData: Base64.encode(Array(pair.privateKeyPEM.utf8))))
        let path = "\(cluster.directory)/node.kubeconfig"
        try FileText.write(try file.yaml(), to: path, mode: 0o600)
        return path
    }

    private func configuration(_ cluster: TestCluster) throws -> String {
        let path = "\(cluster.directory)/join.yaml"
        let text = """
            swiftlet:
              stateDirectory: \(cluster.directory)/join
              nodeAddress: 127.0.0.1
              cgroupParent: \(cgroupParent(cluster))
              node:
                labels: {team: blue}
            """
        try FileText.write(text, to: path)
        return path
    }

    private func cgroupParent(_ cluster: TestCluster) -> String {
        UpConfiguration.cgroupParent(state: cluster.state, domain: Self.node)
    }

    private func apply(_ cluster: TestCluster, _ kubectl: Kubectl, _ object: JSONValue, _ name: String) async throws {
        let file = "\(cluster.directory)/\(name).json"
        try FileText.write(bytes: object.serialized(), to: file)
        try await cluster.run([kubectl.path, "apply", "-f", file])
    }

    private func pod(_ name: String, _ script: String) -> JSONValue {
        [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string(name), "namespace": "team-a"],
            "spec": [
                "nodeName": .string(Self.node), "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                "containers": [
                    [
                        "name": "c", "image": "host:latest", "command": ["/bin/sh", "-c", .string(script)],
                        "env": [["name": "WORD", "valueFrom": ["configMapKeyRef": ["name": "settings", "key": "word"]]]],
                    ]
                ],
            ],
        ]
    }

    @Test(
        "with a stock node's credentials a node registers, runs what is bound to it in any namespace, and kubectl sees it right",
        .timeLimit(.minutes(5)))
    func join() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let kubeconfig = try kubeconfig(cluster)
            let lite = try cluster.start(
                "lite", "--kubeconfig", kubeconfig, "--config", try configuration(cluster), "--stop-tasks-on-exit")
            do {
                try await eventually("the node is Ready", state: { lite.output + lite.errors }) {
                    try await cluster.object("node", Self.node)?[path: "status", "conditions"]?.arrayValue?.contains {
                        $0["type"]?.stringValue == "Ready" && $0["status"]?.stringValue == "True"
                    } ?? false
                }
                try await runPods(cluster, kubectl, state: { lite.output + lite.errors })
                let second = try await cluster.run(
                    "lite", "--kubeconfig", kubeconfig, "--config", "\(cluster.directory)/join.yaml", expecting: 1)
                #expect(second.errors.contains("another Lite runs with the state directory"), "\(second)")
            } catch {
                lite.identity.signal(SIGTERM)
                _ = try? await lite.result(within: .seconds(60))
                throw error
            }
            lite.identity.signal(SIGTERM)
            let result = try await lite.result(within: .seconds(60))
            #expect(result.status == 0, "\(result)")
            #expect(!result.errors.contains("forbidden"), "\(result)")
            let gone = try await cluster.object("node", Self.node)?[path: "status", "conditions"]?.arrayValue ?? []
            #expect(gone.contains { $0["type"]?.stringValue == "Ready" && $0["reason"]?.stringValue == "AgentExit" })
        }
    }

    private func runPods(_ cluster: TestCluster, _ kubectl: Kubectl, state: @escaping () async -> String) async throws {
        let node = try #require(try await cluster.object("node", Self.node))
        let labels = node[path: "metadata", "labels"]
        #expect(labels?["kubernetes.io/role"]?.stringValue == nil && labels?["kuscia.secretflow/namespace"]?.stringValue == nil)
        #expect(labels?["team"]?.stringValue == "blue")
        try await cluster.run([kubectl.path, "create", "namespace", "team-a"])
        try await apply(
            cluster, kubectl,
            [
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "settings", "namespace": "team-a"],
                "data": ["word": "hello"],
            ], "settings")
        try await eventually("the namespace has its service account") {
            try await cluster.run([kubectl.path, "get", "serviceaccount", "default", "-n", "team-a"], expecting: nil).status == 0
        }
        try await apply(cluster, kubectl, pod("short", "test \"$WORD\" = hello && exit 3"), "short")
        try await apply(cluster, kubectl, pod("long", "exec sleep 600"), "long")
        try await eventually("the short pod failed with its exit code", state: state) {
            let status = try await cluster.object("pod", "short")?["status"]
            let code = status?["containerStatuses"]?.arrayValue?.first?[path: "state", "terminated", "exitCode"]?.intValue
            return status?["phase"]?.stringValue == "Failed" && code == 3
        }
        try await cluster.run([kubectl.path, "wait", "pod", "long", "-n", "team-a", "--for=condition=Ready", "--timeout=30s"])
        let described = try await cluster.run([kubectl.path, "describe", "node", Self.node])
        #expect(described.output.contains("team-a") && described.output.contains("long"), "\(described)")
        let events = try await cluster.run([kubectl.path, "get", "events", "-n", "team-a"])
        #expect(events.output.contains("Started"), "\(events)")
        try await cluster.run([kubectl.path, "cordon", Self.node])
        try await cluster.run([kubectl.path, "delete", "pod", "long", "short", "-n", "team-a", "--timeout=30s"])
        let cordoned = try await cluster.object("node", Self.node)?[path: "spec", "unschedulable"]
        #expect(cordoned == .some(.bool(true)))
    }

    @Test(
        "kubectl top and swiftlet top show what nodes and pods use; the node's pages are reached through the master",
        .timeLimit(.minutes(5)))
    func top() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let job = ShellJob(
                name: "busy",
                tasks: [ShellTask(alias: "t", script: "until [ -e $JOB/release ]; do :; done", parties: ["alice"])])
            try await cluster.run([kubectl.path, "apply", "-f", try job.write(to: cluster.directory)])
            // Agents report twice a minute; the second report has a rate.
            try await eventually("kubectl top knows node and pod", within: .seconds(100)) {
                let pods = try await cluster.run([kubectl.path, "top", "pods", "-n", "alice"], expecting: nil)
                return pods.output.contains("busy-t-0")
            }
            let nodes = try await cluster.run([kubectl.path, "top", "nodes"])
            #expect(nodes.output.contains("alice"), "\(nodes)")
            let own = try await cluster.run("top", "pods")
            #expect(own.output.contains("busy-t-0") && own.output.hasPrefix("NAMESPACE"), "\(own)")
            let ownNodes = try await cluster.run("top")
            #expect(ownNodes.output.contains("alice"), "\(ownNodes)")
            for (path, expected) in [
                ("healthz", "ok"), ("metrics", "kubelet_running_pods 1"), ("metrics/resource", "pod=\"busy-t-0\""),
                ("stats/summary", "\"nodeName\":\"alice\""), ("pods", "\"kind\":\"PodList\""),
            ] {
                let page = try await cluster.run([kubectl.path, "get", "--raw", "/api/v1/nodes/alice/proxy/\(path)"])
                #expect(page.output.contains(expected), "\(path): \(page)")
            }
            try FileText.write("", to: "\(cluster.jobVolume("busy", of: "alice"))/release")
            try await eventually("the job is over") { try await cluster.phase("kusciajob", "busy") == "Succeeded" }
        }
    }
}
