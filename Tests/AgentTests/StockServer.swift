// What a stock API server refuses to a node's credentials: the Node authorizer's rules and NodeRestriction, as the
// documentation states them, in front of the server in memory. It writes down the conversation.
// https://kubernetes.io/docs/reference/access-authn-authz/node/
import AgentCore
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Synchronization

struct StockServer: KubernetesAPI {
    let node: String
    let base: InMemoryKubernetesAPI
    /// "PATCH nodes/n1/status -> allowed", in order.
    let conversation = Conversation()

    final class Conversation: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
        var refusals: [String] { all.filter { $0.contains("403") } }
    }

    private func check(
        _ verb: String, _ resource: GroupVersionResource, _ namespace: String?, _ name: String?, _ subresource: String? = nil,
        options: ListOptions = .init(), body: JSONValue? = nil
    ) throws {
        let where_ = [namespace, resource.resource, name, subresource].compactMap(\.self).joined(separator: "/")
        let reason = try refusal(verb, resource, namespace, name, subresource, options, body)
        conversation.add("\(verb) \(where_) -> \(reason.map { "403 \($0)" } ?? "allowed")")
        guard let reason else { return }
        throw KubernetesAPIError.status(
            APIStatus(status: "Failure", message: "\(where_) is forbidden: \(reason)", reason: "Forbidden", code: 403))
    }

    private func refusal(
        _ verb: String, _ resource: GroupVersionResource, _ namespace: String?, _ name: String?, _ subresource: String?,
        _ options: ListOptions, _ body: JSONValue?
    ) throws -> String? {
        let isReading = ["get", "list", "watch"].contains(verb)
        switch (resource.group, resource.resource, subresource) {
        case ("", "nodes", nil), ("", "nodes", "status"):
            if verb == "create" { return name == nil ? try nodeObject(body, old: nil) : "no such verb" }
            guard name == node else { return "node may only reach its own Node" }
            if verb == "delete" { return "nodes may not delete themselves" }
            return isReading ? nil : try nodeObject(body, old: base.object(Node.self, name: node))
        case ("coordination.k8s.io", "leases", nil):
            guard namespace == "kube-node-lease" else { return "only leases of kube-node-lease" }
            let named = verb == "create" ? body?[path: "metadata", "name"]?.stringValue : name
            return named == node ? nil : "only its own lease"
        case ("", "pods", nil):
            if verb == "list" || verb == "watch" {
                return options.fieldSelector == "spec.nodeName=\(node)"
                    ? nil : "can only list/watch pods with spec.nodeName field selector"
            }
            if verb == "create" {
                return body?[path: "metadata", "annotations", StaticPod.mirrorAnnotation]?.stringValue != nil
                    ? nil : "may only create mirror pods"
            }
            guard verb == "get" || verb == "delete" else { return "no \(verb) of pods" }
            return try isOwn(namespace, name) ? nil : "pod is not bound to the node"
        case ("", "pods", "status"):
            guard verb == "patch" || verb == "update" else { return "no \(verb) of pods/status" }
            if body?[path: "metadata", "labels"]?.objectValue != nil { return "cannot update labels through pod status" }
            return try isOwn(namespace, name) ? nil : "pod is not bound to the node"
        case ("", "configmaps", nil), ("", "secrets", nil), ("", "persistentvolumeclaims", nil):
            guard isReading, let name else { return "no relationship found: only by name" }
            return try needs(namespace, resource.resource, name) ? nil : "no relationship found between node and this object"
        case ("", "services", nil), ("node.k8s.io", "runtimeclasses", nil), ("storage.k8s.io", "csidrivers", nil):
            return isReading ? nil : "read only"
        case ("", "events", nil): return ["create", "patch", "update"].contains(verb) ? nil : "no \(verb) of events"
        default: return "not in the Node authorizer's rules"
        }
    }

    /// NodeRestriction over a node's own object; `body` is the object or a merge into it.
    private func nodeObject(_ body: JSONValue?, old: Node?) throws -> String? {
        if old == nil, body?[path: "metadata", "name"]?.stringValue != node { return "may only create its own Node" }
        let labels = (body?[path: "metadata", "labels"]?.objectValue ?? [:]).map { ($0.key, $0.value.stringValue ?? "") }
        let changed = Dictionary(uniqueKeysWithValues: labels).filter { old?.metadata.labels[$0.key] != $0.value }
        let refused = NodeLabelPolicy.refused(changed)
        if !refused.isEmpty { return "is not allowed to modify labels: \(refused.joined(separator: ", "))" }
        guard let old, let taints = body?[path: "spec", "taints"] else { return nil }
        return try JSON.encodeToValue(old.spec.taints) == taints ? nil : "is not allowed to modify taints"
    }

    private func isOwn(_ namespace: String?, _ name: String?) throws -> Bool {
        guard let name, let pod = try base.object(Pod.self, namespace: namespace, name: name) else { return true }
        return pod.spec.nodeName == node
    }

    private func needs(_ namespace: String?, _ resource: String, _ name: String) throws -> Bool {
        try base.objects(Pod.self, namespace: namespace).contains { pod in
            guard pod.spec.nodeName == node else { return false }
            let document = try JSON.encodeToValue(pod.spec).serializedString()
            return document.contains("\"\(name)\"")
        }
    }

    // MARK: Verbs

    func get(_ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?) async throws -> [UInt8] {
        try check("get", resource, namespace, name, subresource)
        return try await base.get(resource, namespace: namespace, name: name, subresource: subresource)
    }

    func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] {
        try check("list", resource, namespace, nil, options: options)
        return try await base.list(resource, namespace: namespace, options: options)
    }

    func watch(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> any WatchStream {
        try check("watch", resource, namespace, nil, options: options)
        return try await base.watch(resource, namespace: namespace, options: options)
    }

    func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try check("create", resource, namespace, name, subresource, body: try JSONValue(parsing: body))
        return try await base.create(resource, namespace: namespace, name: name, subresource: subresource, body: body)
    }

    func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try check("update", resource, namespace, name, subresource, body: try JSONValue(parsing: body))
        return try await base.update(resource, namespace: namespace, name: name, subresource: subresource, body: body)
    }

    func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType, body: [UInt8]
    ) async throws -> [UInt8] {
        try check("patch", resource, namespace, name, subresource, body: try JSONValue(parsing: body))
        return try await base.patch(resource, namespace: namespace, name: name, subresource: subresource, type: type, body: body)
    }

    func delete(_ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions) async throws
        -> [UInt8]
    {
        try check("delete", resource, namespace, name)
        return try await base.delete(resource, namespace: namespace, name: name, options: options)
    }
}
