// pods/binding, and the binding of a whole gang in one commit.
import JSON
import KubernetesClient
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// `POST pods/NAME/binding` with a Binding: sets `spec.nodeName` once.
    func bind(_ call: APICall) async throws(StatusError) -> APIDocument {
        let options = try WriteOptions(call.request, kind: "CreateOptions")
        let binding = try BindingBody(call)
        guard binding.name == call.name else { throw .badRequest("name in URL does not match name in Binding object") }
        return try await bind(binding, call.key, options)
    }

    /// `POST namespaces/N/bindings`, the older form: the body alone names the pod. nil: another route.
    func bindings(_ request: APIRequest, _ route: ResourceRoute) async throws(StatusError) -> APIDocument? {
        guard route.resource == ResourceKind.binding.resource, let kind = kinds[GroupVersionResource(resource: "pods")] else {
            return nil
        }
        guard route.namespace != nil, route.name == nil else { throw .unknownPath }
        guard request.method == .post else { throw .methodNotAllowed }
        let call = try APICall(request: request, route: route, kind: kind)
        let options = try WriteOptions(request, kind: "CreateOptions")
        let binding = try BindingBody(call)
        if binding.name.isEmpty { throw .badRequest("metadata.name: expected the name of a pod, found none") }
        return try await bind(binding, kind.key(namespace: route.namespace, name: binding.name), options)
    }

    private func bind(
        _ binding: BindingBody, _ pod: ResourceKey, _ options: WriteOptions
    ) async throws(StatusError) -> APIDocument {
        let intent = BindingIntent(key: pod, uid: binding.uid, node: binding.node, annotations: binding.annotations)
        try await bind([intent], isDryRun: options.isDryRun)
        return APIDocument(
            status: 201, body: Array(#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}"#.utf8))
    }

    /// A Binding as it was sent, checked as far as it speaks for itself. Its annotations become the pod's: they are what an
    /// object's may be.
    private struct BindingBody {
        var name: String
        var uid: String
        var node: String
        var annotations: JSONObject

        init(_ call: APICall) throws(StatusError) {
            let body = try call.body().object
            guard case .object = body else { throw .badRequest("the request's body must be a JSON object") }
            if let kind = body["kind"]?.stringValue, !kind.isEmpty, kind != "Binding" {
                throw .badRequest("\(kind) cannot be handled as a Binding")
            }
            var findings = SchemaFindings()
            let binding = ResourceKind.binding.schema.cleaned(body, at: "", &findings)
            let metadata = binding["metadata"]
            name = metadata?["name"]?.stringValue ?? ""
            uid = metadata?["uid"]?.stringValue ?? ""
            node = binding["target"]?["name"]?.stringValue ?? ""
            annotations = metadata?["annotations"]?.objectValue ?? [:]
            if let namespace = metadata?["namespace"]?.stringValue, !namespace.isEmpty, namespace != call.route.namespace {
                throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
            }
            var errors = findings.errors
            // Of a body of wrong types the rest is not there to be looked at.
            if errors.isEmpty { errors = ObjectMetadata.validate(annotations: annotations) + Self.errors(binding["target"]) }
            if !errors.isEmpty { throw .invalid(ResourceKind.binding.gvk, name, errors) }
        }

        private static func errors(_ target: JSONValue?) -> [FieldError] {
            let node = target?["name"]?.stringValue ?? ""
            let kind = target?["kind"]?.stringValue ?? ""
            var errors: [FieldError] = []
            if !kind.isEmpty, kind != "Node" {
                errors.append(.notSupported("target.kind", .string(kind), supported: ["Node"]))
            }
            if node.isEmpty {
                errors.append(.required("target.name"))
            } else if let problem = NameFormat.subdomainProblem(node) {
                errors.append(.invalid("target.name", .string(node), problem))
            }
            return errors
        }
    }

    struct BindingIntent: Sendable {
        var key: ResourceKey
        /// Empty: any incarnation.
        var uid: String
        var node: String
        var annotations: JSONObject = [:]
    }

    /// All or none, in one durable commit: each pod must be this one, unbound, without gates and not being deleted.
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
        if let gates = pod["spec"]?["schedulingGates"]?.arrayValue, !gates.isEmpty {
            throw .conflict(kind.resource, binding.key.name, "pod \(binding.key.name) has non-empty .spec.schedulingGates")
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
