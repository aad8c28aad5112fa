// pods/binding, and the binding of a whole gang in one commit.
import JSON
import KubernetesClient
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// `POST pods/NAME/binding` with a Binding: sets `spec.nodeName` once.
    func bind(_ call: APICall) async throws(StatusError) -> APIDocument {
        let options = try WriteOptions(call.request, kind: "CreateOptions")
        let body = try call.body().object
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
        try await bind([binding], isDryRun: options.isDryRun)
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
                let current = try stored(kind, binding.key)
                let bound = try bound(try tree(current), binding, kind)
                let (bytes, place) = bound.serializedObject(capacity: current.bytes.count * 2)
                operations.append(
                    .update(
                        binding.key, bytes: bytes, index: kind.index(bound), expectedRevision: current.revision, place: place))
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
}
