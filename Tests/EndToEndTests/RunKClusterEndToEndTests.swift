// What the organisation's cluster says of its pods and of itself, seen where the pods come from, with kubectl: use, labels, quota,
// refusals, and a namespace that goes.
import Glibc
import JSON
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct RunKClusterEndToEndTests {
    @Test(
        "labels follow; a used-up quota and a refusal are told; kubectl top shows the pod; a namespace that goes ends its pods and is a condition of the node",
        .timeLimit(.minutes(5)))
    func cluster() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one").path
        try await RunKLab.with { cluster, _ in
            try await submit("first", cluster, kubectl)
            try await eventually("the pod runs") { try await cluster.phase("pod", "first") == "Running" }
            try await eventually("the node says that its cluster answers", within: .seconds(60)) {
                try await reachable(cluster) == "True ClusterReachable"
            }
            try await labels(cluster, kubectl)
            try await quota(cluster, kubectl)
            try await refusal(cluster, kubectl)
            try await use(cluster, kubectl)
            try await namespace(cluster, kubectl)
        }
    }

    private func submit(_ name: String, _ cluster: TestCluster, _ kubectl: String, volumes: JSONValue = []) async throws {
        let pod: JSONValue = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string(name), "namespace": "bob"],
            "spec": [
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "tolerations": [["operator": "Exists"]],
                "volumes": volumes,
                "containers": [["name": "c", "image": "host:latest", "command": ["/bin/sh", "-c", "while :; do sleep 0.2; done"]]],
            ],
        ]
        let file = "\(cluster.directory)/\(name).json"
        try FileText.write(bytes: pod.serialized(), to: file)
        try await cluster.run([kubectl, "apply", "-f", file])
    }

    private func pod(_ name: String, _ cluster: TestCluster) async throws -> JSONValue {
        try await cluster.objects("pod").first {
            $0[path: "metadata", "name"]?.stringValue == name && $0[path: "metadata", "namespace"]?.stringValue == "bob"
        } ?? .null
    }

    private func copies(_ cluster: TestCluster) async throws -> [JSONValue] {
        try await cluster.objects("pod").filter { $0[path: "metadata", "namespace"]?.stringValue == "team" }
    }

    /// Status and reason of the node's condition.
    private func reachable(_ cluster: TestCluster) async throws -> String {
        let conditions = try await cluster.object("node", RunKLab.domain)?[path: "status", "conditions"]?.arrayValue ?? []
        let condition = conditions.first { $0["type"]?.stringValue == "ClusterReachable" }
        return "\(condition?["status"]?.stringValue ?? "-") \(condition?["reason"]?.stringValue ?? "-")"
    }

    private func labels(_ cluster: TestCluster, _ kubectl: String) async throws {
        try await cluster.run([kubectl, "label", "pod", "first", "-n", "bob", "stage=two"])
        try await eventually("the label is on the copy") {
            try await copies(cluster).contains { $0[path: "metadata", "labels", "stage"]?.stringValue == "two" }
        }
        try await cluster.run([kubectl, "label", "pod", "first", "-n", "bob", "stage-"])
        try await eventually("and off again") {
            try await copies(cluster).allSatisfy { $0[path: "metadata", "labels", "stage"]?.stringValue == nil }
        }
        let sender = try await copies(cluster).first?[path: "metadata", "labels", "sender"]?.stringValue
        #expect(sender == "bob", "the configuration's own label stays")
    }

    private func quota(_ cluster: TestCluster, _ kubectl: String) async throws {
        try await cluster.run([kubectl, "create", "quota", "full", "--hard=pods=1", "-n", "team"])
        try await eventually("the quota is counted") {
            let used = try await cluster.run([kubectl, "get", "quota", "full", "-n", "team", "-o", "jsonpath={.status.used.pods}"])
            return used.output == "1"
        }
        try await submit("second", cluster, kubectl)
        try await eventually("the pod says why it waits") {
            let status = try await pod("second", cluster)["status"]
            return status?["reason"]?.stringValue == "QuotaExceeded"
                && status?["message"]?.stringValue?.contains("exceeded quota: full") == true
        }
        let events = try await cluster.run([kubectl, "get", "events", "-n", "bob"])
        #expect(events.output.contains("QuotaExceeded"), "\(events)")
        #expect(try await pod("second", cluster)[path: "status", "phase"]?.stringValue == "Pending")
        try await cluster.run([kubectl, "delete", "quota", "full", "-n", "team"])
        try await eventually("it runs when it may", within: .seconds(60)) {
            try await pod("second", cluster)[path: "status", "phase"]?.stringValue == "Running"
        }
    }

    private func refusal(_ cluster: TestCluster, _ kubectl: String) async throws {
        try await submit("refused", cluster, kubectl, volumes: [["name": "v", "hostPath": ["path": "/data"]]])
        try await eventually("it fails") { try await pod("refused", cluster)[path: "status", "phase"]?.stringValue == "Failed" }
        let status = try await pod("refused", cluster)["status"]
        let code = status?["containerStatuses"]?.arrayValue?.first?[path: "state", "terminated", "exitCode"]?.intValue
        #expect(status?["reason"]?.stringValue == "LocalDataNotSupported" && code == 125, "\(status?.serializedString() ?? "")")
        #expect(try await copies(cluster).count == 2, "nothing of it came to the cluster")
    }

    private func use(_ cluster: TestCluster, _ kubectl: String) async throws {
        // Measured twice on the way, every half minute: by the cluster's node, and by the one with RunK.
        try await eventually("kubectl top shows both pods", within: .seconds(150)) {
            let top = try await cluster.run([kubectl, "top", "pod", "-n", "bob", "--no-headers"], expecting: nil)
            let lines = top.output.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
            return top.status == 0 && Set(lines.compactMap(\.first)).isSuperset(of: ["first", "second"])
                && lines.allSatisfy { $0.count == 3 && $0[1].hasSuffix("m") && $0[2].hasSuffix("Mi") }
        }
    }

    private func namespace(_ cluster: TestCluster, _ kubectl: String) async throws {
        try await cluster.run([kubectl, "delete", "namespace", "team", "--wait=false"])
        try await eventually("its pods have ended", within: .seconds(60)) {
            for name in ["first", "second"] where try await pod(name, cluster)[path: "status", "phase"]?.stringValue != "Failed" {
                return false
            }
            return try await copies(cluster).isEmpty
        }
        try await eventually("the node says so", within: .seconds(60)) {
            ["False NamespaceTerminating", "False NamespaceNotFound"].contains(try await reachable(cluster))
        }
        let node = try await cluster.object("node", RunKLab.domain)?[path: "status", "conditions"]?.arrayValue
        let ready = node?.first { $0["type"]?.stringValue == "Ready" }
        #expect(ready?["status"]?.stringValue == "True", "its pods are not driven away for it")
        try await cluster.run([kubectl, "delete", "pod", "--all", "-n", "bob", "--timeout=60s"], within: .seconds(90))
    }
}
