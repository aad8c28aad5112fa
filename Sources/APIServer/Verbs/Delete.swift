// The verbs delete and deletecollection: preconditions, grace for pods, propagation, finalizers. What one delete does to one
// object is decided in DeletionStep.swift.
import JSON
import KubernetesModel
import ResourceStore

/// `metav1.DeleteOptions`, from the body or the query.
struct DeletionParameters: Sendable {
    enum Propagation: String, Sendable {
        case orphan = "Orphan"
        case background = "Background"
        case foreground = "Foreground"
    }

    var graceSeconds: Int64?
    var uid: String?
    var resourceVersion: String?
    /// nil: the kind's default, which is background for all kinds here.
    var propagation: Propagation?
    var isDryRun = false

    static let plain = DeletionParameters()

    private init() {}

    /// From the query and the body of a delete or deletecollection; where both speak, the body counts.
    init(_ call: APICall) throws(StatusError) {
        try readQuery(call.request)
        guard !call.request.body.isEmpty else { return }
        let type = APICall.mediaType(call.request.contentType)
        guard type.isEmpty || type == "application/json" || type == "*/*" else {
            throw .unsupportedMediaType(type, accepted: ["application/json"])
        }
        let body = try APICall.parse(call.request.body)
        if body.isNull { return }
        guard case .object = body else { throw .badRequest("delete options must be a JSON object") }
        if let kind = body["kind"]?.stringValue, !kind.isEmpty, kind != "DeleteOptions" {
            throw .badRequest("\(kind) cannot be handled as DeleteOptions: kind must be \"DeleteOptions\"")
        }
        try read(body)
    }

    /// The options inside an Eviction.
    init(options body: JSONValue?) throws(StatusError) {
        if let body, !body.isNull { try read(body) }
    }

    private mutating func readQuery(_ request: APIRequest) throws(StatusError) {
        if request.query.isEmpty { return }
        isDryRun = try WriteOptions(request, kind: "DeleteOptions").isDryRun
        if let text = request.query("gracePeriodSeconds"), !text.isEmpty {
            guard let number = Int64(text) else { throw ListParameters.notNumber("gracePeriodSeconds", text) }
            graceSeconds = number
        }
        let orphans = request.query("orphanDependents").map(APIRequest.isTrue)
        try setPropagation(request.query("propagationPolicy") ?? "", orphanDependents: orphans)
    }

    private mutating func read(_ body: JSONValue) throws(StatusError) {
        if let grace = body["gracePeriodSeconds"], !grace.isNull {
            guard let number = grace.intValue else { throw .badRequest("gracePeriodSeconds: must be a number") }
            graceSeconds = number
        }
        uid = body["preconditions"]?["uid"]?.stringValue
        resourceVersion = body["preconditions"]?["resourceVersion"]?.stringValue
        try setPropagation(
            body["propagationPolicy"]?.stringValue ?? "", orphanDependents: body["orphanDependents"]?.boolValue)
        if let dryRun = body["dryRun"]?.arrayValue, !dryRun.isEmpty {
            guard dryRun.allSatisfy({ $0 == "All" }) else {
                throw Self.invalid(.notSupported("dryRun", .array(dryRun), supported: ["All"]))
            }
            isDryRun = true
        }
    }

    private mutating func setPropagation(_ text: String, orphanDependents: Bool?) throws(StatusError) {
        if !text.isEmpty, orphanDependents != nil {
            throw Self.invalid(
                .invalid("propagationPolicy", .string(text), "orphanDependents and deletionPropagation cannot be both set"))
        }
        if let orphanDependents { propagation = orphanDependents ? .orphan : .background }
        if text.isEmpty { return }
        guard let policy = Propagation(rawValue: text) else {
            let supported = ["Background", "Foreground", "Orphan"]
            throw Self.invalid(.notSupported("propagationPolicy", .string(text), supported: supported))
        }
        propagation = policy
    }

    private static func invalid(_ error: FieldError) -> StatusError {
        .invalid(GroupVersionKind(group: "meta.k8s.io", kind: "DeleteOptions"), "", [error])
    }
}

extension APIHandler {
    func delete(_ call: APICall) async throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: nil)
        let parameters = try DeletionParameters(call)
        let result = try await delete(call.kind, call.key, parameters, user: call.user)
        switch result {
        case .removed(let object) where !call.kind.declaration.returnsDeletedObject:
            return APIDocument(status: 200, body: deleted(object, call.kind).serialized())
        case .removed(let object), .marked(let object):
            let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
            return APIDocument(status: 200, body: writer.object(object))
        }
    }

    private func deleted(_ object: StoredObject, _ kind: ServedKind) -> JSONValue {
        var details: JSONValue = ["name": .string(object.key.name)]
        if !kind.resource.group.isEmpty { details["group"] = .string(kind.resource.group) }
        details["kind"] = .string(kind.resource.resource)
        details["uid"] = .string(object.index.uid)
        return ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": details]
    }

    /// Each selected object as by a delete of its own; one that is gone meanwhile does not matter.
    func deleteCollection(_ call: APICall) async throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: nil)
        let parameters = try DeletionParameters(call)
        let list = try listed(call, try ListParameters(call, isWatch: false))
        for object in list.objects {
            do throws(StatusError) {
                _ = try await delete(call.kind, object.key, parameters, user: call.user)
            } catch {
                if error.reason != "NotFound" { throw error }
            }
        }
        let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
        return APIDocument(
            status: 200, body: writer.list(list.objects, metadata: ["resourceVersion": .string(String(store.revision))]))
    }

    enum DeletionResult: Sendable {
        case removed(StoredObject)
        /// Still there: grace or finalizers.
        case marked(StoredObject)
    }

    /// `alongside`: what a caller wants in the same commit, made anew for each attempt.
    func delete(
        _ kind: ServedKind, _ key: ResourceKey, _ parameters: DeletionParameters, user: UserInfo,
        alongside: (StoredObject) throws(StatusError) -> [StoreOperation] = { _ in [] }
    ) async throws(StatusError) -> DeletionResult {
        let attributes = AdmissionAttributes(
            user: user, operation: .delete, kind: kind, namespace: key.namespace.isEmpty ? nil : key.namespace, name: key.name,
            isDryRun: parameters.isDryRun)
        let steps = admission.steps(for: attributes)
        for attempt in 1... {
            let current = try stored(kind, key)
            try check(parameters, current, kind)
            let old = try tree(current)
            var review = AdmissionReview(attributes, old: old, object: .null)
            let lookup = StoreAdmissionLookup(store: store, now: now())
            for step in steps { try step.mutate(&review, lookup) }
            for step in steps { try step.validate(&review, lookup) }
            let step = DeletionStep(kind: kind, object: old, parameters, now: now())
            let others = try alongside(current) + review.alongside
            do throws(StoreError) {
                return try await carryOut(step, current, kind, others, isDryRun: parameters.isDryRun)
            } catch {
                guard case .conflict = error, attempt < Self.maximumUpdateAttempts else { throw .store(error) }
            }
        }
        throw .internalError("unreachable: deletion attempts are bounded")
    }

    private func check(_ parameters: DeletionParameters, _ current: StoredObject, _ kind: ServedKind) throws(StatusError) {
        if let uid = parameters.uid, uid != current.index.uid {
            throw .conflict(
                kind.resource, current.key.name,
                "Precondition failed: UID in precondition: \(uid), UID in object meta: \(current.index.uid)")
        }
        if let revision = parameters.resourceVersion, revision != String(current.revision) {
            throw .conflict(
                kind.resource, current.key.name,
                "Precondition failed: ResourceVersion in precondition: \(revision), "
                    + "ResourceVersion in object meta: \(current.revision)"
            )
        }
    }

    private func carryOut(
        _ step: DeletionStep, _ current: StoredObject, _ kind: ServedKind, _ others: [StoreOperation], isDryRun: Bool
    ) async throws(StoreError) -> DeletionResult {
        switch step {
        case .remove(let final):
            if isDryRun { return .removed(current) }
            let removal = StoreOperation.delete(
                current.key, expectedRevision: current.revision, finalBytes: final?.serialized())
            let result = try await store.commit(others + [removal])
            return .removed((result.objects.last ?? nil) ?? current)
        case .keep: return .marked(current)
        case .mark(let object):
            let bytes = object.serialized()
            let index = kind.index(object)
            if isDryRun {
                return .marked(StoredObject(key: current.key, revision: current.revision, bytes: bytes, index: index))
            }
            let result = try await store.commit(
                others + [.update(current.key, bytes: bytes, index: index, expectedRevision: current.revision)])
            return .marked((result.objects.last ?? nil) ?? current)
        }
    }
}
