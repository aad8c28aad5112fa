// The verb create: decode, clean, complete, admit, validate, commit; with another name when a generated one is taken.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// Attempts at a free generated name, and at a commit whose surroundings changed meanwhile (Kubernetes tries 8 names).
    static let maximumCreateAttempts = 8

    func create(_ call: APICall) async throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: nil)
        let options = try WriteOptions(call.request, kind: "CreateOptions")
        var draft = try call.draft(options.fieldValidation, creates: true)
        if let revision = draft.object["metadata"]?["resourceVersion"]?.stringValue, !revision.isEmpty {
            throw .badRequest("resourceVersion should not be set on objects to be created")
        }
        try complete(&draft, call)
        let object = try await store(new: &draft, call, options)
        let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
        return APIDocument(status: 201, headers: draft.headers, body: writer.object(object))
    }

    /// What the server adds to a new object.
    private func complete(_ draft: inout WriteDraft, _ call: APICall) throws(StatusError) {
        let declaration = call.kind.declaration
        ObjectMetadata.prepareForCreate(&draft.object, kind: call.kind, namespace: call.route.namespace, now: now())
        if declaration.hasStatus {
            switch declaration.statusOnCreate {
            case .drop: draft.object["status"] = nil
            case .keep: break
            case .reset(let status): draft.object["status"] = status
            }
        }
        declaration.applyDefaults(&draft.object)
    }

    private func store(
        new draft: inout WriteDraft, _ call: APICall, _ options: WriteOptions
    ) async throws(StatusError) -> StoredObject {
        let generated = ObjectMetadata.generatedNamePrefix(draft.object)
        let sentWarnings = draft.warnings
        for attempt in 1... {
            if let generated {
                draft.object.set(["metadata", "name"], to: .string(generated + ObjectMetadata.suffix()))
            }
            let name = draft.object["metadata"]?["name"]?.stringValue ?? ""
            let key = call.kind.key(namespace: call.route.namespace, name: name)
            draft.warnings = sentWarnings
            let review = try await admit(&draft, key, call, options)
            let (bytes, place) = review.object.serializedObject(capacity: call.request.body.count * 2)
            let index = call.kind.index(review.object)
            if options.isDryRun {
                if try find(key) == nil { return StoredObject(key: key, revision: 0, bytes: bytes, index: index) }
                if generated != nil, attempt < Self.maximumCreateAttempts { continue }
                throw .alreadyExists(call.kind.resource, key.name)
            }
            do throws(StoreError) {
                let operations = review.alongside + [.create(key, bytes: bytes, index: index, place: place)]
                guard let stored = try await store.commit(operations).objects.last ?? nil else {
                    throw StoreError.internal("a create gave no object")
                }
                return stored
            } catch {
                guard attempt < Self.maximumCreateAttempts else { throw .store(error) }
                switch error {
                case .alreadyExists(let other) where other == key && generated != nil: continue
                case .alreadyExists(let other) where other != key: continue
                case .conflict(let other, _, _) where other != key, .notFound(let other) where other != key: continue
                case .alreadyExists, .conflict, .notFound, .expired, .unavailable, .internal: throw .store(error)
                }
            }
        }
        throw .internalError("unreachable: creation attempts are bounded")
    }

    /// Everything that may change or refuse a new object.
    private func admit(
        _ draft: inout WriteDraft, _ key: ResourceKey, _ call: APICall, _ options: WriteOptions
    ) async throws(StatusError) -> AdmissionReview {
        let declaration = call.kind.declaration
        var attributes = call.admission(.create, isDryRun: options.isDryRun)
        attributes.name = key.name
        var review = AdmissionReview(attributes, old: nil, object: draft.object)
        let steps = admission.steps(for: attributes)
        let lookup = StoreAdmissionLookup(store: store, now: now())
        for step in steps { try step.mutate(&review, lookup) }
        let errors = ObjectMetadata.validate(review.object, kind: call.kind) + declaration.validate(review.object)
        if !errors.isEmpty { throw call.invalid(review.object, errors) }
        if let check = declaration.validateReferences {
            let errors = try await check(review.object, StoreLookup(handler: self))
            if !errors.isEmpty { throw call.invalid(review.object, errors) }
        }
        for step in steps { try step.validate(&review, lookup) }
        draft.warnings += review.warnings
        if let warning = declaration.warning { draft.warnings.append(warning) }
        return review
    }
}
