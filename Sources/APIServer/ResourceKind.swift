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

/// The declaration of a kind; instances are in `Kinds/`.
struct ResourceKind: Sendable {
    typealias Defaulting = @Sendable (inout JSONValue) -> Void
    typealias Validation = @Sendable (JSONValue) -> [FieldError]
    typealias UpdateValidation = @Sendable (_ old: JSONValue, _ new: JSONValue) -> [FieldError]
    typealias LookupValidation = @Sendable (JSONValue, any ObjectLookup) async throws(StatusError) -> [FieldError]

    enum NameRule: Sendable { case subdomain, label }

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
    /// Defined by a CustomResourceDefinition in Kubernetes: no strategic merge, and clients know it.
    var isCustom = false
    var hasStatus = false
    var statusOnCreate = StatusOnCreate.drop
    /// `metadata.generation` counts the changes of the spec.
    var countsGeneration = false
    /// Subresources beside `status`, with the kind of their documents and their verbs.
    var subresources: [Subresource] = []
    var nameRule = NameRule.subdomain
    /// Beside metadata.name and metadata.namespace; dotted paths of scalar members.
    var selectableFields: [String] = []
    /// The members of the object beside apiVersion, kind and metadata.
    var fields: [Field]
    var description = ""
    var columns: [PrinterColumn] = []
    var applyDefaults: Defaulting = { _ in }
    var validate: Validation = { _ in [] }
    var validateUpdate: UpdateValidation = { _, _ in [] }
    /// Checks against other objects; create and updates of the spec only.
    var validateReferences: LookupValidation?
    /// How a delete waits: pods end gracefully, all others at once.
    var gracefulDeletion = false

    struct Subresource: Sendable {
        var name: String
        var kind: GroupVersionKind
        var verbs: [String]
    }

    var group: String { resource.group }
    var gvk: GroupVersionKind { GroupVersionKind(group: resource.group, version: resource.version, kind: kind) }
    var listKind: String { kind + "List" }

    /// The whole object's schema.
    var schema: Schema {
        .object(
            openAPIName, description,
            [
                Field("apiVersion", .string, "APIVersion defines the versioned schema of this representation of an object."),
                Field("kind", .string, "Kind is a string value representing the REST resource this object represents."),
                Field("metadata", CommonSchemas.objectMeta, "Standard object's metadata."),
            ] + fields)
    }

    /// "io.k8s.api.core.v1.Pod".
    var openAPIName: String {
        switch resource.group {
        case "": "io.k8s.api.core.\(resource.version).\(kind)"
        case let group where group.hasSuffix(".k8s.io"):
            "io.k8s.api.\(group.split(separator: ".")[0]).\(resource.version).\(kind)"
        case let group: "\(group.split(separator: ".").reversed().joined(separator: ".")).\(resource.version).\(kind)"
        }
    }

    static let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
}
