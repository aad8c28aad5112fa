// The Status document (metav1.Status): how the API reports failures, and success where there is no object to return.

public struct APIStatus: Sendable, Hashable, Codable {
    public var apiVersion: String? = "v1"
    public var kind: String? = "Status"
    @WrittenEmpty public var metadata: ListMeta = .init()
    /// "Success" or "Failure".
    public var status: String?
    public var message: String?
    /// Machine-readable, e.g. "NotFound", "Conflict", "AlreadyExists", "Invalid", "Forbidden", "Expired".
    public var reason: String?
    public var details: APIStatusDetails?
    /// The HTTP code.
    public var code: Int?

    public init(
        status: String? = nil, message: String? = nil, reason: String? = nil, details: APIStatusDetails? = nil,
        code: Int? = nil
    ) {
        self.status = status
        self.message = message
        self.reason = reason
        self.details = details
        self.code = code
    }
}

public struct APIStatusDetails: DefaultInitializable, Sendable {
    public var name: String?
    public var group: String?
    /// The plural resource for most errors, the kind for validation errors.
    public var kind: String?
    public var uid: String?
    @DefaultEmpty public var causes: [APIStatusCause] = []
    public var retryAfterSeconds: Int?

    public init() {}

    public init(
        name: String? = nil, group: String? = nil, kind: String? = nil, uid: String? = nil,
        causes: [APIStatusCause] = [], retryAfterSeconds: Int? = nil
    ) {
        self.name = name
        self.group = group
        self.kind = kind
        self.uid = uid
        self.causes = causes
        self.retryAfterSeconds = retryAfterSeconds
    }
}

/// One wrong field.
public struct APIStatusCause: Sendable, Hashable, Codable {
    /// e.g. "FieldValueRequired", "FieldValueInvalid", "FieldValueNotSupported".
    public var reason: String?
    public var message: String?
    /// Path of the field, e.g. "spec.tasks[0].alias".
    public var field: String?

    public init(reason: String? = nil, message: String? = nil, field: String? = nil) {
        self.reason = reason
        self.message = message
        self.field = field
    }
}
