// What the actions apply, create and wait for.
import JSON
import KubernetesClient
import KubernetesModel

enum Manifests {
    static func pod(
        _ name: String, node: String = "fake-0", labels: [String: String] = [:], image: String = "app:1", container: String = "c"
    ) -> String {
        let all = labels.isEmpty ? ["app": name] : labels
        return """
            apiVersion: v1
            kind: Pod
            metadata:
              name: \(name)
              namespace: default
              labels: {\(all.sorted { $0.key < $1.key }.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", "))}
            spec:
              nodeName: \(node)
              terminationGracePeriodSeconds: 1
              containers:
              - {name: \(container), image: "\(image)", command: [sleep, "600"]}
            """
    }

    static func appImage(tag: String) -> String {
        """
        apiVersion: kuscia.secretflow/v1alpha1
        kind: AppImage
        metadata: {name: engine}
        spec:
          image: {name: engine, tag: "\(tag)"}
          deployTemplates:
          - name: main
            spec: {restartPolicy: Never, containers: [{name: main, command: [sh, -c, "true"]}]}
        """
    }

    static let definition = """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: widgets.lab.example}
        spec:
          group: lab.example
          names: {kind: Widget, plural: widgets, singular: widget}
          scope: Namespaced
          versions:
          - name: v1
            served: true
            storage: true
            schema: {openAPIV3Schema: {type: object}}
        """

    static func metrics() -> String {
        """
        apiVersion: metrics.k8s.io/v1beta1
        kind: NodeMetrics
        metadata: {name: fake-0}
        timestamp: "\(NodeDouble.timestamp())"
        window: 30s
        usage: {cpu: 250m, memory: 1Gi}
        ---
        apiVersion: metrics.k8s.io/v1beta1
        kind: PodMetrics
        metadata: {name: web, namespace: default}
        timestamp: "\(NodeDouble.timestamp())"
        window: 30s
        containers:
        - name: c
          usage: {cpu: 100m, memory: 64Mi}
        """
    }
}

extension GroupVersionResource {
    static let pods = GroupVersionResource(resource: "pods")
    static let nodes = GroupVersionResource(resource: "nodes")
    static let namespaces = GroupVersionResource(resource: "namespaces")
    static let services = GroupVersionResource(resource: "services")
    static let events = GroupVersionResource(resource: "events")
    static let secrets = GroupVersionResource(resource: "secrets")
    static let configMaps = GroupVersionResource(resource: "configmaps")
    static let appImages = GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: "appimages")
}

/// Steps that actions need before or while they run.
extension KubectlSession {
    func isRunning(_ pod: String) async throws {
        try await eventually("pod \(pod) is Running") {
            let object = try JSONValue(
                parsing: await laboratory.api.get(.pods, namespace: "default", name: pod, subresource: nil))
            return object[path: "status", "phase"]?.stringValue == "Running"
        }
    }

    /// The pod, made by apply as a user would, and running.
    func start(_ pod: String, node: String = "fake-0") async throws {
        let file = try laboratory.file("start-\(pod).yaml", Manifests.pod(pod, node: node))
        let result = try await Program.run(
            [version.path, "--kubeconfig", laboratory.kubeconfig, "--cache-dir", cache, "apply", "-f", file],
            directory: laboratory.directory)
        guard result.status == 0 else { throw LaboratoryFailure("\(result)") }
        try await isRunning(pod)
    }

    func patch(_ resource: GroupVersionResource, _ namespace: String?, _ name: String, _ body: JSONValue) async throws {
        _ = try await laboratory.api.patch(
            resource, namespace: namespace, name: name, subresource: nil, type: .merge, body: body.serialized())
    }

    /// A kubelet's event about a pod.
    func record(_ reason: String, _ message: String, about pod: String) async throws {
        let object = try JSONValue(parsing: await laboratory.api.get(.pods, namespace: "default", name: pod, subresource: nil))
        let now = JSONValue.string(NodeDouble.timestamp())
        let event: JSONValue = [
            "apiVersion": "v1", "kind": "Event", "metadata": ["generateName": .string(pod + "."), "namespace": "default"],
            "involvedObject": [
                "apiVersion": "v1", "kind": "Pod", "name": .string(pod), "namespace": "default",
                "uid": object[path: "metadata", "uid"] ?? "",
            ],
            "reason": .string(reason), "message": .string(message), "type": "Normal", "count": 1, "firstTimestamp": now,
            "lastTimestamp": now,
            "source": ["component": "kubelet", "host": "fake-0"], "reportingComponent": "kubelet", "reportingInstance": "fake-0",
        ]
        _ = try await laboratory.api.create(.events, namespace: "default", name: nil, subresource: nil, body: event.serialized())
    }
}
