// The verbs update and patch: a new state from the old one, committed only if the old one is still there.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// A write that names no resourceVersion is tried again on the newer state so many times.
    static let maximumUpdateAttempts = 8

    func update(_ call: APICall) async throws(StatusError) -> APIDocument {
        var body = try call.bodyTree()
        try call.checkIdentity(&body, creates: false)
        let mode = try call.fieldValidation()
        return try await change(call) { (_) throws(StatusError) in try call.clean(body, mode) }
    }

    func patch(_ call: APICall) async throws(StatusError) -> APIDocument {
        let patch = try PatchBody(call)
        let mode = try call.fieldValidation()
        return try await change(call) { (old) throws(StatusError) in
            var patched = try patch.apply(to: old, call)
            try call.checkIdentity(&patched, creates: false)
            return try call.clean(patched, mode)
        }
    }

    /// Applies `make` to the stored state and commits the result.
    private func change(
        _ call: APICall, _ make: (JSONValue) throws(StatusError) -> WriteDraft
    ) async throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: nil)
        try call.checkDryRun()
        let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
        for attempt in 1... {
            let current = try await stored(call.kind, call.key)
            let old = try tree(current)
            var draft = try make(old)
            let expected = draft.object["metadata"]?["resourceVersion"]?.stringValue ?? ""
            try checkPreconditions(draft.object, current, call)
            try await finish(&draft, old: old, call)
            let bytes = draft.object.serialized()
            // Many small patches must not grow an object beyond what one write may bring.
            if bytes.count > Self.maximumBodyBytes { throw .tooLarge(limit: Self.maximumBodyBytes) }
            do throws(StoreError) {
                let object = try await commit(draft.object, bytes, old: old, current, call)
                return APIDocument(status: 200, headers: draft.headers, body: writer.object(object))
            } catch {
                // A patch that repeats the stored revision asked for nothing; an update that names one wanted just that.
                let isFree = expected.isEmpty || call.request.method == .patch
                guard case .conflict = error, isFree, attempt < Self.maximumUpdateAttempts else { throw .store(error) }
            }
        }
        throw .internalError("unreachable: update attempts are bounded")
    }

    /// `metadata.resourceVersion` and `metadata.uid` of a sent object are preconditions.
    private func checkPreconditions(_ object: JSONValue, _ current: StoredObject, _ call: APICall) throws(StatusError) {
        if let uid = object["metadata"]?["uid"]?.stringValue, !uid.isEmpty, uid != current.index.uid {
            throw .conflict(
                call.kind.resource, call.name,
                "Precondition failed: UID in precondition: \(uid), UID in object meta: \(current.index.uid)")
        }
        if let revision = object["metadata"]?["resourceVersion"]?.stringValue, !revision.isEmpty,
            revision != String(current.revision)
        {
            throw .conflict(call.kind.resource, call.name)
        }
    }

    private func finish(_ draft: inout WriteDraft, old: JSONValue, _ call: APICall) async throws(StatusError) {
        let declaration = call.kind.declaration
        try ObjectTransition(call: call, old: old).apply(to: &draft.object)
        declaration.applyDefaults(&draft.object)
        var errors = ObjectMetadata.validate(draft.object, kind: call.kind)
        if !call.isStatus {
            errors += declaration.validate(draft.object) + declaration.validateUpdate(old, draft.object)
        }
        if !errors.isEmpty { throw call.invalid(draft.object, errors) }
        try NodeAdmission.check(call.user, kind: call.kind, old: old, new: draft.object)
        if let check = declaration.validateReferences, !call.isStatus, draft.object["spec"] != old["spec"] {
            let errors = try await check(draft.object, StoreLookup(handler: self))
            if !errors.isEmpty { throw call.invalid(draft.object, errors) }
        }
    }

    private func commit(
        _ object: JSONValue, _ bytes: [UInt8], old: JSONValue, _ current: StoredObject, _ call: APICall
    ) async throws(StoreError) -> StoredObject {
        if object == old { return current }
        let index = call.kind.index(object)
        if call.isDryRun { return StoredObject(key: current.key, revision: current.revision, bytes: bytes, index: index) }
        // The last finalizer of a deleted object takes the object with it.
        let isFinished =
            object["metadata"]?["deletionTimestamp"] != nil
            && (object["metadata"]?["finalizers"]?.arrayValue ?? []).isEmpty
            && !(old["metadata"]?["finalizers"]?.arrayValue ?? []).isEmpty
            && (object["metadata"]?["deletionGracePeriodSeconds"]?.intValue ?? 0) == 0
        let operation: StoreOperation =
            isFinished
            ? .delete(current.key, expectedRevision: current.revision, finalBytes: bytes)
            : .update(current.key, bytes: bytes, index: index, expectedRevision: current.revision)
        guard let stored = try await store.commit([operation]).objects.first ?? nil else {
            throw .internal("an update gave no object")
        }
        if isFinished { await finishNamespace(of: current.key) }
        return stored
    }
}

/// Which parts of a sent object count: the main resource leaves status alone, the status resource all else.
struct ObjectTransition {
    let call: APICall
    let old: JSONValue

    func apply(to object: inout JSONValue) throws(StatusError) {
        let declaration = call.kind.declaration
        if call.isStatus {
            let sent = object
            object = old
            object["status"] = sent["status"]
            // Kubernetes lets built-in kinds change labels and annotations together with their status.
            if !declaration.isCustom {
                object.set(["metadata", "labels"], to: sent["metadata"]?["labels"])
                object.set(["metadata", "annotations"], to: sent["metadata"]?["annotations"])
            }
            return
        }
        if declaration.hasStatus { object["status"] = old["status"] }
        ObjectMetadata.keepSystemMembers(of: old, in: &object)
        if old["metadata"]?["deletionTimestamp"] != nil {
            let had = old["metadata"]?["finalizers"]?.arrayValue ?? []
            let added = (object["metadata"]?["finalizers"]?.arrayValue ?? []).filter { !had.contains($0) }
            if !added.isEmpty {
                throw call.invalid(
                    object,
                    [
                        .forbidden("metadata.finalizers", "no new finalizers can be added if the object is being deleted")
                    ])
            }
        }
        if declaration.countsGeneration, withDefaults(object)["spec"] != old["spec"] {
            object.set(["metadata", "generation"], to: .int((old["metadata"]?["generation"]?.intValue ?? 0) + 1))
        }
    }

    private func withDefaults(_ object: JSONValue) -> JSONValue {
        var object = object
        call.kind.declaration.applyDefaults(&object)
        return object
    }
}

/// A patch with its form.
struct PatchBody: Sendable {
    private let type: PatchForm
    private let body: JSONValue

    enum PatchForm: String, Sendable {
        case json = "application/json-patch+json"
        case merge = "application/merge-patch+json"
        case strategicMerge = "application/strategic-merge-patch+json"
    }

    init(_ call: APICall) throws(StatusError) {
        let accepted: [PatchForm] = call.kind.declaration.isCustom ? [.json, .merge] : [.json, .merge, .strategicMerge]
        let type = APICall.mediaType(call.request.contentType)
        guard let form = PatchForm(rawValue: type), accepted.contains(form) else {
            throw .unsupportedMediaType(type, accepted: accepted.map(\.rawValue))
        }
        self.type = form
        body = try APICall.parse(call.request.body)
        if form == .merge, body.objectValue == nil { throw .badRequest("a merge patch must be a JSON object") }
    }

    func apply(to old: JSONValue, _ call: APICall) throws(StatusError) -> JSONValue {
        do throws(PatchError) {
            switch type {
            case .json: return try JSONPatch.apply(body, to: old)
            case .merge: return MergePatch.apply(body, to: old)
            case .strategicMerge: return try StrategicMergePatch.apply(body, to: old, schema: call.kind.schema)
            }
        } catch {
            if error.isInvalid { throw .badRequest(error.message) }
            throw StatusError(
                code: 422, reason: "Invalid",
                message: "the server rejected our request due to an error in our request: \(error.message)")
        }
    }
}
