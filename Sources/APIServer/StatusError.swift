// Refusals, in Kubernetes' own words: what goes wrong in a verb becomes a `Status` document with reason and causes.
import JSON
import KubernetesModel
import ResourceStore

/// One field of a refused object.
struct FieldError: Error, Hashable, Sendable {
    /// `metav1.CauseType`, as clients see it in `details.causes[].reason`.
    enum Reason: String, Sendable {
        case required = "FieldValueRequired"
        case invalid = "FieldValueInvalid"
        case notSupported = "FieldValueNotSupported"
        case duplicate = "FieldValueDuplicate"
        case forbidden = "FieldValueForbidden"
        case wrongType = "FieldValueTypeInvalid"
        case notFound = "FieldValueNotFound"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"
        case namespaceTerminating = "NamespaceTerminating"
        case disruptionBudget = "DisruptionBudget"
        case resourceVersionTooLarge = "ResourceVersionTooLarge"
        case unexpectedServerResponse = "UnexpectedServerResponse"
    }

    var field: String
    var reason: Reason
    /// "Required value: ...", "Invalid value: \"x\": ...": the wording of apimachinery's field.Error.
    var message: String

    static func required(_ field: String, _ detail: String = "") -> FieldError {
        FieldError(field: field, reason: .required, message: detail.isEmpty ? "Required value" : "Required value: \(detail)")
    }

    static func invalid(_ field: String, _ value: JSONValue, _ detail: String) -> FieldError {
        FieldError(field: field, reason: .invalid, message: "Invalid value: \(shown(value)): \(detail)")
    }

    static func wrongType(_ field: String, _ value: JSONValue, expected: String) -> FieldError {
        FieldError(
            field: field, reason: .wrongType,
            message: "Invalid value: \(shown(value)): must be of type \(expected), found \(typeName(value))")
    }

    static func notSupported(_ field: String, _ value: JSONValue, supported: [String]) -> FieldError {
        let values = supported.map { "\"\($0)\"" }.joined(separator: ", ")
        return FieldError(
            field: field, reason: .notSupported, message: "Unsupported value: \(shown(value)): supported values: \(values)")
    }

    static func duplicate(_ field: String, _ value: JSONValue) -> FieldError {
        FieldError(field: field, reason: .duplicate, message: "Duplicate value: \(shown(value))")
    }

    static func forbidden(_ field: String, _ detail: String) -> FieldError {
        FieldError(field: field, reason: .forbidden, message: "Forbidden: \(detail)")
    }

    static func notFound(_ field: String, _ value: JSONValue, _ detail: String = "") -> FieldError {
        FieldError(
            field: field, reason: .notFound, message: "Not found: \(shown(value))" + (detail.isEmpty ? "" : ": \(detail)"))
    }

    /// A message stays readable whatever was sent.
    private static let maximumShownCharacters = 256

    private static func shown(_ value: JSONValue) -> String {
        let text = value.serializedString()
        return text.count <= maximumShownCharacters ? text : String(text.prefix(maximumShownCharacters)) + "...(cut)"
    }

    private static func typeName(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .int: "integer"
        case .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

/// A verb's refusal. `document` is its HTTP form.
struct StatusError: Error, Sendable {
    var code: Int
    /// `metav1.StatusReason`.
    var reason: String
    var message: String
    var group = ""
    /// `details.kind`: the resource for most errors, the kind for Invalid.
    var kind = ""
    var name = ""
    var uid = ""
    var causes: [FieldError] = []
    var retryAfterSeconds: Int?
    /// `metadata.continue`: where an expired list may go on.
    var continueToken: String?

    /// Worth a line in the log. Not what a client asked for: a revision that this server has not reached.
    var isServersFault: Bool { code >= 500 && !causes.contains { $0.reason == .resourceVersionTooLarge } }

    /// Causes beyond this many are left out of the details, so that a hostile body cannot blow up its own answer.
    static let maximumCauses = 64

    var status: JSONValue {
        var details = JSONObject()
        if !name.isEmpty { details["name"] = .string(name) }
        if !group.isEmpty { details["group"] = .string(group) }
        if !kind.isEmpty { details["kind"] = .string(kind) }
        if !uid.isEmpty { details["uid"] = .string(uid) }
        if !causes.isEmpty {
            details["causes"] = .array(
                causes.prefix(Self.maximumCauses).map { cause in
                    var shown: JSONValue = ["reason": .string(cause.reason.rawValue), "message": .string(cause.message)]
                    if !cause.field.isEmpty { shown["field"] = .string(cause.field) }
                    return shown
                })
        }
        if let retryAfterSeconds { details["retryAfterSeconds"] = .int(Int64(retryAfterSeconds)) }
        var status: JSONValue = [
            "kind": "Status", "apiVersion": "v1", "metadata": continueToken.map { ["continue": .string($0)] } ?? [:],
            "status": "Failure", "message": .string(message),
            "reason": .string(reason),
        ]
        if !details.isEmpty { status["details"] = .object(details) }
        status["code"] = .int(Int64(code))
        return status
    }

    var document: APIDocument {
        APIDocument(
            status: code, headers: retryAfterSeconds.map { [("Retry-After", String($0))] } ?? [], body: status.serialized())
    }
}

// MARK: - The errors of apimachinery's api/errors

extension StatusError {
    static func notFound(_ resource: GroupVersionResource, _ name: String) -> StatusError {
        StatusError(
            code: 404, reason: "NotFound", message: "\(resource) \"\(name)\" not found", group: resource.group,
            kind: resource.resource, name: name)
    }

    /// For a path or resource that this server does not know.
    static let unknownPath = StatusError(
        code: 404, reason: "NotFound", message: "the server could not find the requested resource")

    static func alreadyExists(_ resource: GroupVersionResource, _ name: String) -> StatusError {
        StatusError(
            code: 409, reason: "AlreadyExists", message: "\(resource) \"\(name)\" already exists", group: resource.group,
            kind: resource.resource, name: name)
    }

    static func conflict(_ resource: GroupVersionResource, _ name: String, _ why: String = modified) -> StatusError {
        StatusError(
            code: 409, reason: "Conflict", message: "Operation cannot be fulfilled on \(resource) \"\(name)\": \(why)",
            group: resource.group, kind: resource.resource, name: name)
    }

    static let modified =
        "the object has been modified; please apply your changes to the latest version and try again"

    static func invalid(_ kind: GroupVersionKind, _ name: String, _ errors: [FieldError]) -> StatusError {
        let texts = errors.prefix(maximumCauses).map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" }
        let what = kind.group.isEmpty ? kind.kind : "\(kind.kind).\(kind.group)"
        return StatusError(
            code: 422, reason: "Invalid",
            message: "\(what) \"\(name)\" is invalid: " + (texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"),
            group: kind.group, kind: kind.kind, name: name, causes: errors)
    }

    static func badRequest(_ message: String) -> StatusError {
        StatusError(code: 400, reason: "BadRequest", message: message)
    }

    static func forbidden(_ resource: String, group: String, name: String, _ why: String) -> StatusError {
        let what = group.isEmpty ? resource : "\(resource).\(group)"
        let named = name.isEmpty ? "" : " \"\(name)\""
        return StatusError(
            code: 403, reason: "Forbidden", message: "\(what)\(named) is forbidden: \(why)", group: group,
            kind: resource, name: name)
    }

    static let methodNotAllowed = StatusError(
        code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource")

    static func expired(_ message: String) -> StatusError {
        StatusError(code: 410, reason: "Expired", message: message)
    }

    /// A page of a list whose snapshot is gone. The token in the answer goes on in the present state.
    static func expiredContinuation(_ token: ListContinuation) -> StatusError {
        var error = StatusError.expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
                + "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
                + "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
                + "deleted between the time the first chunk was returned and now may show up in the list.")
        error.continueToken = ContinueToken.text(
            ListContinuation(revision: 0, namespace: token.namespace, name: token.name))
        return error
    }

    /// The client has seen a later revision than this server has made.
    static func tooLargeRevision(_ wanted: UInt64, present: UInt64) -> StatusError {
        var error = StatusError(
            code: 504, reason: "Timeout", message: "Timeout: Too large resource version: \(wanted), current: \(present)",
            retryAfterSeconds: 1)
        error.causes = [
            FieldError(field: "", reason: .resourceVersionTooLarge, message: "Too large resource version")
        ]
        return error
    }

    static func tooManyRequests(_ message: String, retryAfterSeconds: Int?, causes: [FieldError] = []) -> StatusError {
        StatusError(
            code: 429, reason: "TooManyRequests", message: message, causes: causes, retryAfterSeconds: retryAfterSeconds)
    }

    static func tooLarge(limit: Int) -> StatusError {
        StatusError(
            code: 413, reason: "RequestEntityTooLarge", message: "Request entity too large: limit is \(limit)")
    }

    static func unsupportedMediaType(_ found: String, accepted: [String]) -> StatusError {
        StatusError(
            code: 415, reason: "UnsupportedMediaType",
            message: "the body of the request was in an unknown format - accepted media types include: "
                + accepted.joined(separator: ", "))
    }

    static func notAcceptable(_ accepted: [String]) -> StatusError {
        StatusError(
            code: 406, reason: "NotAcceptable",
            message: "only the following media types are accepted: \(accepted.joined(separator: ", "))")
    }

    static func internalError(_ message: String) -> StatusError {
        StatusError(code: 500, reason: "InternalError", message: "Internal error occurred: \(message)")
    }

    /// The store refused for lack of something that may come back (space, a lock).
    static func unavailable(_ message: String) -> StatusError {
        StatusError(code: 503, reason: "ServiceUnavailable", message: message, retryAfterSeconds: 1)
    }
}
