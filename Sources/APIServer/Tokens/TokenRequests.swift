// The subresource `serviceaccounts/NAME/token`: a token for the account, bound to an object if it is asked for.
import JSON
import KubernetesModel
import ResourceStore

/// What may be asked for, decided without looking at anything else.
struct TokenOrder: Sendable, Hashable {
    /// Kubernetes' bounds; longer than a week is cut to a week (the API allows it), so that no token lives as long as a cluster.
    static let minimumSeconds: Int64 = 600
    static let defaultSeconds: Int64 = 3600
    static let refusedBeyondSeconds: Int64 = 1 << 32
    static let maximumSeconds: Int64 = 7 * 86400
    static let maximumAudiences = 32

    enum BoundKind: String, Sendable {
        case pod = "Pod"
        case secret = "Secret"
        case node = "Node"
        var resource: String { rawValue.lowercased() + "s" }
    }

    struct Bound: Sendable, Hashable {
        var kind: BoundKind
        var name: String
        /// nil: whichever object has the name now.
        var uid: String?
    }

    var audiences: [String]
    var seconds: Int64
    var bound: Bound?

    init(_ request: JSONValue, errors: inout [FieldError]) {
        let spec = request["spec"] ?? [:]
        audiences = (spec["audiences"]?.arrayValue ?? []).compactMap(\.stringValue)
        seconds = Self.defaultSeconds
        if audiences.count != spec["audiences"]?.arrayValue?.count ?? 0 || audiences.contains("")
            || audiences.count > Self.maximumAudiences
        {
            errors.append(
                .invalid("spec.audiences", spec["audiences"] ?? .null, "must be at most \(Self.maximumAudiences) texts"))
        }
        if let value = spec["expirationSeconds"], !value.isNull {
            let wanted = value.intValue ?? 0
            if wanted < Self.minimumSeconds {
                errors.append(.invalid("spec.expirationSeconds", value, "may not specify a duration less than 10 minutes"))
            } else if wanted > Self.refusedBeyondSeconds {
                errors.append(.invalid("spec.expirationSeconds", value, "may not specify a duration larger than 2^32 seconds"))
            }
            seconds = min(wanted, Self.maximumSeconds)
        }
        guard let reference = spec["boundObjectRef"], !reference.isNull else { return }
        guard let kind = BoundKind(rawValue: reference["kind"]?.stringValue ?? ""),
            reference["apiVersion"]?.stringValue ?? "v1" == "v1"
        else {
            errors.append(
                .invalid(
                    "spec.boundObjectRef", reference, "cannot bind token to this kind of object; supported: v1 Pod, Secret, Node")
            )
            return
        }
        guard let name = reference["name"]?.stringValue, !name.isEmpty else {
            errors.append(.required("spec.boundObjectRef.name"))
            return
        }
        bound = Bound(kind: kind, name: name, uid: reference["uid"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 })
    }
}

extension APIHandler {
    func createToken(_ call: APICall) throws(StatusError) -> APIDocument {
        guard let tokens = security.tokens else { throw .unknownPath }
        var request = try reviewBody(call.request)
        var errors: [FieldError] = []
        let order = TokenOrder(request, errors: &errors)
        let kind = GroupVersionKind(group: "authentication.k8s.io", version: "v1", kind: "TokenRequest")
        if !errors.isEmpty { throw .invalid(kind, call.name, errors) }
        let account = try present(call.key, call.kind.resource)
        try admitToken(call, request)
        let (pod, node, secret) = try boundObjects(order, call, kind)
        let time = now()
        let claims = ServiceAccountClaims(
            issuer: tokens.issuer, audiences: order.audiences.isEmpty ? [tokens.audiences[0]] : order.audiences, issuedAt: time,
            notBefore: time, expires: time + order.seconds, id: ObjectMetadata.uid(), namespace: call.route.namespace ?? "",
            account: BoundObject(name: call.name, uid: account.index.uid), pod: pod, node: node, secret: secret)
        let token: String
        do { token = try tokens.issue(claims) } catch { throw .internalError("the token cannot be signed") }
        request["kind"] = "TokenRequest"
        request["apiVersion"] = "authentication.k8s.io/v1"
        request["metadata"] = [
            "name": .string(call.name), "namespace": .string(claims.namespace),
            "creationTimestamp": .string(RFC3339.text(seconds: time)),
        ]
        request.set(["spec", "audiences"], to: .array(claims.audiences.map { .string($0) }))
        request.set(["spec", "expirationSeconds"], to: .int(order.seconds))
        request["status"] = ["token": .string(token), "expirationTimestamp": .string(RFC3339.text(seconds: claims.expires))]
        return APIDocument(status: 201, body: request.serialized())
    }

    /// A node's request is limited to its own pods.
    private func admitToken(_ call: APICall, _ request: JSONValue) throws(StatusError) {
        let step = NodeRestriction()
        let attributes = AdmissionAttributes(
            user: call.user, operation: .create, kind: call.kind, namespace: call.route.namespace, name: call.name,
            subresource: "token")
        guard step.handles(attributes) else { return }
        var review = AdmissionReview(attributes, old: nil, object: request)
        try step.validate(&review, StoreAdmissionLookup(store: store, now: now()))
    }

    private func boundObjects(
        _ order: TokenOrder, _ call: APICall, _ kind: GroupVersionKind
    ) throws(StatusError) -> (pod: BoundObject?, node: BoundObject?, secret: BoundObject?) {
        guard let bound = order.bound else { return (nil, nil, nil) }
        func find(_ resource: String, _ name: String) throws(StatusError) -> StoredObject {
            let namespace = resource == "nodes" ? "" : call.route.namespace ?? ""
            return try present(
                ResourceKey(group: "", resource: resource, namespace: namespace, name: name),
                GroupVersionResource(resource: resource))
        }
        let object = try find(bound.kind.resource, bound.name)
        if let uid = bound.uid, uid != object.index.uid {
            throw .conflict(
                GroupVersionResource(resource: bound.kind.resource), bound.name,
                "the UID in the bound object reference (\(uid)) does not match the UID in record. The object might have been deleted "
                    + "and then recreated")
        }
        let reference = BoundObject(name: bound.name, uid: object.index.uid)
        switch bound.kind {
        case .secret: return (nil, nil, reference)
        case .node: return (nil, reference, nil)
        case .pod:
            let account = (try? JSONTape(parsing: object.bytes))?.text(at: ["spec", "serviceAccountName"]) ?? "default"
            guard account == call.name else {
                throw .invalid(
                    kind, call.name,
                    [
                        .invalid(
                            "spec.boundObjectRef.name", .string(bound.name),
                            "cannot bind token for serviceaccount \"\(call.name)\" to pod running with different serviceaccount name."
                        )
                    ])
            }
            let node = object.index.fields["spec.nodeName"] ?? ""
            let host = node.isEmpty ? nil : try peek(ResourceKey(group: "", resource: "nodes", namespace: "", name: node))
            return (reference, host.map { BoundObject(name: node, uid: $0.index.uid) }, nil)
        }
    }

    private func present(_ key: ResourceKey, _ resource: GroupVersionResource) throws(StatusError) -> StoredObject {
        guard let object = try peek(key) else { throw .notFound(resource, key.name) }
        return object
    }

    private func peek(_ key: ResourceKey) throws(StatusError) -> StoredObject? {
        do { return try store.peek(key) } catch { throw .store(error) }
    }
}
