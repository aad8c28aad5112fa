// The verb get: stored bytes go out as they are.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    func get(_ call: APICall) throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: call.request.query("includeObject"))
        if let text = call.request.query("resourceVersion") {
            try checkReached(try ListParameters.revision(text))
        }
        let object = try stored(call.kind, call.key)
        try checkReader(call, object)
        if case .json = form, call.kind.declaration.view == nil { return APIDocument(status: 200, body: object.bytes) }
        return APIDocument(status: 200, body: ObjectWriter(kind: call.kind, representation: form, now: now()).object(object))
    }

    func stored(_ kind: ServedKind, _ key: ResourceKey) throws(StatusError) -> StoredObject {
        guard let object = try find(key) else { throw .notFound(kind.resource, key.name) }
        return object
    }

    func find(_ key: ResourceKey) throws(StatusError) -> StoredObject? {
        do { return try store.peek(key) } catch { throw .store(error) }
    }

    /// A read of "at least this revision" from a client that has seen more than this server has.
    func checkReached(_ revision: UInt64?) throws(StatusError) {
        guard let revision else { return }
        let present = store.revision
        if revision > present { throw .tooLargeRevision(revision, present: present) }
    }

    /// Nodes and deploy tokens may read certificate requests because some are their own; whom a role lets read them reads all.
    private func checkReader(_ call: APICall, _ object: StoredObject) throws(StatusError) {
        guard call.kind.resource.group == "certificates.k8s.io",
            !call.user.groups.contains(SystemGroup.masters),
            NodeIdentity(call.user) != nil || call.user.groups.contains(NodeIdentity.deployTokensGroup)
        else { return }
        let owner = (try? JSONTape(parsing: object.bytes))?.text(at: ["spec", "username"])
        if owner == call.user.name { return }
        throw .forbidden(
            call.kind.resource.resource, group: call.kind.resource.group, name: call.name,
            "it was not made by User \"\(call.user.name)\"")
    }

    /// A stored object as a tree. What is stored was validated, so a failure is the store's.
    func tree(_ object: StoredObject) throws(StatusError) -> JSONValue {
        do { return try JSONValue(parsing: object.bytes) } catch {
            throw .internalError("\(object.key): stored bytes are not JSON: \(error)")
        }
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
            let object = try handler.find(kind.key(namespace: namespace, name: name))
        else { return nil }
        return try handler.tree(object)
    }

    func objects(_ resource: GroupVersionResource, namespace: String?) async throws(StatusError) -> [JSONValue] {
        guard let kind = handler.kinds[resource] else { return [] }
        let result: ListResult
        do { result = try handler.store.scan(ListRequest(collection: kind.collection, namespace: namespace)) } catch {
            throw .store(error)
        }
        var trees: [JSONValue] = []
        for object in result.objects { trees.append(try handler.tree(object)) }
        return trees
    }
}
