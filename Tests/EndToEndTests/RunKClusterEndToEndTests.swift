// What a node with RunK shows of its cluster, and what its pods say when the cluster takes them no more: over the real programs.
import Glibc
import JSON
import KubernetesClient
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct RunKClusterEndToEndTests {
    private static func pod(_ name: String, _ script: String) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), namespace: bob, labels: {stage: one}}
        spec:
          nodeName: bob
          restartPolicy: Never
          terminationGracePeriodSeconds: 1
          tolerations: [{operator: Exists}]
          containers:
          - name: main
            image: host:latest
            command: [/bin/sh, -c, "\(script)"]
            resources: {limits: {cpu: 100m, memory: 64Mi}}

        """
    }

    private static func apply(_ text: String, _ cluster: TestCluster, _ kubectl: Kubectl) async throws {
        let path = "\(cluster.directory)/apply.yaml"
        try FileText.write(text, to: path)
        try await cluster.run([kubectl.path, "apply", "-f", path])
    }

    private static func status(_ name: String, _ cluster: TestCluster) async throws -> JSONValue? {
        try await cluster.objects("pod").first {
            $0[path: "metadata", "name"]?.stringValue == name && $0[path: "metadata", "namespace"]?.stringValue == "bob"
        }?["status"]
    }

    private static func wait(_ name: String, _ phase: String, _ cluster: TestCluster) async throws {
        try await eventually("pod \(name) is \(phase)", within: .seconds(90)) {
            try await status(name, cluster)?["phase"]?.stringValue == phase
        }
    }

    private static func condition(_ cluster: TestCluster) async throws -> JSONValue? {
        try await cluster.object("node", RunKLab.domain)?[path: "status", "conditions"]?.arrayValue?.first {
            $0["type"]?.stringValue == "ClusterReachable"
        }
    }

    @Test(
        "a pod's use is in `kubectl top`, its labels follow it, the node says that it reaches the cluster",
        .timeLimit(.minutes(5)))
    func follows() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await RunKLab.with { cluster, _ in
            try await Self.apply(Self.pod("stays", "while :; do :; done"), cluster, kubectl)
            try await Self.wait("stays", "Running", cluster)
            try await cluster.run([kubectl.path, "label", "pod", "-n", "bob", "stays", "stage=two", "--overwrite"])
            try await eventually("the label followed", within: .seconds(60)) {
                try await cluster.objects("pod").contains {
                    $0[path: "metadata", "namespace"]?.stringValue == "team"
                        && $0[path: "metadata", "labels", "stage"]?.stringValue == "two"
                }
            }
            try await eventually("the node says that it reaches the cluster", within: .seconds(60)) {
                try await Self.condition(cluster)?["status"]?.stringValue == "True"
            }
            // Two nodes tell it on, each every half minute.
            try await eventually("what it uses is known", within: .seconds(150)) {
                let top = try await cluster.run([kubectl.path, "top", "pod", "-n", "bob", "--no-headers"], expecting: nil)
                let words = top.output.split(whereSeparator: \.isWhitespace)
                return words.first == "stays" && words.dropFirst().first.map { $0 != "0m" } == true
            }
            let summary = try await cluster.run([kubectl.path, "get", "--raw", "/api/v1/nodes/bob/proxy/stats/summary"])
            #expect(
                try JSONValue(parsing: summary.output)["pods"]?.arrayValue?.contains {
                    $0[path: "podRef", "name"]?.stringValue == "stays"
                } == true)
            try await cluster.run([kubectl.path, "delete", "pod", "-n", "bob", "stays"])
        }
    }

    @Test(
        "a used-up quota of the cluster is said and waited for; a namespace that is deleted ends its pods, each told",
        .timeLimit(.minutes(5)))
    func refusals() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await RunKLab.with { cluster, _ in
            try await cluster.run([kubectl.path, "create", "quota", "small", "-n", "team", "--hard=pods=1"])
            try await Self.apply(Self.pod("first", "sleep 1000"), cluster, kubectl)
            try await Self.wait("first", "Running", cluster)
            try await Self.apply(Self.pod("second", "sleep 1000"), cluster, kubectl)
            try await eventually("the second says what it waits for", within: .seconds(60)) {
                let status = try await Self.status("second", cluster)
                return status?["reason"]?.stringValue == "QuotaExceeded"
                    && status?["message"]?.stringValue?.contains("exceeded quota: small") == true
            }
            let events = try await cluster.run([kubectl.path, "get", "events", "-n", "bob"])
            #expect(events.output.contains("QuotaExceeded"))
            try await cluster.run([kubectl.path, "delete", "pod", "-n", "bob", "first"])
            try await Self.wait("second", "Running", cluster)
            try await cluster.run([kubectl.path, "delete", "namespace", "team", "--wait=false"])
            try await Self.wait("second", "Failed", cluster)
            let status = try await Self.status("second", cluster)
            #expect(
                status?["containerStatuses"]?[0]?[path: "state", "terminated", "exitCode"]?.intValue ?? 0 > 0,
                "\(String(describing: status))")
            try await eventually("nothing holds the namespace", within: .seconds(90)) {
                try await !cluster.objects("pod").contains { $0[path: "metadata", "namespace"]?.stringValue == "team" }
            }
        }
    }
}
