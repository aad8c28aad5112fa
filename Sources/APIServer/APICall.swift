// A routed request: its verb, its kind, and which part of the object it is about.
import JSON
import KubernetesModel
import ResourceStore

/// What is to be done, in the words of authorization.
enum Verb: String, Sendable {
    case get, list, watch, create, update, patch, delete, deletecollection

    init(_ request: APIRequest, _ route: ResourceRoute) throws(StatusError) {
        switch (request.method, route.name) {
        case (.get, nil), (.head, nil): self = request.flag("watch") ? .watch : .list
        // The old form of watching one object, `?watch=true` on it.
        case (.get, _?), (.head, _?): self = request.flag("watch") && route.subresource == nil ? .watch : .get
        case (.post, _): self = .create
        case (.put, _?): self = .update
        case (.patch, _?): self = .patch
        case (.delete, nil): self = .deletecollection
        case (.delete, _?): self = .delete
        case (.put, nil), (.patch, nil), (.options, _): throw .methodNotAllowed
        }
    }
}

/// Which members of an object a path is about.
enum ObjectPart: Sendable, Hashable {
    /// Everything but what has a path of its own.
    case main
    case status
    /// `spec.ephemeralContainers` of a pod.
    case ephemeralContainers
    /// The conditions of a certificate signing request.
    case approval
    /// `spec.finalizers` of a namespace.
    case finalize
}

/// A request whose kind is known and whose scope fits.
struct APICall: Sendable {
    let request: APIRequest
    let route: ResourceRoute
    let kind: ServedKind
    /// `main` also for subresources with documents of their own.
    let part: ObjectPart

    init(request: APIRequest, route: ResourceRoute, kind: ServedKind) throws(StatusError) {
        if !kind.declaration.namespaced, route.namespace != nil { throw .unknownPath }
        if kind.declaration.namespaced, route.namespace == nil {
            // Only whole collections can be read over all namespaces.
            guard route.name == nil else { throw .unknownPath }
            guard request.method == .get || request.method == .head else { throw .methodNotAllowed }
        }
        if request.method == .post, route.name != nil, route.subresource == nil { throw .methodNotAllowed }
        if request.method == .delete, route.name == nil, !kind.declaration.isCollectionDeletable { throw .methodNotAllowed }
        // Whoever lost a name must not lose the collection with it.
        if request.method == .delete, route.name == nil, RequestRoute.hasTrailingSlash(request.path) {
            throw StatusError(
                code: 405, reason: "MethodNotAllowed",
                message: "the path ends with a slash where a name of \(route.resource) is expected; "
                    + "without the slash all of them would be deleted")
        }
        self.request = request
        self.route = route
        self.kind = kind
        part = Self.part(route.subresource, kind)
    }

    private static func part(_ subresource: String?, _ kind: ServedKind) -> ObjectPart {
        switch (subresource, kind.resource.group, kind.resource.resource) {
        case (nil, _, _): .main
        case ("status", _, _) where kind.declaration.hasStatus: .status
        case ("ephemeralcontainers", "", "pods"): .ephemeralContainers
        case ("approval", "certificates.k8s.io", "certificatesigningrequests"): .approval
        case ("finalize", "", "namespaces"): .finalize
        default: .main
        }
    }

    var user: UserInfo { request.user }
    var name: String { route.name ?? "" }
    var key: ResourceKey { kind.key(namespace: route.namespace, name: name) }

    func admission(_ operation: AdmissionAttributes.Operation, isDryRun: Bool) -> AdmissionAttributes {
        AdmissionAttributes(
            user: request.user, operation: operation, kind: kind, namespace: route.namespace, name: name,
            subresource: route.subresource ?? "", isDryRun: isDryRun)
    }

    func invalid(_ object: JSONValue, _ errors: [FieldError]) -> StatusError {
        let metadata = object["metadata"]
        let name = metadata?["name"]?.stringValue ?? metadata?["generateName"]?.stringValue ?? route.name ?? ""
        return .invalid(kind.declaration.gvk, name, errors)
    }
}

/// The query of a write: `metav1.CreateOptions`, `UpdateOptions`, `PatchOptions`.
struct WriteOptions: Sendable {
    var isDryRun = false
    var fieldValidation = FieldValidation.warn

    static let maximumFieldManagerCharacters = 128

    /// `kind`: "CreateOptions", for the words of a refusal.
    init(_ request: APIRequest, kind: String) throws(StatusError) {
        if request.query.isEmpty { return }
        var errors: [FieldError] = []
        for (name, value) in request.query {
            switch name {
            case "dryRun" where value == "All": isDryRun = true
            case "dryRun" where !value.isEmpty:
                errors.append(.notSupported("dryRun", .string(value), supported: ["All"]))
            case "fieldValidation" where !value.isEmpty:
                if let mode = FieldValidation(rawValue: value) {
                    fieldValidation = mode
                } else {
                    let supported = ["", "Ignore", "Strict", "Warn"]
                    errors.append(.notSupported("fieldValidation", .string(value), supported: supported))
                }
            case "fieldManager" where value.count > Self.maximumFieldManagerCharacters:
                errors.append(
                    FieldError(
                        field: "fieldManager", reason: .tooLong,
                        message: "Too long: may not be more than \(Self.maximumFieldManagerCharacters) bytes"))
            default: continue
            }
        }
        if !errors.isEmpty { throw .invalid(GroupVersionKind(group: "meta.k8s.io", kind: kind), "", errors) }
    }
}

extension ResourceKind {
    /// Whether an update may leave `metadata.resourceVersion` out. Kubernetes' kinds differ here by age, not by reason.
    var allowsUnconditionalUpdate: Bool { !isCustom && !Self.conditionalUpdates.contains("\(resource.resource).\(group)") }
    private static let conditionalUpdates: Set<String> = [
        "leases.coordination.k8s.io", "runtimeclasses.node.k8s.io", "poddisruptionbudgets.policy", "serviceaccounts.",
    ]

    /// Whether a delete answers with the object rather than with a Status.
    var returnsDeletedObject: Bool { group.isEmpty && Self.shownWhenDeleted.contains(resource.resource) }
    private static let shownWhenDeleted: Set<String> = ["pods", "serviceaccounts", "resourcequotas"]

    /// Namespaces can only be deleted one by one.
    var isCollectionDeletable: Bool { resource != GroupVersionResource(resource: "namespaces") }
}
