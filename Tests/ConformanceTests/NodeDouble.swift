// Plays the kubelets of a few nodes: registers them, keeps their leases, runs what is bound to them at once, ends what is
// deleted, and answers for logs through the node tunnel. Only what a client can see of a kubelet; there is no process behind it.
import Glibc
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel

struct NodeDouble: Sendable {
    static let names = ["fake-0", "fake-1"]
    private static let pods = GroupVersionResource(resource: "pods")
    private static let nodes = GroupVersionResource(resource: "nodes")
    private static let leases = GroupVersionResource(group: "coordination.k8s.io", version: "v1", resource: "leases")
    private static let leaseSeconds = 40

    let laboratory: MasterLaboratory

    /// Runs the nodes while `body` runs.
    static func run<Value: Sendable>(
        _ laboratory: MasterLaboratory, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let double = NodeDouble(laboratory: laboratory)
        for name in names { try await double.register(name) }
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            for name in names {
                group.addTask { try await double.keepLease(name) }
                group.addTask { try await double.runPods(name) }
                group.addTask { try await double.answerLogs(name) }
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw LaboratoryFailure("the nodes ended before the test")
        }
    }

    private var api: HTTPKubernetesAPI { laboratory.api }

    private func register(_ name: String) async throws {
        let node: JSONValue = [
            "apiVersion": "v1", "kind": "Node",
            "metadata": [
                "name": .string(name), "labels": ["kubernetes.io/hostname": .string(name), "kubernetes.io/os": "linux"],
            ],
            "spec": [:],
        ]
        _ = try await api.create(Self.nodes, namespace: nil, name: nil, subresource: nil, body: node.serialized())
        let now = JSONValue.string(Self.timestamp())
        let condition = { (type: String, status: String, reason: String) -> JSONValue in
            [
                "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(reason),
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            ]
        }
        let status: JSONValue = [
            "status": [
                "capacity": ["cpu": "4", "memory": "8Gi", "pods": "110"],
                "allocatable": ["cpu": "4", "memory": "8Gi", "pods": "110"],
                "conditions": [
                    condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                    condition("PIDPressure", "False", "KubeletHasSufficientPID"), condition("Ready", "True", "KubeletReady"),
                ],
                "addresses": [["type": "InternalIP", "address": "192.0.2.7"], ["type": "Hostname", "address": .string(name)]],
                "daemonEndpoints": ["kubeletEndpoint": ["Port": 10250]],
                "nodeInfo": [
                    "machineID": "m", "systemUUID": "s", "bootID": "b", "kernelVersion": "6.1.0", "osImage": "Debian 12",
                    "containerRuntimeVersion": "fake://1.0", "kubeletVersion": "v1.33.0", "kubeProxyVersion": "v1.33.0",
                    "operatingSystem": "linux", "architecture": "amd64",
                ],
            ]
        ]
        _ = try await api.patch(
            Self.nodes, namespace: nil, name: name, subresource: "status", type: .strategicMerge, body: status.serialized())
    }

    private func keepLease<Value>(_ name: String) async throws -> Value? {
        let spec = { (renewed: String) -> JSONValue in
            [
                "holderIdentity": .string(name), "leaseDurationSeconds": .int(Int64(Self.leaseSeconds)),
                "renewTime": .string(renewed),
            ]
        }
        let lease: JSONValue = [
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": ["name": .string(name), "namespace": "kube-node-lease"], "spec": spec(Self.timestamp(micro: true)),
        ]
        _ = try await api.create(
            Self.leases, namespace: "kube-node-lease", name: nil, subresource: nil, body: lease.serialized())
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(5))  // a kubelet's pace, halved
            let patch: JSONValue = ["spec": spec(Self.timestamp(micro: true))]
            _ = try? await api.patch(
                Self.leases, namespace: "kube-node-lease", name: name, subresource: nil, type: .merge, body: patch.serialized())
        }
        return nil
    }

    // MARK: Pods

    private func runPods<Value>(_ node: String) async throws -> Value? {
        let selector = "spec.nodeName=\(node)"
        while !Task.isCancelled {
            let list = try JSONValue(
                parsing: try await api.list(Self.pods, namespace: nil, options: ListOptions(fieldSelector: selector)))
            for pod in list["items"]?.arrayValue ?? [] { try await sync(pod) }
            let watch = try await api.watch(
                Self.pods, namespace: nil,
                options: ListOptions(
                    fieldSelector: selector, resourceVersion: list[path: "metadata", "resourceVersion"]?.stringValue))
            defer { watch.cancel() }
            while let events = try await watch.next() {
                for event in events where event.kind == .added || event.kind == .modified {
                    try await sync(JSONValue(parsing: event.object))
                }
            }
        }
        return nil
    }

    private func sync(_ pod: JSONValue) async throws {
        guard let metadata = pod["metadata"], let name = metadata["name"]?.stringValue,
            let namespace = metadata["namespace"]?.stringValue
        else { return }
        do {
            if metadata["deletionTimestamp"]?.stringValue != nil {
                _ = try await api.delete(
                    Self.pods, namespace: namespace, name: name,
                    options: DeleteOptions(gracePeriodSeconds: 0, uid: metadata["uid"]?.stringValue))
            } else if pod[path: "status", "phase"]?.stringValue != "Running" {
                _ = try await api.patch(
                    Self.pods, namespace: namespace, name: name, subresource: "status", type: .strategicMerge,
                    body: Self.runningStatus(pod).serialized())
            }
        } catch let error as KubernetesAPIError where error.isNotFound || error.code == 409 {
            // Somebody was faster: the next event tells.
        }
    }

    private static func runningStatus(_ pod: JSONValue) -> JSONValue {
        let now = JSONValue.string(timestamp())
        let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map {
            (type: String) -> JSONValue in ["type": .string(type), "status": "True", "lastTransitionTime": now]
        }
        let containers = (pod[path: "spec", "containers"]?.arrayValue ?? []).map { container -> JSONValue in
            [
                "name": container["name"] ?? "", "image": container["image"] ?? "", "imageID": "", "ready": true, "started": true,
                "restartCount": 0, "containerID": "fake://1", "state": ["running": ["startedAt": now]],
            ]
        }
        return [
            "metadata": ["uid": pod[path: "metadata", "uid"] ?? ""],
            "status": [
                "phase": "Running", "podIP": "10.1.0.5", "podIPs": [["ip": "10.1.0.5"]], "hostIP": "192.0.2.7", "startTime": now,
                "conditions": .array(conditions), "containerStatuses": .array(containers),
            ],
        ]
    }

    // MARK: Logs

    /// Ten lines for every container; `tailLines`, `timestamps` and `follow` as the kubelet has them.
    private func answerLogs<Value>(_ node: String) async throws -> Value? {
        let client = try laboratory.client("system:node:\(node)", ["system:nodes"])
        defer { Task { await client.shutdown() } }
        let tunnel = try await client.openTunnel(node: node)
        await withTaskGroup(of: Void.self) { answers in
            while let request = try? await tunnel.nextRequest() {
                answers.addTask { try? await Self.answer(request, tunnel) }
            }
            answers.cancelAll()
        }
        return nil
    }

    private static func answer(_ request: TunnelRequest, _ tunnel: any NodeTunnel) async throws {
        if request.path.hasPrefix("/exec/") || request.path.hasPrefix("/attach/") { return try await runCommand(request, tunnel) }
        let query = Set((request.path.split(separator: "?").dropFirst().first ?? "").split(separator: "&").map(String.init))
        let tail = query.first { $0.hasPrefix("tailLines=") }.flatMap { Int($0.dropFirst(10)) } ?? 10
        let stamp = query.contains("timestamps=true") ? "2026-01-02T03:04:05.000000006Z " : ""
        let lines = (1...10).suffix(tail).map { "\(stamp)line \($0)\n" }.joined()
        try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
            try await writer.write(Array(lines.utf8))
        }
    }

    /// `date` prints, `test` fails, everything else takes its input to the end; attach shows a line.
    private static func runCommand(_ request: TunnelRequest, _ tunnel: any NodeTunnel) async throws {
        let takesInput = request.path.contains("input=1")
        let input = takesInput ? try await tunnel.input(of: request.id) : nil
        try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { writer in
            if request.path.contains("command=date") || request.path.hasPrefix("/attach/") {
                try await writer.write(ChannelFrame(ChannelFrame.stdout, Array("a line of the container\n".utf8)).encoded)
            }
            var reader = ChannelFrameReader()
            input: while let bytes = try await input?.next() {
                for frame in try reader.append(bytes) where frame.channel == ChannelFrame.close { break input }
            }
            let failed =
                #"{"status":"Failure","reason":"NonZeroExitCode","message":"exit 1","details":{"causes":[{"reason":"ExitCode","message":"1"}]}}"#
            let status = request.path.contains("command=test") ? failed : #"{"status":"Success"}"#
            try await writer.write(ChannelFrame(ChannelFrame.status, Array(status.utf8)).encoded)
        }
    }

    static func timestamp(micro: Bool = false) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        var text = [CChar](repeating: 0, count: 40)
        strftime(&text, text.count, micro ? "%Y-%m-%dT%H:%M:%S.000000Z" : "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
