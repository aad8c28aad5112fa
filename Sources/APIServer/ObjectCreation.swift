// The verb create.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// Attempts at a free generated name, and at a commit whose namespace changed meanwhile (Kubernetes tries 8 names).
    static let maximumCreateAttempts = 8

    func create(_ call: APICall) async throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: nil)
        try call.checkDryRun()
        var body = try call.bodyTree()
        try call.checkIdentity(&body, creates: true)
        if let revision = body["metadata"]?["resourceVersion"]?.stringValue, !revision.isEmpty {
            throw .badRequest("resourceVersion should not be set on objects to be created")
        }
        var draft = try call.clean(body, try call.fieldValidation())
        try prepareForCreate(&draft, call)
        try await finishDraft(&draft, call)
        let object = try await store(created: draft.object, call)
        let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
        return APIDocument(status: 201, headers: draft.headers, body: writer.object(object))
    }

    private func prepareForCreate(_ draft: inout WriteDraft, _ call: APICall) throws(StatusError) {
        let declaration = call.kind.declaration
        ObjectMetadata.prepareForCreate(&draft.object, kind: call.kind, namespace: call.route.namespace, now: now())
        if declaration.hasStatus {
            switch declaration.statusOnCreate {
            case .drop: draft.object["status"] = nil
            case .keep: break
            case .reset(let status): draft.object["status"] = status
            }
        }
        if draft.object["metadata"]?["name"]?.stringValue ?? "" == "",
            let prefix = draft.object["metadata"]?["generateName"]?.stringValue, !prefix.isEmpty
        {
            draft.object.set(["metadata", "name"], to: .string(prefix + ObjectMetadata.suffix()))
        }
        try certifyRequester(&draft, call)
        declaration.applyDefaults(&draft.object)
    }

    /// Everything that may refuse a new object.
    private func finishDraft(_ draft: inout WriteDraft, _ call: APICall) async throws(StatusError) {
        let declaration = call.kind.declaration
        let errors = ObjectMetadata.validate(draft.object, kind: call.kind) + declaration.validate(draft.object)
        if !errors.isEmpty { throw call.invalid(draft.object, errors) }
        try NodeAdmission.check(call.user, kind: call.kind, old: nil, new: draft.object)
        if let check = declaration.validateReferences {
            let errors = try await check(draft.object, StoreLookup(handler: self))
            if !errors.isEmpty { throw call.invalid(draft.object, errors) }
        }
        try await signCertificate(&draft, call)
    }

    private func store(created object: JSONValue, _ call: APICall) async throws(StatusError) -> StoredObject {
        var object = object
        let generates =
            !(object["metadata"]?["generateName"]?.stringValue ?? "").isEmpty
            && object["metadata"]?["name"]?.stringValue?.hasPrefix(object["metadata"]?["generateName"]?.stringValue ?? "") == true
        for attempt in 1... {
            let key = call.kind.key(namespace: call.route.namespace, name: object["metadata"]?["name"]?.stringValue ?? "")
            let check = try await namespaceCheck(call)
            if call.isDryRun {
                if try await find(key) != nil { throw .alreadyExists(call.kind.resource, key.name) }
                return StoredObject(key: key, revision: 0, bytes: object.serialized(), index: call.kind.index(object))
            }
            let operations = check + [.create(key, bytes: object.serialized(), index: call.kind.index(object))]
            do throws(StoreError) {
                guard let stored = try await store.commit(operations).objects.last ?? nil else {
                    throw StoreError.internal("a create gave no object")
                }
                return stored
            } catch {
                guard attempt < Self.maximumCreateAttempts else { throw .store(error) }
                switch error {
                case .alreadyExists where generates:
                    let prefix = object["metadata"]?["generateName"]?.stringValue ?? ""
                    object.set(["metadata", "name"], to: .string(prefix + ObjectMetadata.suffix()))
                case .conflict(let other, _, _) where other != key, .notFound(let other) where other != key: continue
                case .alreadyExists, .conflict, .notFound, .expired, .unavailable, .internal: throw .store(error)
                }
            }
        }
        throw .internalError("unreachable: creation attempts are bounded")
    }

    /// The namespace must exist, and still when the object is stored: the commit checks its revision.
    private func namespaceCheck(_ call: APICall) async throws(StatusError) -> [StoreOperation] {
        guard let namespace = call.route.namespace, let kind = kinds[GroupVersionResource(resource: "namespaces")] else {
            return []
        }
        let object = try await stored(kind, kind.key(namespace: nil, name: namespace))
        if object.index.fields["status.phase"] == "Terminating" {
            throw .forbidden(
                call.kind.resource.resource, group: call.kind.resource.group, name: "",
                "unable to create new content in namespace \(namespace) because it is being terminated")
        }
        return [.check(object.key, expectedRevision: object.revision)]
    }
}
