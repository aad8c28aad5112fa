// The API server's front door: a request is routed, authorised, carried out by its verb, and every refusal becomes a Status.
// A verb's whole path is this file and the verb's own in Verbs/ (or Subresources/).
import JSON
import KubernetesModel
import Logging
import ResourceStore

/// Answers API requests over a store. Thread-safe, keeps no state of its own beside running watches' timers.
public final class APIHandler: Sendable {
    /// Largest request body (etcd's and Kubernetes' own bound is 3 MiB for resource requests).
    public static let maximumBodyBytes = 3 << 20

    let store: any ResourceStore
    let authorizer: any Authorizer
    let admission: AdmissionPipeline
    /// Tokens and who knows them; some of it is known only later.
    public let security = ServerSecurity()
    let kinds = KindRegistry()
    let documents: ServerDocuments
    let certificateSigner: (any CertificateSigning)?
    let watchTimer = WatchTimer()
    let log: Logger
    /// Seconds since 1970.
    let now: @Sendable () -> Int64

    /// `authorizer` nil: roles and bindings in the store decide. `now` gives seconds since 1970. `certificateSigner` nil:
    /// certificate requests are stored, not signed.
    public init(
        store: any ResourceStore, authorizer: (any Authorizer)? = nil, now: @escaping @Sendable () -> Int64,
        certificateSigner: (any CertificateSigning)? = nil, log: Logger = Logger(label: "apiserver")
    ) {
        self.store = store
        let authorizer = authorizer ?? StoreAuthorizer(store: store)
        self.authorizer = authorizer
        self.now = now
        self.certificateSigner = certificateSigner
        self.log = log
        admission = AdmissionPipeline(
            AdmissionPipeline.standard + SecurityAdmission.steps(authorizer: authorizer, signer: certificateSigner))
        documents = ServerDocuments(kinds)
    }

    /// Never throws: a refusal is a Status document.
    public func handle(_ request: APIRequest) async -> APIResponse {
        do {
            let response = try await answer(request)
            guard request.wantsPretty, case .document(let document) = response else { return response }
            return .document(document.indented)
        } catch {
            if error.isServersFault {
                log.error("request failed", metadata: ["path": "\(request.path)", "error": "\(error.message)"])
            }
            return .document(request.wantsPretty ? error.document.indented : error.document)
        }
    }

    private func answer(_ request: APIRequest) async throws(StatusError) -> APIResponse {
        guard request.body.count <= Self.maximumBodyBytes else { throw .tooLarge(limit: Self.maximumBodyBytes) }
        guard let route = RequestRoute(path: request.path) else { throw .badRequest("the path is malformed") }
        switch route {
        case .document(let segments):
            try authorizeDocument(request)
            guard request.method == .get || request.method == .head else { throw .methodNotAllowed }
            return .document(try await document(segments, request))
        case .resource(let route):
            return try await answer(request, route)
        }
    }

    private func answer(_ request: APIRequest, _ route: ResourceRoute) async throws(StatusError) -> APIResponse {
        if let target = try nodeProxy(request, route) { return .nodeProxy(target) }
        let verb = try Verb(request, route)
        try authorize(
            AuthorizationAttributes(
                user: request.user, verb: verb.rawValue, group: route.resource.group, resource: route.resource.resource,
                subresource: route.subresource ?? "", namespace: route.namespace ?? namespaceItself(route),
                name: route.name ?? fieldSelected("metadata.name", request, verb),
                nodeSelector: fieldSelected("spec.nodeName", request, verb)))
        if let review = try await review(request, route) { return .document(review) }
        if let bound = try await bindings(request, route) { return .document(bound) }
        guard let kind = kinds[route.resource] else { throw .unknownPath }
        let call = try APICall(request: request, route: route, kind: kind)
        if let subresource = route.subresource {
            return try await answer(subresource: subresource, call, verb)
        }
        switch verb {
        case .get: return .document(try get(call))
        case .list: return .document(try list(call))
        case .watch: return .watch(try watch(call))
        case .create: return .document(try await create(call))
        case .update: return .document(try await update(call))
        case .patch: return .document(try await patch(call))
        case .delete: return .document(try await delete(call))
        case .deletecollection: return .document(try await deleteCollection(call))
        }
    }

    private func answer(subresource: String, _ call: APICall, _ verb: Verb) async throws(StatusError) -> APIResponse {
        // Parts of the object itself, read and written by the same verbs as the whole.
        if call.part != .main {
            switch verb {
            case .get: return .document(try get(call))
            case .update: return .document(try await update(call))
            case .patch where call.part != .finalize: return .document(try await patch(call))
            case .patch, .list, .watch, .create, .delete, .deletecollection: throw .methodNotAllowed
            }
        }
        // Documents of their own.
        switch (call.kind.resource.group, call.kind.resource.resource, subresource, verb) {
        case ("", "pods", "binding", .create): return .document(try await bind(call))
        case ("", "pods", "eviction", .create): return .document(try await evict(call))
        case ("", "pods", "log", .get): return .podLog(try podLog(call))
        case ("", "pods", "exec", .get), ("", "pods", "exec", .create): return .podStream(try podStream(call, .exec))
        case ("", "pods", "attach", .get), ("", "pods", "attach", .create): return .podStream(try podStream(call, .attach))
        case ("", "pods", "portforward", .get), ("", "pods", "portforward", .create):
            return .podStream(try podStream(call, .portforward))
        case ("", "serviceaccounts", "token", .create): return .document(try createToken(call))
        case ("", "pods", "binding", _), ("", "pods", "eviction", _), ("", "pods", "log", _), ("", "pods", "exec", _),
            ("", "pods", "attach", _),
            ("", "pods", "portforward", _), ("", "serviceaccounts", "token", _):
            throw .methodNotAllowed
        default: throw .unknownPath
        }
    }

    // MARK: Authorisation

    func authorize(_ attributes: AuthorizationAttributes) throws(StatusError) {
        guard case .deny(let why) = authorizer.authorize(attributes) else { return }
        let reason = attributes.refusal + (why.isEmpty ? "" : ": \(why)")
        if !attributes.isResource { throw StatusError(code: 403, reason: "Forbidden", message: "forbidden: \(reason)") }
        throw .forbidden(attributes.resource, group: attributes.group, name: attributes.name ?? "", reason)
    }

    private func authorizeDocument(_ request: APIRequest) throws(StatusError) {
        try authorize(
            AuthorizationAttributes(
                user: request.user, verb: request.method.rawValue.lowercased(), path: request.path))
    }

    /// A Namespace is authorised in itself.
    private func namespaceItself(_ route: ResourceRoute) -> String? {
        route.resource == GroupVersionResource(resource: "namespaces") ? route.name : nil
    }

    /// A list or watch of one name is authorised like that name, one of a node's pods like that node's, as in Kubernetes.
    private func fieldSelected(_ field: String, _ request: APIRequest, _ verb: Verb) -> String? {
        guard verb == .list || verb == .watch, let text = request.query("fieldSelector"),
            let selector = try? FieldSelector(parsing: text)
        else { return nil }
        return selector.terms.first { $0.field == field && !$0.negated }?.value
    }
}

extension APIRequest {
    /// `?pretty=true`: for people who read with curl.
    fileprivate var wantsPretty: Bool {
        guard let value = query("pretty") else { return false }
        return value == "true" || value == "1" || value.isEmpty
    }
}

extension APIDocument {
    /// A list of more than this is not laid out again.
    private static let maximumIndentedBytes = 8 << 20

    fileprivate var indented: APIDocument {
        guard contentType.hasPrefix("application/json"), body.count <= Self.maximumIndentedBytes,
            let tree = try? JSONValue(parsing: body)
        else { return self }
        var document = self
        document.body = tree.serialized(pretty: true) + [UInt8(ascii: "\n")]
        return document
    }
}
