// The verbs delete and deletecollection: preconditions, grace for pods, finalizers, the end of a namespace.
import JSON
import KubernetesModel
import ResourceStore

/// `metav1.DeleteOptions`, from the body or the query.
struct DeletionParameters: Sendable {
    var graceSeconds: Int64?
    var uid: String?
    var resourceVersion: String?
    var isDryRun: Bool

    init(_ call: APICall) throws(StatusError) {
        try call.checkDryRun()
        isDryRun = call.isDryRun
        if let text = call.request.query("gracePeriodSeconds"), !text.isEmpty {
            guard let number = Int64(text) else { throw .badRequest("gracePeriodSeconds: Invalid value: \"\(text)\"") }
            graceSeconds = number
        }
        guard !call.request.body.isEmpty else { return }
        let type = APICall.mediaType(call.request.contentType)
        guard type.isEmpty || type == "application/json" else {
            throw .unsupportedMediaType(type, accepted: ["application/json"])
        }
        let body = try APICall.parse(call.request.body)
        if body.isNull { return }
        guard case .object = body else { throw .badRequest("delete options must be a JSON object") }
        if let grace = body["gracePeriodSeconds"], !grace.isNull {
            guard let number = grace.intValue else { throw .badRequest("gracePeriodSeconds: must be a number") }
            graceSeconds = number
        }
        uid = body["preconditions"]?["uid"]?.stringValue
        resourceVersion = body["preconditions"]?["resourceVersion"]?.stringValue
        if let dryRun = body["dryRun"]?.arrayValue, !dryRun.isEmpty {
            guard dryRun == ["All"] else { throw .badRequest("dryRun: Unsupported value: \(JSONValue.array(dryRun))") }
            isDryRun = true
        }
    }
}

extension APIHandler {
    func delete(_ call: APICall) async throws(StatusError) -> APIDocument {
        let parameters = try DeletionParameters(call)
        let result = try await delete(call.kind, call.key, parameters, user: call.user)
        switch result {
        case .removed(let object) where !call.kind.declaration.gracefulDeletion:
            return APIDocument(status: 200, body: deleted(object, call.kind).serialized())
        case .removed(let object), .marked(let object):
            return APIDocument(status: 200, body: object.bytes)
        }
    }

    private func deleted(_ object: StoredObject, _ kind: ServedKind) -> JSONValue {
        var details: JSONValue = ["name": .string(object.key.name)]
        if !kind.resource.group.isEmpty { details["group"] = .string(kind.resource.group) }
        details["kind"] = .string(kind.resource.resource)
        details["uid"] = .string(object.index.uid)
        return ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": details]
    }

    func deleteCollection(_ call: APICall) async throws(StatusError) -> APIDocument {
        let parameters = try DeletionParameters(call)
        let list: ListResult
        do { list = try await store.list(try ListParameters(call).request(call)) } catch let error as StoreError {
            throw .store(error)
        } catch let error as StatusError {
            throw error
        } catch {
            throw .internalError("\(error)")
        }
        for object in list.objects {
            do throws(StatusError) {
                _ = try await delete(call.kind, object.key, parameters, user: call.user)
            } catch {
                if error.reason != "NotFound" { throw error }
            }
        }
        let writer = ObjectWriter(kind: call.kind, representation: .json, now: now())
        return APIDocument(
            status: 200, body: writer.list(list.objects, metadata: ["resourceVersion": .string(String(store.revision))]))
    }

    enum DeletionResult: Sendable {
        case removed(StoredObject)
        /// Still there: grace or finalizers.
        case marked(StoredObject)
    }

    func delete(
        _ kind: ServedKind, _ key: ResourceKey, _ parameters: DeletionParameters, user: UserInfo
    ) async throws(StatusError) -> DeletionResult {
        for attempt in 1... {
            let current = try await stored(kind, key)
            try check(parameters, current, kind)
            let old = try tree(current)
            try NodeAdmission.check(user, kind: kind, old: old, new: old)
            let step = try DeletionStep(kind: kind, object: old, graceSeconds: parameters.graceSeconds, now: now())
            do throws(StoreError) {
                return try await carryOut(step, current, kind, isDryRun: parameters.isDryRun)
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
                "Precondition failed: ResourceVersion in precondition: \(revision), ResourceVersion in object meta: \(current.revision)"
            )
        }
    }

    private func carryOut(
        _ step: DeletionStep, _ current: StoredObject, _ kind: ServedKind, isDryRun: Bool
    ) async throws(StoreError) -> DeletionResult {
        switch step {
        case .remove:
            if isDryRun { return .removed(current) }
            let result = try await store.commit([.delete(current.key, expectedRevision: current.revision)])
            await finishNamespace(of: current.key)
            return .removed((result.objects.first ?? nil) ?? current)
        case .keep: return .marked(current)
        case .mark(let object):
            let bytes = object.serialized()
            let index = kind.index(object)
            if isDryRun {
                return .marked(StoredObject(key: current.key, revision: current.revision, bytes: bytes, index: index))
            }
            let result = try await store.commit([
                .update(current.key, bytes: bytes, index: index, expectedRevision: current.revision)
            ])
            if kind.resource == GroupVersionResource(resource: "namespaces") { await emptyNamespace(current.key.name) }
            return .marked((result.objects.first ?? nil) ?? current)
        }
    }
}

/// What one delete does to one object: pure.
enum DeletionStep: Sendable {
    case remove
    /// Its deletion is under way already.
    case keep
    case mark(JSONValue)

    /// Namespaces that the server itself needs.
    static let protectedNamespaces: Set<String> = ["default", "kube-system", "kube-public"]

    init(kind: ServedKind, object: JSONValue, graceSeconds: Int64?, now: Int64) throws(StatusError) {
        let metadata = object["metadata"] ?? [:]
        let name = metadata["name"]?.stringValue ?? ""
        if let graceSeconds, graceSeconds < 0 {
            throw .invalid(
                kind.declaration.gvk, name,
                [
                    .invalid("gracePeriodSeconds", .int(graceSeconds), "must be greater than or equal to 0")
                ])
        }
        let isNamespace = kind.resource == GroupVersionResource(resource: "namespaces")
        if isNamespace, Self.protectedNamespaces.contains(name) {
            throw .forbidden("namespaces", group: "", name: name, "this namespace may not be deleted")
        }
        let grace = kind.declaration.gracefulDeletion ? Self.grace(object, wanted: graceSeconds) : 0
        let isBlocked = isNamespace || !(metadata["finalizers"]?.arrayValue ?? []).isEmpty
        let marked = metadata["deletionTimestamp"] != nil
        let left = metadata["deletionGracePeriodSeconds"]?.intValue ?? 0
        if grace == 0, !isBlocked {
            self = .remove
        } else if marked, grace >= left, !isNamespace {
            self = .keep
        } else {
            var object = object
            if !marked || grace < left {
                object.set(["metadata", "deletionTimestamp"], to: .string(RFC3339.text(seconds: now + grace)))
                object.set(["metadata", "deletionGracePeriodSeconds"], to: .int(grace))
            }
            if isNamespace { object.set(["status", "phase"], to: "Terminating") }
            self = .mark(object)
        }
    }

    /// Seconds that a pod gets to end; a pod without node, or one that has ended, needs none.
    private static func grace(_ pod: JSONValue, wanted: Int64?) -> Int64 {
        if (pod["spec"]?["nodeName"]?.stringValue ?? "").isEmpty { return 0 }
        if ["Succeeded", "Failed"].contains(pod["status"]?["phase"]?.stringValue ?? "") { return 0 }
        return wanted ?? pod["spec"]?["terminationGracePeriodSeconds"]?.intValue ?? PodRules.defaultGraceSeconds
    }
}
