// A pod's life through real processes: probes, hooks, sidecar and last word in a real sandbox, seen through the API server.
import FoundationEssentials
import JSON
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct LifecycleEndToEndTests {
    private static let name = "alive"

    /// Test and pod tell each other by files in a volume of the node.
    private var pod: JSONValue {
        func shell(_ script: String) -> JSONValue { ["/bin/sh", "-c", .string(script)] }
        func exec(_ script: String) -> JSONValue { ["exec": ["command": shell(script)]] }
        let mounts: JSONValue = [["name": "shared", "mountPath": "/shared"]]
        // The first run ends as soon as it is asked to, with a last word; each run tells that it began.
        let main = """
            echo run >>/shared/runs
            trap 'echo stopped by a probe >/dev/termination-log; exit 4' TERM
            while :; do sleep 0.1; done
            """
        let sidecar = """
            echo up >>/shared/sidecar
            trap 'test -e /shared/stopping && echo last >>/shared/sidecar; exit 0' TERM
            while :; do sleep 0.1; done
            """
        return [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string(Self.name), "namespace": "alice"],
            "spec": [
                "nodeName": "alice", "restartPolicy": "Always", "terminationGracePeriodSeconds": 10,
                "tolerations": [["operator": "Exists"]],
                "volumes": [["name": "shared", "persistentVolumeClaim": ["claimName": "life"]]],
                "initContainers": [
                    [
                        "name": "proxy", "image": "host:latest", "restartPolicy": "Always", "command": shell(sidecar),
                        "volumeMounts": mounts,
                        "startupProbe": [
                            "exec": ["command": shell("test -s /shared/sidecar")], "periodSeconds": 1, "failureThreshold": 60,
                        ],
                    ]
                ],
                "containers": [
                    [
                        "name": "main", "image": "host:latest", "command": shell(main), "volumeMounts": mounts,
                        "lifecycle": [
                            "postStart": exec("test -s /shared/sidecar && echo post >>/shared/hooks"),
                            "preStop": exec("touch /shared/stopping; echo pre >>/shared/hooks"),
                        ],
                        "readinessProbe": [
                            "exec": ["command": shell("test -e /shared/ready")], "periodSeconds": 1, "timeoutSeconds": 5,
                        ],
                        "livenessProbe": [
                            "exec": ["command": shell("test ! -e /shared/hung || { rm /shared/hung; exit 1; }")],
                            "periodSeconds": 1, "timeoutSeconds": 5,
                            "failureThreshold": 1,
                        ],
                    ]
                ],
            ],
        ]
    }

    private func lines(_ path: String) -> [String] { (FileText.read(path) ?? "").split(separator: "\n").map(String.init) }

    private func status(_ cluster: TestCluster) async throws -> JSONValue? {
        try await cluster.object("pod", Self.name)?["status"]
    }

    private func isReady(_ status: JSONValue?) -> Bool {
        status?["conditions"]?.arrayValue?.contains {
            $0["type"]?.stringValue == "Ready" && $0["status"]?.stringValue == "True"
        } ?? false
    }

    @Test(
        "a pod's probes, hooks, sidecar and last word: ready when it says so, restarted when it hangs, ended in order",
        .timeLimit(.minutes(5)))
    func life() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let shared = "\(cluster.state.node("alice"))/volumes/alice/life"
            let file = "\(cluster.directory)/pod.json"
            try FileText.write(bytes: pod.serialized(), to: file)
            try await cluster.run([kubectl.path, "apply", "-f", file])
            try await becomesReady(cluster, shared)
            try await isRestarted(cluster, kubectl, shared)
            try await cluster.run(
                [kubectl.path, "delete", "pod", Self.name, "-n", "alice", "--timeout=60s"], within: .seconds(70))
            #expect(lines("\(shared)/hooks") == ["post", "pre", "post", "pre"])
            #expect(lines("\(shared)/sidecar") == ["up", "last"], "the sidecar outlived the container, once")
        }
    }

    private func becomesReady(_ cluster: TestCluster, _ shared: String) async throws {
        try await eventually("the pod runs and is not ready", state: { "\((try? await status(cluster)) ?? .null)" }) {
            let status = try await status(cluster)
            let main = status?["containerStatuses"]?[0]
            return status?["phase"]?.stringValue == "Running" && main?["started"]?.boolValue == true
                && main?["ready"]?.boolValue == false
        }
        #expect(lines("\(shared)/hooks") == ["post"])
        try FileText.write("", to: "\(shared)/ready")
        try await eventually("the pod is Ready") { isReady(try await status(cluster)) }
        let sidecar = try await status(cluster)?["initContainerStatuses"]?[0]
        #expect(sidecar?["ready"]?.boolValue == true && sidecar?["restartCount"]?.intValue == 0, "\(sidecar ?? .null)")
    }

    private func isRestarted(_ cluster: TestCluster, _ kubectl: Kubectl, _ shared: String) async throws {
        try FileText.write("", to: "\(shared)/hung")
        try await eventually("the liveness probe ends the container", state: { "\((try? await status(cluster)) ?? .null)" }) {
            try await status(cluster)?["containerStatuses"]?[0]?[path: "lastState", "terminated"]?.objectValue != nil
        }
        try await eventually("it runs again and is Ready", within: .seconds(60)) { isReady(try await status(cluster)) }
        let main = try #require(try await status(cluster)?["containerStatuses"]?[0])
        #expect(main["restartCount"]?.intValue == 1)
        let ended = main[path: "lastState", "terminated"]
        #expect(ended?["exitCode"]?.intValue == 4)
        #expect(ended?["message"]?.stringValue == "stopped by a probe\n")
        #expect(lines("\(shared)/runs") == ["run", "run"])
        let events = try await cluster.run([kubectl.path, "get", "events", "-n", "alice"])
        for reason in ["Unhealthy", "Killing", "Started"] { #expect(events.output.contains(reason), "\(events)") }
    }
}
