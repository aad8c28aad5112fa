// The verbs get and list: stored bytes go out as they are.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    func get(_ call: APICall) async throws(StatusError) -> APIDocument {
        let form = try Representation(
            accept: call.request.accept, includeObject: call.request.query("includeObject"))
        let object = try await stored(call.kind, call.key)
        try checkReader(call, object)
        return APIDocument(status: 200, body: ObjectWriter(kind: call.kind, representation: form, now: now()).object(object))
    }

    func stored(_ kind: ServedKind, _ key: ResourceKey) async throws(StatusError) -> StoredObject {
        guard let object = try await find(key) else { throw .notFound(kind.resource, key.name) }
        return object
    }

    func find(_ key: ResourceKey) async throws(StatusError) -> StoredObject? {
        do { return try await store.get(key) } catch { throw .store(error) }
    }

    /// Who is no administrator sees only the certificate requests that are its own.
    private func checkReader(_ call: APICall, _ object: StoredObject) throws(StatusError) {
        guard call.kind.resource.group == "certificates.k8s.io",
            !call.user.groups.contains(SwiftletAuthorizer.administrators)
        else { return }
        let owner = (try? JSONTape(parsing: object.bytes))?.text(at: ["spec", "username"])
        if owner == call.user.name { return }
        throw .forbidden(
            call.kind.resource.resource, group: call.kind.resource.group, name: call.name,
            "it was not made by User \"\(call.user.name)\"")
    }

    func list(_ call: APICall) async throws(StatusError) -> APIDocument {
        let form = try Representation(
            accept: call.request.accept, includeObject: call.request.query("includeObject"))
        let request = try ListParameters(call).request(call)
        let result: ListResult
        do { result = try await store.list(request) } catch { throw .store(error) }
        var metadata: JSONValue = ["resourceVersion": .string(String(result.revision))]
        if let continuation = result.continuation {
            metadata["continue"] = .string(ContinueToken.text(continuation))
            if let remaining = result.remaining { metadata["remainingItemCount"] = .int(Int64(remaining)) }
        }
        let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
        return APIDocument(status: 200, body: writer.list(result.objects, metadata: metadata))
    }
}

/// The query of list, watch and deletecollection.
struct ListParameters: Sendable {
    var selector: StoreSelector
    var limit: Int?
    var continuation: ListContinuation?
    /// nil: not given; 0: any.
    var revision: UInt64?

    init(_ call: APICall) throws(StatusError) {
        selector = try Self.selector(call)
        let request = call.request
        if let text = request.query("limit"), !text.isEmpty {
            guard let number = Int(text), number >= 0 else {
                throw .badRequest("limit: Invalid value: \"\(text)\": must be a number not below 0")
            }
            limit = number == 0 ? nil : number
        }
        if let text = request.query("resourceVersion"), !text.isEmpty {
            guard let number = UInt64(text) else {
                throw .badRequest("resourceVersion: Invalid value: \"\(text)\": must be a number")
            }
            revision = number
        }
        if let text = request.query("continue"), !text.isEmpty {
            guard let token = ContinueToken.parse(text) else {
                throw .badRequest("continue key is not valid: \"\(text.prefix(64))\"")
            }
            continuation = token
        }
    }

    func request(_ call: APICall) throws(StatusError) -> ListRequest {
        ListRequest(
            collection: call.kind.collection, namespace: call.route.namespace, selector: selector, limit: limit,
            continueAfter: continuation, atLeast: revision ?? 0)
    }

    private static func selector(_ call: APICall) throws(StatusError) -> StoreSelector {
        do throws(SelectorError) {
            let labels = try LabelSelector(parsing: call.request.query("labelSelector") ?? "")
            var fields = try FieldSelector(parsing: call.request.query("fieldSelector") ?? "")
            if let name = call.route.name { fields.terms.append(.init(field: "metadata.name", value: name, negated: false)) }
            for term in fields.terms where !call.kind.selectablePaths.contains(term.field) {
                throw SelectorError(message: "field label not supported: \(term.field)")
            }
            if labels.requirements.isEmpty, fields.terms.isEmpty { return .everything }
            return StoreSelector { [fields] index in
                labels.matches(index.labels) && fields.matches { index.fields[$0] ?? "" }
            }
        } catch {
            throw .badRequest(error.message)
        }
    }
}

/// The opaque text that fetches the next page.
enum ContinueToken {
    static func text(_ token: ListContinuation) -> String {
        Base64.encode(Array("\(token.revision)/\(token.namespace)/\(token.name)".utf8))
    }

    static func parse(_ text: String) -> ListContinuation? {
        guard text.utf8.count <= 1024, let bytes = Base64.decode(text), let plain = String(validating: bytes, as: UTF8.self)
        else { return nil }
        let parts = plain.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let revision = UInt64(parts[0]) else { return nil }
        return ListContinuation(revision: revision, namespace: parts[1], name: parts[2])
    }
}

extension StatusError {
    static func store(_ error: StoreError) -> StatusError {
        func resource(_ key: ResourceKey) -> GroupVersionResource {
            GroupVersionResource(group: key.group, resource: key.resource)
        }
        switch error {
        case .notFound(let key): return .notFound(resource(key), key.name)
        case .alreadyExists(let key): return .alreadyExists(resource(key), key.name)
        case .conflict(let key, _, _): return .conflict(resource(key), key.name)
        case .expired(let oldest): return .expired("too old resource version (the log begins after \(oldest))")
        case .unavailable(let why): return .unavailable(why)
        case .internal(let why): return .internalError(why)
        }
    }
}

/// Validation looks other objects up through the same store.
struct StoreLookup: ObjectLookup {
    let handler: APIHandler

    func object(_ resource: GroupVersionResource, namespace: String?, name: String) async throws(StatusError) -> JSONValue? {
        guard let kind = handler.kinds[resource], !name.isEmpty,
            let object = try await handler.find(kind.key(namespace: namespace, name: name))
        else { return nil }
        return try handler.tree(object)
    }

    func objects(_ resource: GroupVersionResource, namespace: String?) async throws(StatusError) -> [JSONValue] {
        guard let kind = handler.kinds[resource] else { return [] }
        let result: ListResult
        do { result = try await handler.store.list(ListRequest(collection: kind.collection, namespace: namespace)) } catch {
            throw .store(error)
        }
        var trees: [JSONValue] = []
        for object in result.objects { trees.append(try handler.tree(object)) }
        return trees
    }
}

extension APIHandler {
    /// A stored object as a tree. What is stored was validated, so a failure is the store's.
    func tree(_ object: StoredObject) throws(StatusError) -> JSONValue {
        do { return try JSONValue(parsing: object.bytes) } catch {
            throw .internalError("\(object.key): stored bytes are not JSON: \(error)")
        }
    }
}
