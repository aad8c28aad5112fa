// What a node may do: read what the pods bound to it need, write about itself and these pods. A Lite's certificate names its
// domain too, and it reaches only that domain's namespace. https://kubernetes.io/docs/reference/access-authn-authz/node/

/// The node's identity in a user: CN `system:node:<node>`, O `system:nodes`, and for a Lite `kuscia:domain:<domain>`.
public struct NodeIdentity: Sendable, Hashable {
    public var node: String
    /// nil: a stock kubelet, which serves every namespace.
    public var domain: String?

    public static let userPrefix = "system:node:"
    public static let nodesGroup = "system:nodes"
    public static let domainGroupPrefix = "kuscia:domain:"
    public static let deployTokensGroup = "kuscia:deploy-tokens"

    public init(node: String, domain: String?) {
        self.node = node
        self.domain = domain
    }

    /// nil unless the user is a node, of no domain or of exactly one.
    public init?(_ user: UserInfo) {
        guard user.name.hasPrefix(Self.userPrefix), user.groups.contains(Self.nodesGroup) else { return nil }
        let domain = Self.domain(of: user)
        guard domain != nil || !user.groups.contains(where: { $0.hasPrefix(Self.domainGroupPrefix) }) else { return nil }
        self.init(node: String(user.name.dropFirst(Self.userPrefix.count)), domain: domain)
    }

    /// The only domain among a user's groups.
    public static func domain(of user: UserInfo) -> String? {
        let domains = user.groups.filter { $0.hasPrefix(domainGroupPrefix) }
        guard domains.count == 1, domains[0].count > domainGroupPrefix.count else { return nil }
        return String(domains[0].dropFirst(domainGroupPrefix.count))
    }
}

struct NodeRules {
    let identity: NodeIdentity
    let graph: NodeGraph

    static let refusal = "a node may only reach what belongs to itself and its domain"

    private typealias Verbs = Set<String>
    private static let reading: Verbs = ["get", "list", "watch"]
    private static let changing: Verbs = ["get", "update", "patch"]

    /// Policy, one row per place. A create has its object's name in the body only: what it may be about is for NodeRestriction.
    func allows(_ request: AuthorizationAttributes) -> Bool {
        verbs(request).contains(request.verb)
    }

    private func verbs(_ request: AuthorizationAttributes) -> Set<String> {
        let isOwnName = request.name == identity.node
        switch (request.group, request.resource, request.subresource) {
        case ("", "pods", ""): return pods(request)
        case ("", "pods", "status"): return isOwnPod(request) ? Self.changing : []
        case ("", "pods", "eviction"): return isOwnPod(request) ? ["create"] : []
        case ("", "secrets", ""): return needed(.secret, request)
        case ("", "serviceaccounts", ""): return needed(.serviceAccount, request).intersection(["get"])
        case ("", "serviceaccounts", "token"): return needed(.serviceAccount, request).isEmpty ? [] : ["create"]
        case ("", "persistentvolumeclaims", ""): return needed(.claim, request).intersection(["get"])
        // The domain's configuration and peers are for all of its nodes; another domain's for none.
        case ("", "configmaps", "") where isOwnDomain(request): return Self.reading
        case ("", "configmaps", ""): return identity.domain == nil ? needed(.configMap, request) : []
        case ("", "services", "") where isOwnDomain(request) || identity.domain == nil: return Self.reading
        case ("", "events", ""), ("events.k8s.io", "events", ""): return events(request)
        case ("", "nodes", ""):
            return isOwnName ? ["get", "list", "watch", "create", "update", "patch"] : request.name == nil ? ["create"] : []
        case ("", "nodes", "status") where isOwnName: return Self.changing
        case ("coordination.k8s.io", "leases", "") where request.namespace == "kube-node-lease":
            return isOwnName ? ["get", "create", "update", "patch", "watch"] : request.name == nil ? ["create"] : []
        case ("swiftlet.io", "nodes", let tunnel) where isOwnName && (tunnel == "tunnel" || tunnel.hasPrefix("tunnel/")):
            return ["get", "create"]
        case ("certificates.k8s.io", "certificatesigningrequests", ""): return request.name == nil ? ["create"] : ["get"]
        case ("metrics.k8s.io", "nodes", ""): return isOwnName ? Self.changing : request.name == nil ? ["create"] : []
        case ("metrics.k8s.io", "pods", "") where isOwnDomain(request):
            if isOwnPod(request) { return ["get", "update", "patch", "delete"] }
            // Figures of a pod that is gone: whoever measured it clears them away.
            return request.name == nil ? ["create"] : isNoPod(request) ? ["delete"] : []
        case ("node.k8s.io", "runtimeclasses", ""): return Self.reading
        default: return stockKubelet(request, isOwnName)
        }
    }

    private func isOwnDomain(_ request: AuthorizationAttributes) -> Bool {
        identity.domain != nil && request.namespace == identity.domain
    }

    private func pods(_ request: AuthorizationAttributes) -> Set<String> {
        // Every pod that is bound to it, wherever: asked for by the field, as kubelets do.
        if request.nodeSelector == identity.node, identity.domain == nil || isOwnDomain(request) { return ["list", "watch"] }
        if isOwnPod(request) { return ["get", "watch", "delete"] }
        // A create is of a mirror of a static pod: NodeRestriction lets no other through.
        if isOwnDomain(request) { return request.name == nil ? Self.reading.union(["create"]) : Self.reading }
        return request.name == nil && identity.domain == nil ? ["create"] : []
    }

    private func events(_ request: AuthorizationAttributes) -> Set<String> {
        identity.domain == nil || isOwnDomain(request) || request.namespace == "default" ? ["create", "update", "patch"] : []
    }

    /// Is the named pod bound to this node? A Lite's pods are its domain's, whatever a graph says.
    private func isOwnPod(_ request: AuthorizationAttributes) -> Bool {
        guard let namespace = request.namespace, let name = request.name, identity.domain == nil || isOwnDomain(request) else {
            return false
        }
        return graph.node(ofPod: .init(namespace: namespace, name: name)) == identity.node
    }

    /// No pod of that name is bound to any node.
    private func isNoPod(_ request: AuthorizationAttributes) -> Bool {
        guard let namespace = request.namespace, let name = request.name else { return false }
        return graph.node(ofPod: .init(namespace: namespace, name: name)) == nil
    }

    /// Whether the answer to a node may depend on what its pods name.
    static func isAboutNeeds(_ request: AuthorizationAttributes) -> Bool {
        request.group.isEmpty
            && ["secrets", "configmaps", "serviceaccounts", "persistentvolumeclaims"].contains(request.resource)
    }

    private func needed(_ kind: PodReference.Kind, _ request: AuthorizationAttributes) -> Set<String> {
        guard let namespace = request.namespace, let name = request.name, identity.domain == nil || isOwnDomain(request),
            graph.node(identity.node, needs: PodReference(kind: kind, namespace: namespace, name: name))
        else { return [] }
        return Self.reading
    }

    /// What a kubelet of no domain needs besides.
    private func stockKubelet(_ request: AuthorizationAttributes, _ isOwnName: Bool) -> Set<String> {
        guard identity.domain == nil else { return [] }
        switch (request.group, request.resource) {
        case ("storage.k8s.io", "csinodes"):
            return isOwnName ? Self.changing.union(["create", "delete"]) : request.name == nil ? ["create"] : []
        case ("storage.k8s.io", "csidrivers"): return Self.reading
        case ("authentication.k8s.io", "tokenreviews"), ("authorization.k8s.io", "subjectaccessreviews"),
            ("authorization.k8s.io", "localsubjectaccessreviews"):
            return ["create"]
        default: return []
        }
    }
}
