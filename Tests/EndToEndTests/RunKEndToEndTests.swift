// RunK against our own master: a Lite whose tasks run in another namespace of a cluster, on another Lite with RunP. Neither that
// master nor RunK knows of the other that it is ours.
import FoundationEssentials
import Glibc
import JSON
import KubernetesClient
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct RunKEndToEndTests {
    @Test(
        "a job with one party on RunP and one on RunK succeeds; logs, exec and the end's code pass through",
        .timeLimit(.minutes(5)))
    func job() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await RunKLab.with { cluster, _ in
            let job = ShellJob(
                name: "both",
                tasks: [
                    ShellTask(
                        alias: "t",
                        script:
                            "echo here is $KUSCIA_DOMAIN_ID; until [ -e $JOB/release ]; do sleep 0.1; done; test $KUSCIA_DOMAIN_ID = alice || exit 0"
                    )
                ])
            try await cluster.run([kubectl.path, "apply", "-f", try job.write(to: cluster.directory)])
            try await eventually("both parties' tasks run") {
                try await cluster.objects("pod").filter { $0[path: "status", "phase"]?.stringValue == "Running" }.count == 3
            }
            let copies = try await cluster.objects("pod").filter { $0[path: "metadata", "namespace"]?.stringValue == "team" }
            #expect(copies.count == 1 && copies.first?[path: "metadata", "labels", "sender"]?.stringValue == "bob")
            let name = try #require(
                try await cluster.objects("pod").first { $0[path: "metadata", "namespace"]?.stringValue == "bob" }?[
                    path: "metadata", "name"]?.stringValue)
            let log = try await cluster.run([kubectl.path, "logs", "-n", "bob", name])
            #expect(log.output.contains("here is bob"), "\(log)")
            let exec = try await cluster.run(
                [kubectl.path, "exec", "-n", "bob", name, "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 4"], expecting: nil
            )
            #expect(exec.output == "out\n" && exec.errors.contains("err") && exec.status == 4, "\(exec)")
            for domain in ["alice", "team"] {
                try FileText.write("", to: "\(cluster.jobVolume("both", of: domain))/release")
            }
            try await eventually("the job succeeded") { try await cluster.phase("kusciajob", "both") == "Succeeded" }
            try await cluster.run("delete", "kusciajob", "both")
            try await eventually("nothing of it is left in the cluster") {
                let pods = try await cluster.objects("pod")
                let maps = try await cluster.objects("configmap").filter {
                    $0[path: "metadata", "labels", "kuscia.secretflow/node"]?.stringValue == "bob"
                }
                return pods.isEmpty && maps.isEmpty
            }
        }
    }

    @Test("two parties find their intersection, one on RunP and one on RunK, and both have it", .timeLimit(.minutes(5)))
    func privateSetIntersection() async throws {
        let directory = "/tmp/swiftlet-psi-runk-\(getpid())"
        try FileText.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let image = try await PSIExample.prepare(in: directory, rows: 2000)
        let options = ["--image", image, "--data", "alice=\(directory)/data/alice", "--data", "team=\(directory)/data/bob"]
        try await RunKLab.with(options: options) { cluster, _ in
            let example = "\(EndToEnd.repository)/examples/psi"
            let result = try await cluster.run(
                "submit", "\(example)/appimage.yaml", "\(example)/job.yaml", "--wait", "--timeout", "180", within: .seconds(200))
            #expect(result.output.contains("Job psi-demo succeeded"), "\(result)")
            let expected = try JSONValue(parsing: FileText.bytes("\(directory)/data/expected.json") ?? [])
            for party in ["alice", "team"] {
                let summary = try JSONValue(
                    parsing: FileText.bytes("\(cluster.jobVolume("psi-demo", of: party))/summary.json") ?? [])
                for key in ["rows", "intersection", "sha256"] { #expect(summary[key] == expected[key], "\(party) \(key)") }
            }
        }
    }

    @Test("the role of deploy/kubernetes is enough for RunK and for nothing else", .timeLimit(.minutes(5)))
    func role() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await TestCluster.with(domains: ["alice"]) { cluster in
            try await cluster.run([kubectl.path, "apply", "-f", "\(EndToEnd.repository)/deploy/kubernetes/rbac.yaml"])
            func may(_ verb: String, _ resource: String, _ namespace: String = "kuscia-tasks") async throws -> Bool {
                let account = "system:serviceaccount:kuscia-tasks:swiftlet-runk"
                let answer = try await cluster.run(
                    [
                        kubectl.path, "auth", "can-i", verb, resource, "-n", namespace, "--as", account, "--as-group",
                        "system:serviceaccounts",
                    ], expecting: nil)
                return answer.output.hasPrefix("yes")
            }
            for verb in ["get", "list", "watch", "create", "patch", "delete"] {
                #expect(try await may(verb, "pods"), "\(verb) pods")
            }
            for (verb, resource) in [
                ("get", "pods/log"), ("create", "pods/exec"), ("create", "pods/portforward"), ("create", "secrets"),
                ("patch", "secrets"),
                ("list", "configmaps"), ("delete", "configmaps"), ("create", "services"), ("watch", "events"),
                ("patch", "leases.coordination.k8s.io"),
            ] { #expect(try await may(verb, resource), "\(verb) \(resource)") }
            for (verb, resource) in [
                ("get", "secrets"), ("list", "secrets"), ("update", "pods"), ("deletecollection", "pods"),
                ("create", "deployments.apps"),
                ("create", "roles.rbac.authorization.k8s.io"), ("create", "serviceaccounts/token"), ("list", "nodes"),
                ("delete", "namespaces"),
            ] { #expect(try await !may(verb, resource), "\(verb) \(resource)") }
            for verb in ["get", "create"] { #expect(try await !may(verb, "pods", "alice"), "\(verb) pods elsewhere") }
        }
    }
}
