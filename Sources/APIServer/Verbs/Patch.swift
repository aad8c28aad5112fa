// The verb patch: a change of the stored state in one of three languages, then what update does (Update.swift).
import JSON
import KubernetesModel

extension APIHandler {
    func patch(_ call: APICall) async throws(StatusError) -> APIDocument {
        let options = try WriteOptions(call.request, kind: "PatchOptions")
        let patch = try PatchBody(call)
        return try await change(call, options, concernsStatusOnly: patch.concernsStatusOnly(call)) { (old) throws(StatusError) in
            var shown = old
            call.kind.declaration.view?.toView(&shown)
            var patched = try patch.apply(to: shown, call)
            try call.checkIdentity(&patched, creates: false)
            return try call.clean(
                DecodedBody(object: patched, duplicateFields: patch.duplicateFields), options.fieldValidation)
        }
    }
}

/// A patch with its form.
struct PatchBody: Sendable {
    private let form: PatchForm
    private let body: JSONValue
    let duplicateFields: [String]

    enum PatchForm: String, Sendable {
        case json = "application/json-patch+json"
        case merge = "application/merge-patch+json"
        case strategicMerge = "application/strategic-merge-patch+json"
    }

    private static let apply: Set<String> = ["application/apply-patch+yaml", "application/apply-patch+cbor"]

    init(_ call: APICall) throws(StatusError) {
        let accepted: [PatchForm] = call.kind.declaration.isCustom ? [.json, .merge] : [.json, .merge, .strategicMerge]
        let type = APICall.mediaType(call.request.contentType)
        guard let form = PatchForm(rawValue: type), accepted.contains(form) else {
            var error = StatusError.unsupportedMediaType(type, accepted: accepted.map(\.rawValue))
            if Self.apply.contains(type) {
                error.message =
                    "server-side apply is not supported by this server yet (\(type)); apply without --server-side. "
                    + error.message
            }
            throw error
        }
        self.form = form
        (body, duplicateFields) = try APICall.parseWithDuplicates(call.request.body)
        if form != .json, body.objectValue == nil { throw .badRequest("a merge patch must be a JSON object") }
    }

    /// A merge that names nothing but metadata and status, and what it is. A JSON Patch may test anything.
    func concernsStatusOnly(_ call: APICall) -> Bool {
        guard call.part == .status, form != .json, let members = body.objectValue else { return false }
        return members.allSatisfy { ["metadata", "status", "kind", "apiVersion"].contains($0.key) }
    }

    func apply(to old: JSONValue, _ call: APICall) throws(StatusError) -> JSONValue {
        do throws(PatchError) {
            switch form {
            case .json: return try JSONPatch.apply(body, to: old)
            case .merge: return MergePatch.apply(body, to: old)
            case .strategicMerge: return try StrategicMergePatch.apply(body, to: old, schema: call.kind.schema)
            }
        } catch {
            switch error.fault {
            case .patch: throw .badRequest(error.message)
            case .tooManyOperations: throw StatusError(code: 413, reason: "RequestEntityTooLarge", message: error.message)
            case .fit:
                throw StatusError(
                    code: 422, reason: "Invalid", message: "the server rejected our request due to an error in our request",
                    causes: [FieldError(field: "", reason: .unexpectedServerResponse, message: error.message)])
            }
        }
    }
}
