// All that decides who may do what, as one value: administrators, nodes, deploy tokens, then roles and their bindings.
import JSON
import ResourceStore

struct ClusterPolicy: Sendable {
    private(set) var rbac = RBACPolicy()
    private(set) var graph = NodeGraph()

    /// `nodeProblem`: why the asking node does not have its name; such a node has no rights as one.
    func decide(_ request: AuthorizationAttributes, nodeProblem: String? = nil) -> AuthorizationDecision {
        if request.user.groups.contains(SystemGroup.masters) || OpenPaths.allow(request) { return .allow }
        var why = ""
        if request.isResource {
            if let identity = NodeIdentity(request.user) {
                if nodeProblem == nil, NodeRules(identity: identity, graph: graph).allows(request) { return .allow }
                why = nodeProblem ?? NodeRules.refusal
            } else if request.user.groups.contains(NodeIdentity.deployTokensGroup) {
                if Self.deployTokenAllows(request) { return .allow }
                why = "a deploy token may only ask for a certificate"
            }
        }
        return rbac.allows(request) ? .allow : .deny(why)
    }

    /// Before a question: reads the pods that it is about and that were only noted when they were bound. Without it the answer is the
    /// same, and costs that reading each time.
    mutating func prepare(for request: AuthorizationAttributes) {
        guard request.isResource, NodeRules.isAboutNeeds(request), let identity = NodeIdentity(request.user) else { return }
        graph.read(identity.node)
    }

    private static func deployTokenAllows(_ request: AuthorizationAttributes) -> Bool {
        guard request.group == "certificates.k8s.io", request.resource == "certificatesigningrequests",
            request.subresource.isEmpty
        else { return false }
        return request.verb == "create" || (request.verb == "get" && request.name != nil)
    }

    // MARK: Following the store

    static let rbacGroup = "rbac.authorization.k8s.io"
    static let pods = CollectionID(group: "", resource: "pods")
    static let collections =
        ["clusterroles", "clusterrolebindings", "roles", "rolebindings"].map { CollectionID(group: rbacGroup, resource: $0) } + [
            pods
        ]

    mutating func apply(_ event: StoreEvent) {
        let key = event.object.key
        guard key.collection != Self.pods else { return applyPod(event) }
        // What cannot be read allows nothing.
        let object = event.kind == .deleted ? nil : try? JSONValue(parsing: event.object.bytes)
        let name = RBACName(namespace: key.namespace, name: key.name)
        switch key.resource {
        case "roles", "clusterroles": rbac.setRole(name, to: object)
        case "rolebindings", "clusterrolebindings": rbac.setBinding(name, to: object)
        default: return
        }
    }

    /// Only a binding and a deletion are news; the many changes of a pod's status cost two look-ups.
    private mutating func applyPod(_ event: StoreEvent) {
        let object = event.object
        let pod = NodeGraph.PodName(namespace: object.key.namespace, name: object.key.name)
        let node = object.index.fields["spec.nodeName"] ?? ""
        if event.kind == .deleted || node.isEmpty { return graph.unbind(pod) }
        graph.bind(pod, uid: object.index.uid, to: node) {
            guard let tape = try? JSONTape(parsing: object.bytes) else { return [] }
            return NodeGraph.references(of: tape, namespace: object.key.namespace)
        }
    }

    /// Forgets what came from a collection, whose objects are told anew.
    mutating func forget(_ collection: CollectionID) {
        switch collection.resource {
        case "pods": graph.removeAll()
        case "roles": rbac.removeRoles(inNamespaces: true)
        case "clusterroles": rbac.removeRoles(inNamespaces: false)
        case "rolebindings": rbac.removeBindings(inNamespaces: true)
        case "clusterrolebindings": rbac.removeBindings(inNamespaces: false)
        default: return
        }
    }
}
