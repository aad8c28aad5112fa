// `swiftlet-bench-core [COUNT]`: CPU of the API's core path, without network and disk: one line of JSON with microseconds of
// CPU time a request, of all threads together.
import APIServer
import Glibc
import JSON
import KubernetesModel
import ResourceStore

/// Microseconds of CPU that this process has used.
func cpuMicroseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}

struct CoreBench: Sendable {
    let handler: APIHandler
    let count: Int
    static let pods = "/api/v1/namespaces/default/pods"

    init(count: Int) async throws {
        self.count = count
        handler = APIHandler(store: try JournaledStore.inMemory(), now: { 1_795_000_000 })
        for name in ["default", "page"] {
            try await expect(.post, "/api/v1/namespaces", Array(#"{"metadata":{"name":"\#(name)"}}"#.utf8), 201)
        }
    }

    func expect(_ method: HTTPMethodName, _ path: String, type: String? = "application/json", _ body: [UInt8], _ status: Int)
        async throws
    {
        let parts = path.split(separator: "?").map(String.init)
        let query =
            parts.count < 2
            ? []
            : parts[1].split(separator: "&").map { pair -> (name: String, value: String) in
                let sides = pair.split(separator: "=").map(String.init)
                return (name: sides[0], value: sides[1])
            }
        let request = APIRequest(
            method: method, path: parts[0], query: query, contentType: body.isEmpty ? nil : type, accept: "application/json",
            body: body,
            user: .master)
        guard case .document(let document) = await handler.handle(request), document.status == status else {
            print("\(method.rawValue) \(path): not \(status)")
            exit(1)
        }
    }

    /// Microseconds of CPU each of `count` requests takes, made by `clients` at a time.
    func measure(_ clients: Int, _ count: Int, _ body: @escaping @Sendable (CoreBench, Int) async throws -> Void) async throws
        -> JSONValue
    {
        let start = cpuMicroseconds()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<clients {
                group.addTask { for index in stride(from: client, to: count, by: clients) { try await body(self, index) } }
            }
            try await group.waitForAll()
        }
        let each = (cpuMicroseconds() - start) / Double(count)
        return .double((each * 100).rounded() / 100)
    }

    func run() async throws -> JSONValue {
        var figures: JSONValue = ["pod_bytes": .int(Int64(Samples.pod("web-00000").count))]
        let count = self.count
        figures["create_us"] = try await measure(32, count) { bench, index in
            try await bench.expect(.post, Self.pods, Samples.pod("web-\(10000 + index)"), 201)
        }
        figures["create_sequential_us"] = try await measure(1, count / 4) { bench, index in
            try await bench.expect(.post, Self.pods, Samples.pod("one-\(10000 + index)"), 201)
        }
        figures["get_us"] = try await measure(1, count * 10) { bench, index in
            try await bench.expect(.get, "\(Self.pods)/web-\(10000 + index % count)", [], 200)
        }
        figures["status_patch_us"] = try await measure(32, count) { bench, index in
            try await bench.expect(
                .patch, "\(Self.pods)/web-\(10000 + index)/status", type: "application/strategic-merge-patch+json",
                Samples.statusPatch(index), 200)
        }
        figures["list_500_us"] = try await measure(1, 200) { bench, _ in
            try await bench.expect(.get, "\(Self.pods)?limit=500", [], 200)
        }
        return figures
    }
}

enum Samples {
    /// About 3.7 KB, as a client library sends it.
    static func pod(_ name: String) -> [UInt8] {
        var text =
            #"""
            {"kind":"Pod","apiVersion":"v1","metadata":{"name":"\#(name)","namespace":"default",\#
            "labels":{"app":"web","pod-template-hash":"6d4cf56db6","kuscia.secretflow/task-id":"job-1-task-0",\#
            "kuscia.secretflow/party":"alice"},\#
            "annotations":{"kubernetes.io/config.seen":"2026-11-21T10:00:00.000000000Z",\#
            "kuscia.secretflow/config-template-volumes":"config-template",\#
            "kuscia.secretflow/initiator":"alice"},\#
            "ownerReferences":[{"apiVersion":"kuscia.secretflow/v1alpha1","kind":"KusciaTask",\#
            "name":"job-1-task-0","uid":"0f6b0f62-95c1-4c07-a2a7-1d6f9a2c5a11","controller":true,\#
            "blockOwnerDeletion":true}]},"spec":{"volumes":[
            """#
        for index in 0..<4 {
            text +=
                (index == 0 ? "" : ",")
                    + #"""
                    {"name":"volume-\#(index)","configMap":{"name":"config-\#(index)","items":[{"key":"task.conf",\#
                    "path":"task.conf"}],"defaultMode":420}}
                    """#
        }
        text += #"],"containers":["#
        for index in 0..<2 {
            text +=
                (index == 0 ? "" : ",")
                    + #"""
                    {"name":"container-\#(index)","image":"registry.example.com/secretflow/psi-image:0.9.5",\#
                    "command":["/bin/sh","-c","/work/entrypoint.sh --config /etc/task.conf --log-level info"],\#
                    "args":["--party","alice","--rank","0"],"workingDir":"/work","ports":[{"name":"psi",\#
                    "containerPort":54509,"protocol":"TCP"},{"name":"global","containerPort":54510,"protocol":"TCP"}],\#
                    "env":[{"name":"TASK_ID","value":"job-1-task-0"},{"name":"DOMAIN_ID","value":"alice"},\#
                    {"name":"NODE_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"spec.nodeName"}}},\#
                    {"name":"LOG_LEVEL","value":"info"}],"resources":{"limits":{"cpu":"2","memory":"4Gi"},\#
                    "requests":{"cpu":"500m","memory":"1Gi"}},"volumeMounts":[{"name":"volume-0",\#
                    "mountPath":"/etc/conf-0"},{"name":"volume-1","readOnly":true,"mountPath":"/etc/conf-1"}],\#
                    "livenessProbe":{"httpGet":{"path":"/healthz","port":54510,"scheme":"HTTP"},\#
                    "initialDelaySeconds":10,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,\#
                    "failureThreshold":3},"terminationMessagePath":"/dev/termination-log",\#
                    "terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent",\#
                    "securityContext":{"privileged":false,"runAsUser":1000,"allowPrivilegeEscalation":false}}
                    """#
        }
        text +=
            #"""
            ],"restartPolicy":"Never","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst",\#
            "serviceAccountName":"default","nodeName":"node-1","securityContext":{"runAsNonRoot":true,\#
            "fsGroup":1000},"schedulerName":"kuscia-scheduler",\#
            "tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute",\#
            "tolerationSeconds":300},{"key":"kuscia.secretflow/agent","operator":"Exists",\#
            "effect":"NoSchedule"}],"priority":0,"enableServiceLinks":true}}
            """#
        return Array(text.utf8)
    }

    /// What a kubelet sends when a pod runs.
    static func statusPatch(_ index: Int) -> [UInt8] {
        let time = "2026-11-21T10:00:\(10 + index % 50)Z"
        return Array(
            #"""
            {"status":{"$setElementOrder/conditions":[{"type":"PodReadyToStartContainers"},\#
            {"type":"Initialized"},{"type":"Ready"},{"type":"ContainersReady"},{"type":"PodScheduled"}],\#
            "conditions":[{"lastProbeTime":null,"lastTransitionTime":"\#(time)","status":"True",\#
            "type":"PodReadyToStartContainers"},{"lastProbeTime":null,"lastTransitionTime":"\#(time)",\#
            "status":"True","type":"Initialized"},{"lastProbeTime":null,"lastTransitionTime":"\#(time)",\#
            "status":"True","type":"Ready"},{"lastProbeTime":null,"lastTransitionTime":"\#(time)",\#
            "status":"True","type":"ContainersReady"},{"lastProbeTime":null,"lastTransitionTime":"\#(time)",\#
            "status":"True","type":"PodScheduled"}],\#
            "containerStatuses":[{"containerID":"containerd://3f9f3d1d6ad8ab1d",\#
            "image":"registry.example.com/secretflow/psi-image:0.9.5","imageID":"sha256:5bca2b4d1b",\#
            "lastState":{},"name":"container-0","ready":true,"restartCount":0,"started":true,\#
            "state":{"running":{"startedAt":"\#(time)"}}},{"containerID":"containerd://af9f3d1d6ad8ab1e",\#
            "image":"registry.example.com/secretflow/psi-image:0.9.5","imageID":"sha256:5bca2b4d1b",\#
            "lastState":{},"name":"container-1","ready":true,"restartCount":0,"started":true,\#
            "state":{"running":{"startedAt":"\#(time)"}}}],"hostIP":"10.0.0.7","hostIPs":[{"ip":"10.0.0.7"}],\#
            "phase":"Running","podIP":"10.88.0.\#(1 + index % 250)",\#
            "podIPs":[{"ip":"10.88.0.\#(1 + index % 250)"}],"startTime":"\#(time)"}}
            """#
            .utf8)
    }
}

let words = Array(CommandLine.arguments.dropFirst())
if words.count > 1, words[0] == "store" {
    print(
        try await StoreBench(directory: words[1], count: words.count > 2 ? Int(words[2]) ?? 100_000 : 100_000).run()
            .serializedString())
} else {
    let count = words.first.flatMap { Int($0) } ?? 4000
    print(try await CoreBench(count: count).run().serializedString())
}
