// pods/binding and pods/log, and the binding of a whole gang in one commit.
import JSON
import KubernetesClient
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// `POST pods/NAME/binding` with a Binding: sets `spec.nodeName` once.
    func bind(_ call: APICall) async throws(StatusError) -> APIDocument {
        try call.checkDryRun()
        let body = try call.bodyTree()
        guard case .object = body else { throw .badRequest("the request's body must be a JSON object") }
        if let kind = body["kind"]?.stringValue, kind != "Binding" {
            throw .badRequest("\(kind) cannot be handled as a Binding")
        }
        let node = body["target"]?["name"]?.stringValue ?? ""
        if node.isEmpty {
            throw .invalid(GroupVersionKind(kind: "Binding"), call.name, [.required("target.name")])
        }
        if let kind = body["target"]?["kind"]?.stringValue, !kind.isEmpty, kind != "Node" {
            throw .invalid(
                GroupVersionKind(kind: "Binding"), call.name,
                [
                    .notSupported("target.kind", .string(kind), supported: ["Node"])
                ])
        }
        let uid = body["metadata"]?["uid"]?.stringValue ?? ""
        let binding = BindingIntent(
            key: call.key, uid: uid, node: node, annotations: body["metadata"]?["annotations"]?.objectValue ?? [:])
        try await bind([binding], isDryRun: call.isDryRun)
        return APIDocument(
            status: 201, body: Array(#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}"#.utf8))
    }

    struct BindingIntent: Sendable {
        var key: ResourceKey
        /// Empty: any incarnation.
        var uid: String
        var node: String
        var annotations: JSONObject = [:]
    }

    /// All or none, in one durable commit: each pod must be this one, unbound and not being deleted.
    func bind(_ bindings: [BindingIntent], isDryRun: Bool = false) async throws(StatusError) {
        guard let kind = kinds[GroupVersionResource(resource: "pods")], !bindings.isEmpty else { return }
        for attempt in 1... {
            var operations: [StoreOperation] = []
            for binding in bindings {
                let current = try await stored(kind, binding.key)
                let bound = try bound(try tree(current), binding, kind)
                operations.append(
                    .update(
                        binding.key, bytes: bound.serialized(), index: kind.index(bound),
                        expectedRevision: current.revision))
            }
            if isDryRun { return }
            do throws(StoreError) {
                _ = try await store.commit(operations)
                return
            } catch {
                guard case .conflict = error, attempt < Self.maximumUpdateAttempts else { throw .store(error) }
            }
        }
    }

    private func bound(_ pod: JSONValue, _ binding: BindingIntent, _ kind: ServedKind) throws(StatusError) -> JSONValue {
        let found = pod["metadata"]?["uid"]?.stringValue ?? ""
        if !binding.uid.isEmpty, binding.uid != found {
            throw .conflict(
                kind.resource, binding.key.name,
                "Precondition failed: UID in precondition: \(binding.uid), UID in object meta: \(found)")
        }
        if pod["metadata"]?["deletionTimestamp"] != nil {
            throw .conflict(
                kind.resource, binding.key.name, "pod \(binding.key.name) is being deleted, cannot be assigned to a host")
        }
        if let node = pod["spec"]?["nodeName"]?.stringValue, !node.isEmpty {
            throw .conflict(
                kind.resource, binding.key.name, "pod \(binding.key.name) is already assigned to node \"\(node)\"")
        }
        var pod = pod
        pod.set(["spec", "nodeName"], to: .string(binding.node))
        for (key, value) in binding.annotations { pod.set(["metadata", "annotations", key], to: value) }
        var conditions = (pod["status"]?["conditions"]?.arrayValue ?? []).filter { $0["type"] != "PodScheduled" }
        conditions.append([
            "type": "PodScheduled", "status": "True", "lastTransitionTime": .string(RFC3339.text(seconds: now())),
        ])
        pod.set(["status", "conditions"], to: .array(conditions))
        return pod
    }

    // MARK: Logs

    /// The query parameters that a node understands.
    private static let logParameters = [
        "follow", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "previous", "limitBytes",
    ]

    func podLog(_ call: APICall) async throws(StatusError) -> PodLogTarget {
        let object = try await stored(call.kind, call.key)
        let pod = try tree(object)
        let container = try logContainer(pod, call)
        guard let node = pod["spec"]?["nodeName"]?.stringValue, !node.isEmpty else {
            throw .badRequest("pod \(call.name) does not have a host assigned")
        }
        var query: [String] = []
        for name in Self.logParameters {
            guard let value = call.request.query(name), !value.isEmpty else { continue }
            switch name {
            case "tailLines", "sinceSeconds", "limitBytes":
                guard let number = Int(value), number >= 0 else {
                    throw .invalid(
                        GroupVersionKind(kind: "PodLogOptions"), call.name,
                        [
                            .invalid(name, .string(value), "must be a number not below 0")
                        ])
                }
            case "sinceTime":
                guard RFC3339.seconds(value) != nil else {
                    throw .invalid(
                        GroupVersionKind(kind: "PodLogOptions"), call.name,
                        [
                            .invalid(name, .string(value), "must be an RFC 3339 time")
                        ])
                }
            default:
                guard ["true", "false", "1", "0"].contains(value) else {
                    throw .badRequest("\(name): Invalid value: \"\(value.prefix(64))\": must be true or false")
                }
            }
            query.append("\(name)=\(value.replacing("+", with: "%2B").replacing(":", with: "%3A"))")
        }
        return PodLogTarget(
            namespace: call.route.namespace ?? "", pod: call.name, podUID: object.index.uid, node: node,
            container: container, rawQuery: query.joined(separator: "&"), follow: call.request.flag("follow"))
    }

    private func logContainer(_ pod: JSONValue, _ call: APICall) throws(StatusError) -> String {
        let main = (pod["spec"]?["containers"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        let all = main + (pod["spec"]?["initContainers"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        if let wanted = call.request.query("container"), !wanted.isEmpty {
            guard all.contains(wanted) else {
                throw .badRequest("container \(wanted) is not valid for pod \(call.name)")
            }
            return wanted
        }
        if main.count == 1 { return main[0] }
        let usual = pod["metadata"]?["annotations"]?["kubectl.kubernetes.io/default-container"]?.stringValue
        if let usual, main.contains(usual) { return usual }
        throw .badRequest(
            "a container name must be specified for pod \(call.name), choose one of: [\(main.joined(separator: " "))]")
    }
}
