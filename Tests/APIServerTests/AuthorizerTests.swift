// Who may do what: the authoriser's table.
import JSON
import ResourceStore
import Testing

@testable import APIServer

struct AuthorizerTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var user: UserInfo
        var verb: String
        var group = ""
        var resource = ""
        var subresource = ""
        var namespace: String?
        var name: String?
        var path = ""
        var allowed: Bool

        var testDescription: String {
            "\(user.name) \(verb) \(resource)/\(subresource) \(namespace ?? "-") \(name ?? "-") \(path): \(allowed)"
        }
    }

    private static let admin = UserInfo(name: "kubernetes-admin", groups: ["system:masters"])
    private static let lite = UserInfo.lite("alice-1", domain: "alice")
    private static let token = UserInfo.deployToken("alice")
    private static let nobody = UserInfo(name: "nobody", groups: ["system:authenticated"])
    private static let anonymous = UserInfo(name: "system:anonymous", groups: ["system:unauthenticated"])
    private static let csr = "certificates.k8s.io"

    static let rows: [Row] = [
        Row(user: admin, verb: "deletecollection", resource: "secrets", namespace: "bob", allowed: true),
        Row(user: admin, verb: "get", path: "/anything", allowed: true),
        // A Lite: its domain's namespace.
        Row(user: lite, verb: "list", resource: "pods", namespace: "alice", allowed: true),
        Row(user: lite, verb: "watch", resource: "configmaps", namespace: "alice", allowed: true),
        Row(user: lite, verb: "get", resource: "secrets", namespace: "alice", name: "s", allowed: true),
        Row(user: lite, verb: "delete", resource: "pods", namespace: "alice", name: "p", allowed: true),
        Row(user: lite, verb: "patch", resource: "pods", subresource: "status", namespace: "alice", name: "p", allowed: true),
        Row(user: lite, verb: "delete", resource: "pods", namespace: "alice", name: "q", allowed: false),
        Row(user: lite, verb: "patch", resource: "pods", subresource: "status", namespace: "alice", name: "q", allowed: false),
        Row(user: lite, verb: "get", resource: "secrets", namespace: "alice", name: "t", allowed: false),
        Row(user: lite, verb: "list", resource: "secrets", namespace: "alice", allowed: false),
        Row(user: lite, verb: "watch", resource: "secrets", namespace: "alice", name: "s", allowed: true),
        Row(
            user: lite, verb: "create", resource: "serviceaccounts", subresource: "token", namespace: "alice", name: "default",
            allowed: true),
        Row(
            user: lite, verb: "create", resource: "serviceaccounts", subresource: "token", namespace: "alice", name: "other",
            allowed: false),
        Row(user: lite, verb: "list", resource: "pods", namespace: "bob", allowed: false),
        Row(user: lite, verb: "list", resource: "pods", allowed: false),
        Row(user: lite, verb: "get", resource: "secrets", namespace: "bob", name: "s", allowed: false),
        // Mirrors of static pods: NodeRestriction lets no other pod through.
        Row(user: lite, verb: "create", resource: "pods", namespace: "alice", allowed: true),
        Row(user: lite, verb: "create", resource: "pods", namespace: "bob", allowed: false),
        Row(user: lite, verb: "update", resource: "pods", namespace: "alice", name: "p", allowed: false),
        Row(user: lite, verb: "patch", resource: "pods", namespace: "alice", name: "p", allowed: false),
        Row(user: lite, verb: "create", resource: "pods", subresource: "binding", namespace: "alice", name: "p", allowed: false),
        Row(user: lite, verb: "deletecollection", resource: "pods", namespace: "alice", allowed: false),
        Row(user: lite, verb: "update", resource: "configmaps", namespace: "alice", name: "c", allowed: false),
        Row(user: lite, verb: "get", resource: "pods", subresource: "log", namespace: "alice", name: "p", allowed: false),
        // Events.
        Row(user: lite, verb: "create", resource: "events", namespace: "alice", allowed: true),
        Row(user: lite, verb: "patch", resource: "events", namespace: "default", name: "e", allowed: true),
        Row(user: lite, verb: "create", resource: "events", namespace: "bob", allowed: false),
        // Its node, lease, certificate, tunnel.
        Row(user: lite, verb: "create", resource: "nodes", allowed: true),
        Row(user: lite, verb: "patch", resource: "nodes", name: "alice-1", allowed: true),
        Row(user: lite, verb: "patch", resource: "nodes", subresource: "status", name: "alice-1", allowed: true),
        Row(user: lite, verb: "patch", resource: "nodes", subresource: "status", name: "bob-1", allowed: false),
        Row(user: lite, verb: "list", resource: "nodes", allowed: false),
        Row(user: lite, verb: "delete", resource: "nodes", name: "alice-1", allowed: false),
        Row(
            user: lite, verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: "kube-node-lease",
            name: "alice-1", allowed: true),
        Row(
            user: lite, verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: "kube-node-lease",
            name: "bob-1", allowed: false),
        Row(user: lite, verb: "create", group: csr, resource: "certificatesigningrequests", allowed: true),
        Row(user: lite, verb: "list", group: csr, resource: "certificatesigningrequests", allowed: false),
        Row(
            user: lite, verb: "get", group: "swiftlet.io", resource: "nodes", subresource: "tunnel", name: "alice-1",
            allowed: true),
        Row(
            user: lite, verb: "create", group: "swiftlet.io", resource: "nodes", subresource: "tunnel/7", name: "alice-1",
            allowed: true),
        Row(
            user: lite, verb: "get", group: "swiftlet.io", resource: "nodes", subresource: "tunnel", name: "bob-1", allowed: false
        ),
        Row(
            user: lite, verb: "list", group: "kuscia.secretflow", resource: "kusciajobs", namespace: "cross-domain",
            allowed: false),
        Row(user: lite, verb: "get", path: "/apis", allowed: true),
        Row(user: lite, verb: "get", path: "/metrics", allowed: false),
        // A deploy token.
        Row(user: token, verb: "create", group: csr, resource: "certificatesigningrequests", allowed: true),
        Row(user: token, verb: "get", group: csr, resource: "certificatesigningrequests", name: "n", allowed: true),
        Row(user: token, verb: "watch", group: csr, resource: "certificatesigningrequests", allowed: false),
        Row(
            user: token, verb: "update", group: csr, resource: "certificatesigningrequests", subresource: "status", name: "n",
            allowed: false),
        Row(user: token, verb: "list", resource: "pods", namespace: "alice", allowed: false),
        Row(user: token, verb: "create", resource: "nodes", allowed: false),
        // Others.
        Row(user: nobody, verb: "list", resource: "pods", namespace: "alice", allowed: false),
        Row(user: nobody, verb: "get", path: "/api/v1", allowed: true),
        Row(user: anonymous, verb: "get", path: "/healthz", allowed: true),
        Row(user: anonymous, verb: "get", path: "/api", allowed: false),
        // Two domains are none.
        Row(
            user: UserInfo(name: "system:node:x", groups: ["system:nodes", "kuscia:domain:alice", "kuscia:domain:bob"]),
            verb: "list", resource: "pods", namespace: "alice", allowed: false),
    ]

    /// Bootstrap roles, and two pods on nodes of alice: `p` on alice-1 with secret `s`, `q` on alice-2 with secret `t`.
    static let policy: ClusterPolicy = {
        var policy = ClusterPolicy()
        policy.load(BootstrapPolicy.roles.map(BootstrapPolicy.object) + BootstrapPolicy.bindings.map(BootstrapPolicy.object))
        policy.load([podWithSecret("p", on: "alice-1", "s"), podWithSecret("q", on: "alice-2", "t")])
        return policy
    }()

    static func podWithSecret(_ name: String, in namespace: String = "alice", on node: String, _ secret: String) -> JSONValue {
        Laboratory.pod(name, namespace: namespace, node: node).with(
            ["spec", "volumes"], [["name": "v", "secret": ["secretName": .string(secret)]]])
    }

    @Test("each caller reaches what is its own and nothing else", arguments: rows)
    func decision(_ row: Row) {
        let decision = Self.policy.decide(
            AuthorizationAttributes(
                user: row.user, verb: row.verb, path: row.path, group: row.group, resource: row.resource,
                subresource: row.subresource, namespace: row.namespace, name: row.name))
        #expect((decision == .allow) == row.allowed)
    }

    @Test("a refusal is worded as Kubernetes words it")
    func wording() async throws {
        let lab = try await Laboratory()
        let answer = try await lab.send(.get, "/api/v1/namespaces/bob/pods", as: Self.lite)
        #expect(answer.status == 403)
        #expect(answer.reason == "Forbidden")
        #expect(
            answer.message.hasPrefix(
                "pods is forbidden: User \"system:node:alice-1\" cannot list resource \"pods\" in API group \"\" in the namespace \"bob\""
            ))
    }

    @Test("a Lite cannot register another domain's node, nor move its own")
    func nodeLabels() async throws {
        let lab = try await Laboratory()
        let foreign = try await lab.send(.post, "/api/v1/nodes", Laboratory.node("alice-1", domain: "bob"), as: Self.lite)
        #expect(foreign.status == 403)
        let other = try await lab.send(.post, "/api/v1/nodes", Laboratory.node("other", domain: "alice"), as: Self.lite)
        #expect(other.status == 403)
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("alice-1", domain: "alice"), as: Self.lite)
        let moved = try await lab.send(
            .patch, "/api/v1/nodes/alice-1", ["metadata": ["labels": ["kuscia.secretflow/namespace": "bob"]]],
            type: "application/merge-patch+json", as: Self.lite)
        #expect(moved.status == 403)
    }

    @Test("a Lite writes events about its own Node to the namespace default, and no others, whatever was said before")
    func nodeEvents() async throws {
        let lab = try await Laboratory()
        let path = "/api/v1/namespaces/default/events"
        func event(_ name: String, _ kind: String, _ about: String) -> JSONValue {
            [
                "metadata": ["name": .string(name)], "reason": "R", "message": "of \(about)",
                "involvedObject": ["kind": .string(kind), "name": .string(about)],
            ]
        }
        let merge = "application/merge-patch+json"
        try await lab.must(.post, path, event("own", "Node", "alice-1"), as: Self.lite)
        try await lab.must(.patch, "\(path)/own", ["count": 2], type: merge, as: Self.lite)
        try await lab.must(.post, path, event("bobs", "Node", "bob-1"))
        try await lab.must(.post, path, event("job", "Domain", "alice-1"))
        for name in ["bobs", "job"] {
            // An empty patch would answer with the whole event.
            let read = try await lab.send(.patch, "\(path)/\(name)", [:], type: merge, as: Self.lite)
            #expect(read.status == 403 && !read.message.contains("bob-1"), "\(read.message)")
            let taken = try await lab.send(
                .patch, "\(path)/\(name)", ["involvedObject": ["kind": "Node", "name": "alice-1"]], type: merge, as: Self.lite)
            #expect(taken.status == 403)
        }
        #expect(try await lab.send(.post, path, event("x", "Node", "bob-1"), as: Self.lite).status == 403)
        let moved = try await lab.send(
            .patch, "\(path)/own", ["involvedObject": ["name": "bob-1"]], type: merge, as: Self.lite)
        #expect(moved.status == 403)
        let group = "/apis/events.k8s.io/v1/namespaces/default/events"
        let modern: JSONValue = ["eventTime": "2026-11-21T10:00:00.000001Z", "reportingComponent": "c", "action": "A"]
        try await lab.must(.patch, "\(path)/bobs", modern, type: merge)
        #expect(try await lab.send(.patch, "\(group)/bobs", [:], type: merge, as: Self.lite).status == 403)
        // In its own domain's namespace it reports its pods.
        let pod = event("pod", "Pod", "p").with(["involvedObject", "namespace"], "alice")
        try await lab.must(.post, "/api/v1/namespaces/alice/events", pod, as: Self.lite)
    }
}

extension ClusterPolicy {
    /// As if these objects had just been stored.
    mutating func load(_ objects: [JSONValue]) {
        for object in objects { apply(Self.event(.added, object)) }
    }

    static func event(_ kind: StoreEvent.Kind, _ object: JSONValue, uid: String = "u") -> StoreEvent {
        let declared = object["kind"]?.stringValue ?? ""
        let resource = declared.lowercased() + "s"
        let namespace = object["metadata"]?["namespace"]?.stringValue ?? ""
        let key = ResourceKey(
            group: declared == "Pod" ? "" : rbacGroup, resource: resource, namespace: namespace,
            name: object["metadata"]?["name"]?.stringValue ?? "")
        let fields = object["spec"]?["nodeName"]?.stringValue.map { ["spec.nodeName": $0] } ?? [:]
        let stored = StoredObject(
            key: key, revision: 1, bytes: object.serialized(), index: ObjectIndex(uid: uid, labels: [:], fields: fields))
        return StoreEvent(kind: kind, object: stored, previous: nil)
    }
}
