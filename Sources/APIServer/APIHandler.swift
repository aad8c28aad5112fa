// The API server's front door: a request is routed, authorised, carried out by its verb, and every refusal becomes a Status.
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
    let kinds = KindRegistry()
    let documents: ServerDocuments
    let certificateSigner: (any CertificateSigning)?
    let watchTimer = WatchTimer()
    let log: Logger
    /// Seconds since 1970.
    let now: @Sendable () -> Int64

    /// `now` gives seconds since 1970. `certificateSigner` nil: certificate requests are stored, not signed.
    public init(
        store: any ResourceStore, authorizer: any Authorizer = SwiftletAuthorizer(), now: @escaping @Sendable () -> Int64,
        certificateSigner: (any CertificateSigning)? = nil, log: Logger = Logger(label: "apiserver")
    ) {
        self.store = store
        self.authorizer = authorizer
        self.now = now
        self.certificateSigner = certificateSigner
        self.log = log
        documents = ServerDocuments(kinds)
    }

    /// Never throws: a refusal is a Status document.
    public func handle(_ request: APIRequest) async -> APIResponse {
        do {
            return try await answer(request)
        } catch {
            if error.code >= 500 {
                log.error("request failed", metadata: ["path": "\(request.path)", "error": "\(error.message)"])
            }
            return .document(error.document)
        }
    }

    private func answer(_ request: APIRequest) async throws(StatusError) -> APIResponse {
        guard request.body.count <= Self.maximumBodyBytes else { throw .tooLarge(limit: Self.maximumBodyBytes) }
        guard let route = RequestRoute(path: request.path) else { throw .badRequest("the path is malformed") }
        switch route {
        case .document(let segments):
            try authorizeDocument(request)
            guard request.method == .get || request.method == .head else {
                throw .methodNotAllowed(request.method.rawValue)
            }
            return .document(try await document(segments, request))
        case .resource(let route):
            return try await answer(request, route)
        }
    }

    private func answer(_ request: APIRequest, _ route: ResourceRoute) async throws(StatusError) -> APIResponse {
        let verb = try Verb(request, route)
        try authorize(
            AuthorizationAttributes(
                user: request.user, verb: verb.rawValue, group: route.resource.group, resource: route.resource.resource,
                subresource: route.subresource ?? "", namespace: route.namespace ?? namespaceItself(route),
                name: route.name ?? nameByFieldSelector(request, verb)))
        if let review = try selfReview(request, route) { return .document(review) }
        guard let kind = kinds[route.resource] else { throw .unknownPath }
        let call = try APICall(request: request, route: route, kind: kind)
        if let subresource = route.subresource {
            return try await answer(subresource: subresource, call, verb)
        }
        switch verb {
        case .get: return .document(try await get(call))
        case .list: return .document(try await list(call))
        case .watch: return try watch(call)
        case .create: return .document(try await create(call))
        case .update: return .document(try await update(call))
        case .patch: return .document(try await patch(call))
        case .delete: return .document(try await delete(call))
        case .deletecollection: return .document(try await deleteCollection(call))
        }
    }

    private func answer(subresource: String, _ call: APICall, _ verb: Verb) async throws(StatusError) -> APIResponse {
        let isPod = call.kind.resource.resource == "pods" && call.kind.resource.group.isEmpty
        switch (subresource, verb) {
        case ("status", .get) where call.kind.declaration.hasStatus: return .document(try await get(call))
        case ("status", .update) where call.kind.declaration.hasStatus: return .document(try await update(call))
        case ("status", .patch) where call.kind.declaration.hasStatus: return .document(try await patch(call))
        case ("status", _) where call.kind.declaration.hasStatus: throw .methodNotAllowed(verb.rawValue)
        case ("binding", .create) where isPod: return .document(try await bind(call))
        case ("log", .get) where isPod: return .podLog(try await podLog(call))
        case ("binding", _) where isPod, ("log", _) where isPod: throw .methodNotAllowed(verb.rawValue)
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

    /// A list or watch of one name is authorised like that name, as Kubernetes does.
    private func nameByFieldSelector(_ request: APIRequest, _ verb: Verb) -> String? {
        guard verb == .list || verb == .watch, let text = request.query("fieldSelector"),
            let selector = try? FieldSelector(parsing: text)
        else { return nil }
        return selector.terms.first { $0.field == "metadata.name" && !$0.negated }?.value
    }
}

/// What is to be done, in the words of authorization.
enum Verb: String, Sendable {
    case get, list, watch, create, update, patch, delete, deletecollection

    init(_ request: APIRequest, _ route: ResourceRoute) throws(StatusError) {
        switch (request.method, route.name) {
        case (.get, nil), (.head, nil): self = request.flag("watch") ? .watch : .list
        // The old form of watching one object, `?watch=true` on it.
        case (.get, _?), (.head, _?): self = request.flag("watch") && route.subresource == nil ? .watch : .get
        case (.post, _): self = .create
        case (.put, _?): self = .update
        case (.patch, _?): self = .patch
        case (.delete, nil): self = .deletecollection
        case (.delete, _?): self = .delete
        case (.put, nil), (.patch, nil), (.options, _): throw .methodNotAllowed(request.method.rawValue)
        }
    }
}

/// A request whose kind is known and whose scope fits.
struct APICall: Sendable {
    let request: APIRequest
    let route: ResourceRoute
    let kind: ServedKind

    init(request: APIRequest, route: ResourceRoute, kind: ServedKind) throws(StatusError) {
        if !kind.declaration.namespaced, route.namespace != nil { throw .unknownPath }
        if kind.declaration.namespaced, route.namespace == nil {
            // Only whole collections can be read over all namespaces.
            guard route.name == nil, request.method == .get || request.method == .head else { throw .unknownPath }
        }
        if request.method == .post, route.name != nil, route.subresource == nil {
            throw .methodNotAllowed("create of a named object")
        }
        self.request = request
        self.route = route
        self.kind = kind
    }

    var user: UserInfo { request.user }
    var isStatus: Bool { route.subresource == "status" }
    var isDryRun: Bool { request.query("dryRun") == "All" }

    var name: String { route.name ?? "" }
    var key: ResourceKey { kind.key(namespace: route.namespace, name: name) }

    func checkDryRun() throws(StatusError) {
        guard let value = request.query("dryRun"), value != "All", !value.isEmpty else { return }
        throw .badRequest("dryRun: Unsupported value: \"\(value)\": supported values: \"All\"")
    }
}
