// The roles and bindings that a cluster has from its first moment, as Kubernetes names them: policy as data. Written at each
// start where they are missing or have lost rules; an administrator's additions stay.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
import JSON

struct BootstrapRole: Sendable {
    var name: String
    var rules: [PolicyRule]
    /// `rbac.authorization.k8s.io/aggregate-to-...` labels.
    var aggregatesTo: [String] = []
    /// The label's last word that this role is made of.
    var aggregates: String?
    var namespace: String?
}

struct BootstrapBinding: Sendable {
    var role: String
    var subjects: [RBACSubject]
    var namespace: String?
}

enum BootstrapPolicy {
    private static let read = ["get", "list", "watch"]
    private static let write = ["create", "delete", "deletecollection", "patch", "update"]
    private static let readWrite = read + write
    private static let kuscia = ["kuscia.secretflow"]

    static let roles: [BootstrapRole] = people + components

    // MARK: For people

    private static let people: [BootstrapRole] = [
        BootstrapRole(name: "cluster-admin", rules: PolicyRule.everything),
        BootstrapRole(name: "admin", rules: [], aggregates: "admin"),
        BootstrapRole(name: "edit", rules: [], aggregatesTo: ["admin"], aggregates: "edit"),
        BootstrapRole(name: "view", rules: [], aggregatesTo: ["edit"], aggregates: "view"),
        BootstrapRole(
            name: "system:aggregate-to-admin",
            rules: [
                .allow(["create"], ["localsubjectaccessreviews"], in: ["authorization.k8s.io"]),
                .allow(readWrite, ["roles", "rolebindings"], in: [ClusterPolicy.rbacGroup]),
            ], aggregatesTo: ["admin"]),
        BootstrapRole(
            name: "system:aggregate-to-edit",
            rules: [
                .allow(read, ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"]),
                .allow(["impersonate"], ["serviceaccounts"]),
                .allow(write, ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
                .allow(["create"], ["pods/eviction", "serviceaccounts/token"]),
                .allow(
                    write,
                    [
                        "configmaps", "events", "persistentvolumeclaims", "secrets", "serviceaccounts", "services",
                        "services/proxy",
                    ]),
                .allow(readWrite, ["leases"], in: ["coordination.k8s.io"]),
                .allow(write, ["kusciajobs", "kusciatasks"], in: kuscia),
            ], aggregatesTo: ["edit"]),
        BootstrapRole(
            name: "system:aggregate-to-view",
            rules: [
                .allow(
                    read,
                    [
                        "bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces", "namespaces/status",
                        "persistentvolumeclaims", "persistentvolumeclaims/status", "pods", "pods/log", "pods/status",
                        "resourcequotas", "resourcequotas/status", "serviceaccounts", "services", "services/status",
                    ]),
                .allow(read, ["endpointslices"], in: ["discovery.k8s.io"]), .allow(read, ["events"], in: ["events.k8s.io"]),
                .allow(read, ["pods"], in: ["metrics.k8s.io"]),
                .allow(
                    read,
                    ["kusciajobs", "kusciajobs/status", "kusciatasks", "kusciatasks/status", "domaindatas", "domaindatasources"],
                    in: kuscia),
            ], aggregatesTo: ["view"]),
        BootstrapRole(
            name: "system:basic-user",
            rules: [
                .allow(["create"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], in: ["authorization.k8s.io"]),
                .allow(["create"], ["selfsubjectreviews"], in: ["authentication.k8s.io"]),
            ]),
        BootstrapRole(
            name: "system:discovery",
            rules: [
                .allow(
                    ["get"],
                    urls: [
                        "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
                        "/version", "/version/",
                    ]),
                .allow(["head"], urls: ["/", "/api", "/api/*", "/apis", "/apis/*", "/openapi/*"]), .allow(["get"], urls: ["/"]),
            ]),
        BootstrapRole(
            name: "system:public-info-viewer",
            rules: [.allow(["get", "head"], urls: ["/healthz", "/livez", "/readyz", "/version", "/version/"])]),
        BootstrapRole(
            name: "system:service-account-issuer-discovery",
            rules: [
                .allow(
                    ["get"],
                    urls: [
                        "/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks",
                        "/openid/v1/jwks/",
                    ])
            ]),
        BootstrapRole(
            name: "system:monitoring",
            rules: [
                .allow(
                    ["get"],
                    urls: ["/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/*", "/readyz", "/readyz/*"])
            ]),
    ]

    // MARK: For programs

    private static let eventWriting: [PolicyRule] = [
        .allow(["create", "patch", "update"], ["events"], in: ["", "events.k8s.io"])
    ]

    private static let components: [BootstrapRole] = [
        // Nodes have rules of their own (NodeRules); this role is for those who bind it by hand, and is bound to nobody.
        BootstrapRole(
            name: "system:node",
            rules: [
                .allow(read, ["services", "pods"]), .allow(["create", "get", "list", "patch", "update", "watch"], ["nodes"]),
                .allow(["patch", "update"], ["nodes/status", "pods/status"]), .allow(["create", "delete"], ["pods"]),
                .allow(["create"], ["pods/eviction"]), .allow(read, ["configmaps", "secrets"]),
                .allow(["get"], ["persistentvolumeclaims"]),
                .allow(["create", "get", "list", "watch"], ["certificatesigningrequests"], in: ["certificates.k8s.io"]),
                .allow(["create", "get", "patch", "update"], ["leases"], in: ["coordination.k8s.io"]),
                .allow(["create"], ["serviceaccounts/token"]), .allow(read, ["runtimeclasses"], in: ["node.k8s.io"]),
            ] + eventWriting),
        BootstrapRole(
            name: "system:kube-scheduler",
            rules: [
                .allow(
                    read,
                    ["nodes", "namespaces", "persistentvolumeclaims", "persistentvolumes", "replicationcontrollers", "services"]),
                .allow(["delete", "get", "list", "watch"], ["pods"]), .allow(["create"], ["bindings", "pods/binding"]),
                .allow(["patch", "update"], ["pods/status"]),
                .allow(read, ["replicasets", "statefulsets"], in: ["apps", "extensions"]),
                .allow(read, ["poddisruptionbudgets"], in: ["policy"]),
                .allow(
                    read, ["csinodes", "csidrivers", "csistoragecapacities", "storageclasses", "volumeattachments"],
                    in: ["storage.k8s.io"]),
                .allow(["create", "get", "list", "update", "watch"], ["leases"], in: ["coordination.k8s.io"]),
                .allow(["create"], ["tokenreviews"], in: ["authentication.k8s.io"]),
                .allow(["create"], ["subjectaccessreviews"], in: ["authorization.k8s.io"]),
                .allow(read, ["priorityclasses"], in: ["scheduling.k8s.io"]),
                .allow(read, ["deviceclasses", "resourceclaims", "resourceslices"], in: ["resource.k8s.io"]),
            ] + eventWriting),
        BootstrapRole(
            name: "system:kube-controller-manager",
            rules: [
                .allow(["list", "watch"], ["*"], in: ["*"]),
                .allow(["get", "create", "update"], ["configmaps", "endpoints", "secrets", "serviceaccounts"]),
                .allow(["get"], ["namespaces"]), .allow(["delete"], ["secrets"]), .allow(["create"], ["serviceaccounts/token"]),
                .allow(["create", "get", "update"], ["leases"], in: ["coordination.k8s.io"]),
                .allow(["create"], ["tokenreviews"], in: ["authentication.k8s.io"]),
                .allow(["create"], ["subjectaccessreviews"], in: ["authorization.k8s.io"]),
            ] + eventWriting),
        // For a domain's own people and programs: bind it in the domain's namespace.
        BootstrapRole(
            name: "kuscia:domain",
            rules: [
                .allow(read, ["configmaps", "endpoints", "events", "pods", "pods/log", "services"]),
                .allow(readWrite, ["domaindatas", "domaindatagrants", "domaindatasources"], in: kuscia),
                .allow(read, ["kusciatasks", "kusciajobs", "kusciadeployments"], in: kuscia),
            ]),
    ]

    static let bindings: [BootstrapBinding] = [
        BootstrapBinding(role: "cluster-admin", subjects: [.group(SystemGroup.masters)]),
        BootstrapBinding(role: "system:basic-user", subjects: [.group(SystemGroup.authenticated)]),
        BootstrapBinding(role: "system:discovery", subjects: [.group(SystemGroup.authenticated)]),
        BootstrapBinding(
            role: "system:public-info-viewer", subjects: [.group(SystemGroup.authenticated), .group(SystemGroup.unauthenticated)]),
        BootstrapBinding(role: "system:service-account-issuer-discovery", subjects: [.group(ServiceAccountName.group)]),
        BootstrapBinding(role: "system:monitoring", subjects: [.group("system:monitoring")]),
        BootstrapBinding(role: "system:kube-scheduler", subjects: [.user("system:kube-scheduler")]),
        BootstrapBinding(role: "system:kube-controller-manager", subjects: [.user("system:kube-controller-manager")]),
        BootstrapBinding(role: "system:node", subjects: []),
    ]
}
