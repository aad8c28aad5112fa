// Who may do what: a pure decision on who asks for which verb on which place.

/// What is asked, in the words of Kubernetes' authorization attributes.
public struct AuthorizationAttributes: Sendable, Hashable {
    public var user: UserInfo
    /// get, list, watch, create, update, patch, delete, deletecollection; further ones in reviews (bind, escalate, use ...).
    public var verb: String
    /// For requests about no resource; `resource` is then empty.
    public var path: String
    public var group: String
    public var resource: String
    public var subresource: String
    /// nil: cluster scope, or all namespaces.
    public var namespace: String?
    public var name: String?
    /// The node that a list or watch of pods is limited to by `spec.nodeName=...`.
    public var nodeSelector: String?

    public init(
        user: UserInfo, verb: String, path: String = "", group: String = "", resource: String = "", subresource: String = "",
        namespace: String? = nil, name: String? = nil, nodeSelector: String? = nil
    ) {
        self.nodeSelector = nodeSelector
        self.user = user
        self.verb = verb
        self.path = path
        self.group = group
        self.resource = resource
        self.subresource = subresource
        self.namespace = namespace
        self.name = name
    }

    var isResource: Bool { !resource.isEmpty }

    /// `User "x" cannot list resource "pods" in API group "" in the namespace "y"`
    var refusal: String {
        guard isResource else { return "User \"\(user.name)\" cannot \(verb) path \"\(path)\"" }
        let what = subresource.isEmpty ? resource : "\(resource)/\(subresource)"
        let place = namespace.map { "in the namespace \"\($0)\"" } ?? "at the cluster scope"
        return "User \"\(user.name)\" cannot \(verb) resource \"\(what)\" in API group \"\(group)\" \(place)"
    }
}

public enum AuthorizationDecision: Sendable, Hashable {
    case allow
    /// With a reason to append to Kubernetes' own wording; may be empty.
    case deny(String)
}

public protocol Authorizer: Sendable {
    func authorize(_ attributes: AuthorizationAttributes) -> AuthorizationDecision
}

/// Groups that the server itself gives a meaning.
public enum SystemGroup {
    /// May do everything, whatever roles say.
    public static let masters = "system:masters"
    public static let authenticated = "system:authenticated"
    public static let unauthenticated = "system:unauthenticated"
}

/// What anybody may ask, whatever roles say: whether the server lives, and which version it is.
public enum OpenPaths {
    public static let all: Set<String> = ["/healthz", "/livez", "/readyz", "/version"]

    static func allow(_ request: AuthorizationAttributes) -> Bool {
        !request.isResource && (request.verb == "get" || request.verb == "head") && all.contains(request.path)
    }
}

/// Decides by fixed rules alone, for callers without a store: administrators, nodes without pods, deploy tokens.
public struct SwiftletAuthorizer: Authorizer {
    public static let administrators = SystemGroup.masters

    public init() {}

    public func authorize(_ request: AuthorizationAttributes) -> AuthorizationDecision { ClusterPolicy().decide(request) }
}
