// The verb update: a new state from the old one, committed only if the old one is still there. The verb patch ends here too.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// A write that names no resourceVersion is tried again on the newer state so many times.
    static let maximumUpdateAttempts = 8

    func update(_ call: APICall) async throws(StatusError) -> APIDocument {
        let options = try WriteOptions(call.request, kind: "UpdateOptions")
        let draft = try call.draft(options.fieldValidation, creates: false)
        if !call.kind.declaration.allowsUnconditionalUpdate, call.part == .main,
            (draft.object["metadata"]?["resourceVersion"]?.stringValue ?? "").isEmpty
        {
            throw call.invalid(
                draft.object, [.invalid("metadata.resourceVersion", .int(0), "must be specified for an update")])
        }
        return try await change(call, options, concernsStatusOnly: call.part == .status) { (_) throws(StatusError) in draft }
    }

    /// Applies `make` to the stored state and commits the result. `concernsStatusOnly`: `make` looks at nothing but metadata and status.
    func change(
        _ call: APICall, _ options: WriteOptions, concernsStatusOnly: Bool, _ make: (JSONValue) throws(StatusError) -> WriteDraft
    ) async throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: nil)
        for attempt in 1... {
            let current = try stored(call.kind, call.key)
            let base = try ChangeBase(current, call, concernsStatusOnly: concernsStatusOnly)
            let old = base.old
            var draft = try make(old)
            let expected = draft.object["metadata"]?["resourceVersion"]?.stringValue ?? ""
            try checkPreconditions(draft.object, current, call)
            try ObjectTransition(call: call, old: old, statusWrite: base.statusWrite).apply(to: &draft.object)
            let review = try await admit(&draft, old: old, call, options)
            let isFinished = DeletionStep.isFinished(review.object, old: old, kind: call.kind)
            let text = review.object == old && !isFinished ? nil : base.text(of: review.object)
            // Many small patches must not grow an object beyond what one write may bring.
            if let text, text.bytes.count > Self.maximumBodyBytes { throw .tooLarge(limit: Self.maximumBodyBytes) }
            do throws(StoreError) {
                let object = try await commit(review, text, base, isFinished: isFinished, call, options)
                if case .json = form, call.kind.declaration.view == nil {
                    return APIDocument(status: 200, headers: draft.headers, body: object.bytes)
                }
                let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
                return APIDocument(status: 200, headers: draft.headers, body: writer.object(object))
            } catch {
                guard attempt < Self.maximumUpdateAttempts, case .conflict(let key, _, _) = error else { throw .store(error) }
                // What a step asked for has changed; or: a patch that repeats the stored revision asked for nothing, whereas
                // an update that names one wanted just that.
                let isFree = key != call.key || expected.isEmpty || call.request.method == .patch
                if !isFree { throw .store(error) }
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
        if let revision = object["metadata"]?["resourceVersion"]?.stringValue, !revision.isEmpty, revision != "0",
            revision != String(current.revision)
        {
            if UInt64(revision) == nil {
                throw call.invalid(
                    object,
                    [.invalid("metadata.resourceVersion", .string(revision), "must be specified for an update, as a number")])
            }
            throw .conflict(call.kind.resource, call.name)
        }
    }

    /// Defaults, admission and validation, in the order of a create.
    private func admit(
        _ draft: inout WriteDraft, old: JSONValue, _ call: APICall, _ options: WriteOptions
    ) async throws(StatusError) -> AdmissionReview {
        let declaration = call.kind.declaration
        let attributes = call.admission(.update, isDryRun: options.isDryRun)
        var review = AdmissionReview(attributes, old: old, object: draft.object)
        let steps = admission.steps(for: attributes)
        let lookup = StoreAdmissionLookup(store: store, now: now())
        for step in steps { try step.mutate(&review, lookup) }
        // What is stored was validated.
        let isSame = review.object["metadata"] == old["metadata"]
        var errors = isSame ? [] : ObjectMetadata.validate(review.object, kind: call.kind)
        if call.part == .main || call.part == .ephemeralContainers {
            errors += declaration.validate(review.object)
        }
        // That ephemeral containers are only added was seen to in the transition; the rules of the whole forbid just that.
        if call.part == .main { errors += declaration.validateUpdate(old, review.object) }
        if !errors.isEmpty { throw call.invalid(review.object, errors) }
        if let check = declaration.validateReferences, call.part == .main, review.object["spec"] != old["spec"] {
            let errors = try await check(review.object, StoreLookup(handler: self))
            if !errors.isEmpty { throw call.invalid(review.object, errors) }
        }
        for step in steps { try step.validate(&review, lookup) }
        draft.warnings += review.warnings
        return review
    }

    /// `text` nil: nothing changed, and nothing is written.
    private func commit(
        _ review: AdmissionReview, _ text: ChangeBase.Text?, _ base: ChangeBase, isFinished: Bool, _ call: APICall,
        _ options: WriteOptions
    ) async throws(StoreError) -> StoredObject {
        let current = base.current
        guard let text else { return current }
        let index = base.index(of: review.object, call.kind)
        if options.isDryRun {
            return StoredObject(key: current.key, revision: current.revision, bytes: text.bytes, index: index)
        }
        let operation: StoreOperation =
            isFinished
            ? .delete(current.key, expectedRevision: current.revision, finalBytes: text.bytes)
            : .update(
                current.key, bytes: text.bytes, index: index, expectedRevision: current.revision, place: text.resourceVersion)
        guard let stored = try await store.commit(review.alongside + [operation]).objects.last ?? nil else {
            throw .internal("an update gave no object")
        }
        return stored
    }
}

/// The stored state that a change begins with: as a whole tree, or as much of it as a write of the status needs.
struct ChangeBase {
    typealias Text = (bytes: [UInt8], resourceVersion: ResourceVersionSplice?)

    let current: StoredObject
    let old: JSONValue
    /// Set when `old` is not the whole object.
    let statusWrite: StatusWrite?
    private let view: StatusView?

    init(_ current: StoredObject, _ call: APICall, concernsStatusOnly: Bool) throws(StatusError) {
        self.current = current
        do throws(JSONError) {
            if concernsStatusOnly, let write = call.kind.declaration.statusWrite {
                let view = try StatusView(current.bytes, write)
                (self.view, old, statusWrite) = (view, view.object, write)
            } else {
                (view, old, statusWrite) = (nil, try JSONValue(parsing: current.bytes), nil)
            }
        } catch {
            throw .internalError("\(current.key): stored bytes are not JSON: \(error)")
        }
    }

    func text(of object: JSONValue) -> Text {
        view?.bytes(with: object) ?? object.serializedObject(capacity: current.bytes.count * 2)
    }

    func index(of object: JSONValue, _ kind: ServedKind) -> ObjectIndex {
        view == nil ? kind.index(object) : kind.index(ofStatus: object, before: current.index)
    }
}
