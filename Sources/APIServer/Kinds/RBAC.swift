// rbac.authorization.k8s.io/v1: Role, ClusterRole and their bindings. What they permit is decided in Authorization/.
import JSON
import KubernetesModel

extension ResourceKind {
    private static let rbacGroup = "rbac.authorization.k8s.io"

    static let role = ResourceKind(
        resource: GroupVersionResource(group: rbacGroup, resource: "roles"), kind: "Role", singular: "role",
        nameRule: .pathSegment,
        types: TypeText(
            package: "io.k8s.api.rbac.v1",
            #"""
            kind Role -- Permissions in one namespace.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 rules []PolicyRule -- What is permitted.
            type PolicyRule -- Verbs on resources, or on paths.
              1 verbs []string! -- What may be done; * for everything.
              2 apiGroups []string -- Groups of the resources; "" for the core group.
              3 resources []string -- Resources and subresources; * for all.
              4 resourceNames []string -- Only objects of these names.
              5 nonResourceURLs []string -- Paths outside of resources; a trailing * stands for the rest.
            kind ClusterRole -- Permissions in all namespaces and on objects of the cluster.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 rules []PolicyRule -- What is permitted.
              3 aggregationRule AggregationRule
            type AggregationRule
              1 clusterRoleSelectors []meta.LabelSelector
            kind RoleBinding -- Gives a role's permissions in one namespace.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 subjects []Subject -- Who gets the permissions.
              3 roleRef RoleRef! -- Which role; cannot be changed.
            type Subject
              1 kind string! -- User, Group or ServiceAccount.
              2 apiGroup string
              3 name string!
              4 namespace string -- Namespace of the object.
            type RoleRef
              1 apiGroup string =rbac.authorization.k8s.io
              2 kind string!
              3 name string!
            kind ClusterRoleBinding -- Gives a role's permissions everywhere.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 subjects []Subject -- Who gets the permissions.
              3 roleRef RoleRef! -- Which role; cannot be changed.
            """#),
        columns: [.name, .createdAt], validate: { RBACRules.validateRules($0, isCluster: false) })

    static let clusterRole = ResourceKind(
        resource: GroupVersionResource(group: rbacGroup, resource: "clusterroles"), kind: "ClusterRole",
        singular: "clusterrole", namespaced: false, nameRule: .pathSegment, columns: [.name, .createdAt],
        validate: { RBACRules.validateRules($0, isCluster: true) })

    static let roleBinding = ResourceKind(
        resource: GroupVersionResource(group: rbacGroup, resource: "rolebindings"), kind: "RoleBinding",
        singular: "rolebinding", nameRule: .pathSegment, columns: RBACRules.bindingColumns,
        applyDefaults: RBACRules.defaultSubjects, validate: { RBACRules.validateBinding($0, roles: ["Role", "ClusterRole"]) },
        validateUpdate: RBACRules.validateBindingUpdate)

    static let clusterRoleBinding = ResourceKind(
        resource: GroupVersionResource(group: rbacGroup, resource: "clusterrolebindings"), kind: "ClusterRoleBinding",
        singular: "clusterrolebinding", namespaced: false, nameRule: .pathSegment, columns: RBACRules.bindingColumns,
        applyDefaults: RBACRules.defaultSubjects, validate: { RBACRules.validateBinding($0, roles: ["ClusterRole"]) },
        validateUpdate: RBACRules.validateBindingUpdate)
}
