// Nobody gets more rights by writing roles and bindings than he has: each rule that is given away must be held, or the verbs
// `escalate` (roles) and `bind` (bindings) allowed. https://kubernetes.io/docs/reference/access-authn-authz/rbac/#restrictions-on-role-creation-or-update
import JSON
import KubernetesModel

/// An authoriser that knows who has which rules.
protocol RuleHolding: Authorizer {
    /// Rules of the user in the namespace and in the whole cluster; nil namespace: only the latter.
    func rules(of user: UserInfo, in namespace: String?) -> [PolicyRule]
    /// nil when there is no such role.
    func rules(ofRole role: RBACName) -> [PolicyRule]?
}

struct RoleEscalation: AdmissionStep {
    let name = "RBACEscalation"
    let authorizer: any RuleHolding

    func handles(_ attributes: AdmissionAttributes) -> Bool {
        attributes.kind.resource.group == ClusterPolicy.rbacGroup && attributes.operation != .delete
            && !attributes.user.groups.contains(SystemGroup.masters)
    }

    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let attributes = review.attributes
        switch attributes.kind.resource.resource {
        case "roles", "clusterroles": try checkRole(review)
        case "rolebindings", "clusterrolebindings": try checkBinding(review)
        default: return
        }
    }

    private func checkRole(_ review: AdmissionReview) throws(StatusError) {
        let attributes = review.attributes
        let (old, new) = (review.old, review.object)
        if let old, old["rules"] == new["rules"], old["aggregationRule"] == new["aggregationRule"] { return }
        if may("escalate", attributes.kind.resource.resource, name: objectName(review), attributes) { return }
        // Whoever may say which roles are gathered can come by any rule.
        let wanted = new["aggregationRule"].map { $0.isNull } ?? true ? PolicyRule.list(new["rules"]) : PolicyRule.everything
        try requireHeld(wanted, review)
    }

    private func checkBinding(_ review: AdmissionReview) throws(StatusError) {
        let attributes = review.attributes
        if let old = review.old, old["subjects"] == review.object["subjects"], old["roleRef"] == review.object["roleRef"] {
            return
        }
        guard let role = RBACPolicy.role(of: review.object, in: attributes.namespace ?? "") else { return }
        if may("bind", role.namespace.isEmpty ? "clusterroles" : "roles", name: role.name, attributes) { return }
        guard let rules = authorizer.rules(ofRole: role) else {
            let resource = GroupVersionResource(
                group: ClusterPolicy.rbacGroup, resource: role.namespace.isEmpty ? "clusterroles" : "roles")
            throw .notFound(resource, role.name)
        }
        try requireHeld(rules, review)
    }

    private func may(_ verb: String, _ resource: String, name: String, _ attributes: AdmissionAttributes) -> Bool {
        authorizer.authorize(
            AuthorizationAttributes(
                user: attributes.user, verb: verb, group: ClusterPolicy.rbacGroup, resource: resource,
                namespace: attributes.namespace,
                name: name)) == .allow
    }

    private func requireHeld(_ wanted: [PolicyRule], _ review: AdmissionReview) throws(StatusError) {
        let attributes = review.attributes
        let held = authorizer.rules(of: attributes.user, in: attributes.namespace)
        let missing = RuleCoverage.missing(wanted, heldBy: held)
        guard !missing.isEmpty else { return }
        let shown = missing.prefix(Self.maximumShownRules).map { $0.json.serializedString() }.joined(separator: "\n")
        throw .forbidden(
            attributes.kind.resource.resource, group: attributes.kind.resource.group, name: objectName(review),
            "user \"\(attributes.user.name)\" (groups=\(attributes.user.groups)) is attempting to grant RBAC permissions not currently held:\n"
                + shown + (missing.count > Self.maximumShownRules ? "\nand \(missing.count - Self.maximumShownRules) more" : ""))
    }

    private func objectName(_ review: AdmissionReview) -> String {
        review.object["metadata"]?["name"]?.stringValue ?? review.attributes.name
    }

    private static let maximumShownRules = 20
}
