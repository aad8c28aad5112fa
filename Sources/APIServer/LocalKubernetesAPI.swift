// The API for callers in the master's own process: the same routing, authorisation and validation, without HTTP.
import JSON
import KubernetesClient
import KubernetesModel
import ResourceStore

/// Acts as one user on a handler in the same process.
public struct LocalKubernetesAPI: KubernetesAPI, GangBinding {
    let handler: APIHandler
    private let user: UserInfo

    public init(handler: APIHandler, user: UserInfo = .master) {
        self.handler = handler
        self.user = user
    }

    public func get(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?
    ) async throws -> [UInt8] {
        try await send(.get, resource, namespace, name, subresource)
    }

    public func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] {
        try await send(.get, resource, namespace, nil, nil, query: Self.query(options))
    }

    /// The stored objects themselves: no document is made, and what a reader keeps of their bytes is not kept twice.
    public func page(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> ObjectPage {
        let request = self.request(.get, resource, namespace, nil, nil, query: Self.query(options))
        do throws(StatusError) {
            let result = try handler.page(of: request)
            return ObjectPage(
                documents: result.objects.map(\.bytes), resourceVersion: String(result.revision),
                continueToken: result.continuation.map(ContinueToken.text))
        } catch {
            throw error.clientError
        }
    }

    public func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await send(.post, resource, namespace, name, subresource, contentType: "application/json", body: body)
    }

    public func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await send(.put, resource, namespace, name, subresource, contentType: "application/json", body: body)
    }

    public func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType,
        body: [UInt8]
    ) async throws -> [UInt8] {
        try await send(.patch, resource, namespace, name, subresource, contentType: type.rawValue, body: body)
    }

    public func delete(
        _ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions
    ) async throws -> [UInt8] {
        var body: JSONValue = ["kind": "DeleteOptions", "apiVersion": "v1"]
        if let grace = options.gracePeriodSeconds { body["gracePeriodSeconds"] = .int(Int64(grace)) }
        if let policy = options.propagationPolicy { body["propagationPolicy"] = .string(policy) }
        if let uid = options.uid { body["preconditions"] = ["uid": .string(uid)] }
        return try await send(
            .delete, resource, namespace, name, nil, contentType: "application/json", body: body.serialized())
    }

    public func watch(
        _ resource: GroupVersionResource, namespace: String?, options: ListOptions
    ) async throws -> any WatchStream {
        let request = self.request(
            .get, resource, namespace, nil, nil,
            query: Self.query(options) + [("watch", "true"), ("allowWatchBookmarks", "true")])
        do {
            let (session, kind) = try handler.watchSession(of: request)
            return LocalWatch(session: session, kind: kind)
        } catch {
            throw error.clientError
        }
    }

    /// One durable commit for all pods. Throws a Conflict when any is bound, being deleted, or another incarnation.
    public func bindTogether(_ bindings: [PodBinding]) async throws {
        let intents = bindings.map { binding in
            APIHandler.BindingIntent(
                key: ResourceKey(group: "", resource: "pods", namespace: binding.namespace, name: binding.name),
                uid: binding.uid, node: binding.node)
        }
        do throws(StatusError) {
            for binding in bindings {
                try handler.authorize(
                    AuthorizationAttributes(
                        user: user, verb: "create", resource: "pods", subresource: "binding", namespace: binding.namespace,
                        name: binding.name))
            }
            try await handler.bind(intents)
        } catch {
            throw error.clientError
        }
    }

    // MARK: Requests

    private static func query(_ options: ListOptions) -> [(name: String, value: String)] {
        [
            ("labelSelector", options.labelSelector), ("fieldSelector", options.fieldSelector),
            ("limit", options.limit.map { String($0) }), ("continue", options.continueToken),
            ("resourceVersion", options.resourceVersion),
        ].compactMap { name, value in value.map { (name: name, value: $0) } }
    }

    private func request(
        _ method: HTTPMethodName, _ resource: GroupVersionResource, _ namespace: String?, _ name: String?,
        _ subresource: String?, query: [(name: String, value: String)] = [], contentType: String? = nil, body: [UInt8] = []
    ) -> APIRequest {
        var path = resource.pathPrefix
        if let namespace { path += "/namespaces/\(Self.encoded(namespace))" }
        path += "/\(resource.resource)"
        if let name { path += "/\(Self.encoded(name))" }
        if let subresource { path += "/\(subresource)" }
        return APIRequest(method: method, path: path, query: query, contentType: contentType, body: body, user: user)
    }

    /// Names are checked by the server; what would change the path's meaning must not get that far.
    private static func encoded(_ segment: String) -> String {
        segment.replacing("%", with: "%25").replacing("/", with: "%2F")
    }

    private func send(
        _ method: HTTPMethodName, _ resource: GroupVersionResource, _ namespace: String?, _ name: String?,
        _ subresource: String?, query: [(name: String, value: String)] = [], contentType: String? = nil, body: [UInt8] = []
    ) async throws -> [UInt8] {
        let request = self.request(
            method, resource, namespace, name, subresource, query: query, contentType: contentType, body: body)
        guard case .document(let document) = await handler.handle(request) else {
            throw KubernetesAPIError.transport("\(request.path): a stream cannot be read here")
        }
        for header in document.headers where header.name == "Warning" {
            handler.log.warning("a field is not stored", metadata: ["path": "\(request.path)", "warning": "\(header.value)"])
        }
        if document.status < 300 { return document.body }
        throw KubernetesAPIError.status(try JSON.decode(APIStatus.self, from: document.body))
    }
}

extension StatusError {
    var clientError: KubernetesAPIError {
        guard let status = try? JSON.decode(APIStatus.self, from: self.status.serialized()) else { return .transport(message) }
        return .status(status)
    }
}

extension APIHandler {
    /// A watch for a caller in this process: events as they are, without framing.
    func watchSession(of request: APIRequest) throws(StatusError) -> (WatchSession, ServedKind) {
        let call = try localCall(request, verb: "watch")
        return (try watchSession(call), call.kind)
    }

    /// A page of a list for a caller in this process: objects as they are stored.
    func page(of request: APIRequest) throws(StatusError) -> ListResult {
        let call = try localCall(request, verb: "list")
        return try listed(call, try ListParameters(call, isWatch: false))
    }

    private func localCall(_ request: APIRequest, verb: String) throws(StatusError) -> APICall {
        guard case .resource(let route)? = RequestRoute(path: request.path) else { throw .badRequest("the path is malformed") }
        try authorize(
            AuthorizationAttributes(
                user: request.user, verb: verb, group: route.resource.group, resource: route.resource.resource,
                namespace: route.namespace))
        guard let kind = kinds[route.resource] else { throw .unknownPath }
        return try APICall(request: request, route: route, kind: kind)
    }
}

private struct LocalWatch: WatchStream {
    let session: WatchSession
    let kind: ServedKind

    func next() async throws -> [RawWatchEvent]? {
        switch await session.next() {
        case nil: return nil
        case .events(let events)?:
            return events.map { RawWatchEvent(kind: Self.kind($0.kind), object: $0.object.bytes) }
        case .bookmark(let revision, _)?:
            return [RawWatchEvent(kind: .bookmark, object: WatchFramer.bookmark(kind, revision))]
        case .error(let error)?: throw error.clientError
        }
    }

    private static func kind(_ kind: StoreEvent.Kind) -> RawWatchEvent.Kind {
        switch kind {
        case .added: .added
        case .modified: .modified
        case .deleted: .deleted
        }
    }

    func cancel() { session.cancel() }
}
