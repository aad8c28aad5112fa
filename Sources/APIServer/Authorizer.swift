// Who may do what: a pure decision on who asks for which verb on which place.

/// What is asked, in the words of Kubernetes' authorization attributes.
public struct AuthorizationAttributes: Sendable, Hashable {
    public var user: UserInfo
    /// get, list, watch, create, update, patch, delete, deletecollection.
    public var verb: String
    /// For requests about no resource; `resource` is then empty.
    public var path: String
    public var group: String
    public var resource: String
    public var subresource: String
    /// nil: cluster scope, or all namespaces.
    public var namespace: String?
    public var name: String?

    public init(
        user: UserInfo, verb: String, path: String = "", group: String = "", resource: String = "", subresource: String = "",
        namespace: String? = nil, name: String? = nil
    ) {
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

/// The node's identity in a user: CN `system:node:<node>`, O `system:nodes` and `kuscia:domain:<domain>`.
public struct NodeIdentity: Sendable, Hashable {
    public var node: String
    public var domain: String

    public static let userPrefix = "system:node:"
    public static let nodesGroup = "system:nodes"
    public static let domainGroupPrefix = "kuscia:domain:"
    public static let deployTokensGroup = "kuscia:deploy-tokens"

    public init(node: String, domain: String) {
        self.node = node
        self.domain = domain
    }

    /// nil unless the user is a node of exactly one domain.
    public init?(_ user: UserInfo) {
        guard user.name.hasPrefix(Self.userPrefix), user.groups.contains(Self.nodesGroup),
            let domain = Self.domain(of: user)
        else { return nil }
        self.init(node: String(user.name.dropFirst(Self.userPrefix.count)), domain: domain)
    }

    /// The only domain among a user's groups.
    public static func domain(of user: UserInfo) -> String? {
        let domains = user.groups.filter { $0.hasPrefix(domainGroupPrefix) }
        guard domains.count == 1, domains[0].count > domainGroupPrefix.count else { return nil }
        return String(domains[0].dropFirst(domainGroupPrefix.count))
    }
}

/// Administrators may do everything; a Lite what its own domain and node need; a deploy token may ask for a certificate.
public struct SwiftletAuthorizer: Authorizer {
    public static let administrators = "system:masters"

    public init() {}

    public func authorize(_ request: AuthorizationAttributes) -> AuthorizationDecision {
        if request.user.groups.contains(Self.administrators) { return .allow }
        if !request.isResource { return documents(request) }
        if Self.isSelfReview(request) { return .allow }
        if let identity = NodeIdentity(request.user) { return node(identity, request) }
        if request.user.groups.contains(NodeIdentity.deployTokensGroup) { return deployToken(request) }
        return .deny("")
    }

    /// Anyone who is known may learn what the server serves; health and version are for everybody.
    private func documents(_ request: AuthorizationAttributes) -> AuthorizationDecision {
        let first = request.path.split(separator: "/").first.map(String.init) ?? ""
        if ["healthz", "livez", "readyz", "version"].contains(first) { return .allow }
        let isKnown =
            NodeIdentity(request.user) != nil || request.user.groups.contains(NodeIdentity.deployTokensGroup)
            || request.user.groups.contains("system:authenticated")
        let isReading = request.verb == "get" || request.verb == "head"
        if isKnown, isReading, ["", "api", "apis", "openapi"].contains(first) { return .allow }
        return .deny("")
    }

    private static func isSelfReview(_ request: AuthorizationAttributes) -> Bool {
        request.verb == "create"
            && ((request.group == "authorization.k8s.io" && request.resource == "selfsubjectaccessreviews")
                || (request.group == "authentication.k8s.io" && request.resource == "selfsubjectreviews"))
    }

    private func deployToken(_ request: AuthorizationAttributes) -> AuthorizationDecision {
        guard request.group == "certificates.k8s.io", request.resource == "certificatesigningrequests",
            request.subresource.isEmpty
        else { return .deny("a deploy token may only ask for a certificate") }
        return request.verb == "create" || (request.verb == "get" && request.name != nil) ? .allow : .deny("")
    }

    /// Policy: what a Lite may do, one row per place.
    private func node(_ identity: NodeIdentity, _ request: AuthorizationAttributes) -> AuthorizationDecision {
        let isOwnDomain = request.namespace == identity.domain
        let isOwnName = request.name == identity.node
        let allowed: Set<String>
        switch (request.group, request.resource, request.subresource) {
        case ("", "pods", "") where isOwnDomain: allowed = ["get", "list", "watch", "delete"]
        case ("", "pods", "status") where isOwnDomain: allowed = ["get", "update", "patch"]
        case ("", "configmaps", "") where isOwnDomain, ("", "secrets", "") where isOwnDomain,
            ("", "services", "") where isOwnDomain:
            allowed = ["get", "list", "watch"]
        case ("", "events", "") where isOwnDomain || request.namespace == "default": allowed = ["create", "update", "patch"]
        case ("", "nodes", ""):
            allowed = isOwnName ? ["get", "watch", "list", "update", "patch"] : []
            // A create has its name in the body, which the node admission checks.
            if request.verb == "create" { return .allow }
        case ("", "nodes", "status") where isOwnName: allowed = ["get", "update", "patch"]
        case ("coordination.k8s.io", "leases", "") where request.namespace == "kube-node-lease":
            if request.verb == "create", request.name == nil { return .allow }
            allowed = isOwnName ? ["get", "create", "update", "patch", "watch"] : []
        case ("swiftlet.io", "nodes", let tunnel) where isOwnName && tunnel.split(separator: "/").first == "tunnel":
            allowed = ["get", "create"]
        case ("certificates.k8s.io", "certificatesigningrequests", ""):
            allowed = request.name == nil ? ["create"] : ["get"]
        default: return .deny("a node may only reach what belongs to itself and its domain")
        }
        return allowed.contains(request.verb) ? .allow : .deny("a node may only reach what belongs to itself and its domain")
    }
}
