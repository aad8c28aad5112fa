// A kind as this server serves it: everything that the generic verbs need to know, in one declaration.
import JSON
import KubernetesModel

/// One column of a Table. `value` reads an object off its tape; it must not fail.
struct PrinterColumn: Sendable {
    typealias Cell = @Sendable (_ object: JSONTape, _ now: Int64) -> JSONValue

    var name: String
    /// "string", "integer", "date".
    var type = "string"
    var format = ""
    /// 0 is always shown, more only in the wide form.
    var priority = 0
    var description = ""
    var value: Cell
}

/// What validation may look up beside the object itself.
protocol ObjectLookup: Sendable {
    func object(_ resource: GroupVersionResource, namespace: String?, name: String) async throws(StatusError) -> JSONValue?
    func objects(_ resource: GroupVersionResource, namespace: String?) async throws(StatusError) -> [JSONValue]
}

/// A kind that is another kind's objects in other words: events.k8s.io over core events.
struct StoredView: Sendable {
    /// Whose objects they are.
    var storage: GroupVersionResource
    /// From the view's words to the stored ones, apiVersion included.
    var toStored: @Sendable (inout JSONValue) -> Void
    /// From stored to the view's words.
    var toView: @Sendable (inout JSONValue) -> Void
}

/// The declaration of a kind; instances are in `Kinds/`.
struct ResourceKind: Sendable {
    typealias Defaulting = @Sendable (inout JSONValue) -> Void
    typealias Validation = @Sendable (JSONValue) -> [FieldError]
    typealias UpdateValidation = @Sendable (_ old: JSONValue, _ new: JSONValue) -> [FieldError]
    typealias LookupValidation = @Sendable (JSONValue, any ObjectLookup) async throws(StatusError) -> [FieldError]

    enum NameRule: Sendable {
        case subdomain
        case label
        /// Whatever can stand in a path: the rbac kinds.
        case pathSegment
    }

    /// What happens to `status` in a create.
    enum StatusOnCreate: Sendable {
        case drop
        case keep
        /// Replaced by this.
        case reset(JSONValue)
    }

    var resource: GroupVersionResource
    var kind: String
    var singular: String
    var shortNames: [String] = []
    var categories: [String] = []
    var namespaced = true
    /// Defined by a CustomResourceDefinition in Kubernetes: no strategic merge, quantities stay as written.
    var isCustom = false
    /// false: kept in memory only, gone after a restart (usage figures, which nodes send again).
    var isPersistent = true
    /// A question that is answered and never stored: create is its only verb.
    var isReview = false
    var hasStatus = false
    var statusOnCreate = StatusOnCreate.drop
    /// How the status is written by itself; nil: with the whole object in hand.
    var statusWrite: StatusWrite?
    /// `metadata.generation` counts the changes of the spec.
    var countsGeneration = false
    /// Subresources beside `status`, with the kind of their documents and their verbs.
    var subresources: [Subresource] = []
    var nameRule = NameRule.subdomain
    /// Beside metadata.name and metadata.namespace; dotted paths of scalar members.
    var selectableFields: [String] = []
    /// What such a field is where the object does not have it: Go's zero. Empty for all others.
    var selectableZeros: [String: String] = [:]
    /// Other words for selectable fields, as a client may send them.
    var selectableAliases: [String: String] = [:]
    /// Selectable fields that are no member.
    var selectableTexts: [String: @Sendable (JSONValue) -> String] = [:]
    /// The types that only this kind needs; the others are in `Types/`.
    var types: TypeText?
    var columns: [PrinterColumn] = []
    /// What the declaration of types cannot say: defaults that depend on other fields.
    var applyDefaults: Defaulting = { _ in }
    var validate: Validation = { _ in [] }
    var validateUpdate: UpdateValidation = { _, _ in [] }
    /// Checks against other objects; create and updates of the spec only.
    var validateReferences: LookupValidation?
    /// A Warning for who creates one: the kind is kept, and nothing comes of it.
    var warning: String?
    /// How a delete waits: pods end gracefully, all others at once.
    var gracefulDeletion = false
    var view: StoredView?

    struct Subresource: Sendable {
        var name: String
        var kind: GroupVersionKind
        var verbs: [String]
        /// Answers with a stream or an upgraded connection, not with a document.
        var isStream = false

        var openAPIName: String { ResourceKind.openAPIName(kind) }
    }

    var group: String { resource.group }
    var gvk: GroupVersionKind { GroupVersionKind(group: resource.group, version: resource.version, kind: kind) }
    var listKind: String { kind + "List" }
    var verbs: [String] {
        isReview ? ["create"] : isCollectionDeletable ? Self.verbs : Self.verbs.filter { $0 != "deletecollection" }
    }

    /// "io.k8s.api.core.v1.Pod": the full name of the kind's declared type, and its component in the OpenAPI documents.
    var openAPIName: String { Self.openAPIName(gvk) }

    var schema: Schema { TypeLibrary.shared.schema(openAPIName) ?? .any }

    static func openAPIName(_ kind: GroupVersionKind) -> String {
        switch kind.group {
        case "": return "io.k8s.api.core.\(kind.version).\(kind.kind)"
        case "metrics.k8s.io": return "io.k8s.metrics.pkg.apis.metrics.\(kind.version).\(kind.kind)"
        case "meta.k8s.io": return "io.k8s.apimachinery.pkg.apis.meta.\(kind.version).\(kind.kind)"
        case let group where group.hasSuffix(".k8s.io") || !group.contains("."):
            return "io.k8s.api.\(group.prefix { $0 != "." }).\(kind.version).\(kind.kind)"
        case let group:
            return "\(group.split(separator: ".").reversed().joined(separator: ".")).\(kind.version).\(kind.kind)"
        }
    }

    static let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
}
