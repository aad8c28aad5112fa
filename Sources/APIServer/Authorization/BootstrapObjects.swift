// The bootstrap policy as objects in the store: what is missing is made, and rules that were taken away come back, unless
// the object says that it wants to be left alone (rbac.authorization.kubernetes.io/autoupdate: "false").
import JSON
import KubernetesModel
import ResourceStore

extension BootstrapPolicy {
    private static let autoupdate = "rbac.authorization.kubernetes.io/autoupdate"
    private static let bootstrapping = "kubernetes.io/bootstrapping"
    private static let apiVersion: JSONValue = "rbac.authorization.k8s.io/v1"

    static func object(_ role: BootstrapRole) -> JSONValue {
        var labels: JSONValue = [bootstrapping: "rbac-defaults"]
        for target in role.aggregatesTo { labels["rbac.authorization.k8s.io/aggregate-to-\(target)"] = "true" }
        var object: JSONValue = [
            "kind": "ClusterRole", "apiVersion": apiVersion, "metadata": metadata(role.name, labels),
            "rules": .array((role.aggregates == nil ? role.rules : aggregatedRules(role)).map(\.json)),
        ]
        if let target = role.aggregates {
            object["aggregationRule"] = [
                "clusterRoleSelectors": [["matchLabels": ["rbac.authorization.k8s.io/aggregate-to-\(target)": "true"]]]
            ]
        }
        return object
    }

    static func object(_ binding: BootstrapBinding) -> JSONValue {
        [
            "kind": "ClusterRoleBinding", "apiVersion": apiVersion,
            "metadata": metadata(binding.role, [bootstrapping: "rbac-defaults"]),
            "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(binding.role)],
            "subjects": .array(
                binding.subjects.map { subject in
                    switch subject {
                    case .user(let name): ["kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": .string(name)]
                    case .group(let name): ["kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": .string(name)]
                    }
                }),
        ]
    }

    private static func metadata(_ name: String, _ labels: JSONValue) -> JSONValue {
        ["name": .string(name), "labels": labels, "annotations": [autoupdate: "true"]]
    }

    /// What kubectl shows of an aggregated role; the policy itself looks at the selected roles.
    private static func aggregatedRules(_ role: BootstrapRole) -> [PolicyRule] {
        guard let target = role.aggregates else { return role.rules }
        return roles.filter { $0.aggregatesTo.contains(target) }.flatMap(aggregatedRules)
    }

    /// The object to store in place of `found`; nil when it has all that it should. Pure.
    static func reconciled(_ wanted: JSONValue, found: JSONValue) -> JSONValue? {
        if found["metadata"]?["annotations"]?[autoupdate]?.stringValue == "false" { return nil }
        var object = found
        if wanted["roleRef"] != nil {
            let present = found["subjects"]?.arrayValue ?? []
            let missing = (wanted["subjects"]?.arrayValue ?? []).filter { !present.contains($0) }
            if !missing.isEmpty { object["subjects"] = .array(present + missing) }
        } else {
            let missing = RuleCoverage.missing(PolicyRule.list(wanted["rules"]), heldBy: PolicyRule.list(found["rules"]))
            if !missing.isEmpty { object["rules"] = .array((found["rules"]?.arrayValue ?? []) + missing.map(\.json)) }
            if let aggregation = wanted["aggregationRule"] { object["aggregationRule"] = aggregation }
        }
        for (label, value) in wanted["metadata"]?["labels"]?.objectValue ?? [:] {
            object.set(["metadata", "labels", label], to: value)
        }
        return object == found ? nil : object
    }
}

extension APIHandler {
    /// Brings the bootstrap roles and bindings into the store; one commit when anything is missing.
    public func installBootstrapPolicy() async throws {
        let objects =
            BootstrapPolicy.roles.map { ("clusterroles", BootstrapPolicy.object($0)) }
            + BootstrapPolicy.bindings.map { ("clusterrolebindings", BootstrapPolicy.object($0)) }
        var operations: [StoreOperation] = []
        for (resource, wanted) in objects {
            guard let kind = kinds[GroupVersionResource(group: ClusterPolicy.rbacGroup, resource: resource)] else { continue }
            let key = kind.key(namespace: nil, name: wanted["metadata"]?["name"]?.stringValue ?? "")
            if let stored = try store.peek(key) {
                guard let object = BootstrapPolicy.reconciled(wanted, found: try JSONValue(parsing: stored.bytes)) else {
                    continue
                }
                operations.append(
                    .update(key, bytes: object.serialized(), index: kind.index(object), expectedRevision: stored.revision))
            } else {
                var object = wanted
                ObjectMetadata.prepareForCreate(&object, kind: kind, namespace: nil, now: now())
                operations.append(.create(key, bytes: object.serialized(), index: kind.index(object)))
            }
        }
        if !operations.isEmpty { try await store.commit(operations) }
    }
}
