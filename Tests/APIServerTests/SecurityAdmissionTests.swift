// Admission steps of the security room, each asked by itself: node restriction, service accounts, escalation, certificates.
import JSON
import KubernetesModel
import ResourceStore
import Testing

@testable import APIServer

/// Objects by key, as if they were stored.
private struct FakeLookup: AdmissionLookup {
    var now: Int64 = 1_795_000_000
    var objects: [ResourceKey: JSONValue] = [:]

    func stored(_ key: ResourceKey) throws(StatusError) -> StoredObject? {
        guard let object = objects[key] else { return nil }
        let node = object["spec"]?["nodeName"]?.stringValue
        let labels = (object["metadata"]?["labels"]?.objectValue ?? [:]).map { ($0.key, $0.value.stringValue ?? "") }
        return StoredObject(
            key: key, revision: 1, bytes: object.serialized(),
            index: ObjectIndex(
                uid: object["metadata"]?["uid"]?.stringValue ?? "", labels: Dictionary(uniqueKeysWithValues: labels),
                fields: node.map { ["spec.nodeName": $0] } ?? [:]
            ))
    }

    func stored(_ collection: CollectionID, namespace: String?) throws(StatusError) -> [StoredObject] { [] }

    mutating func put(_ resource: String, _ namespace: String, _ name: String, _ object: JSONValue) {
        objects[ResourceKey(group: "", resource: resource, namespace: namespace, name: name)] = object
    }
}

/// Allows what a policy allows.
private struct PolicyAuthorizer: RuleHolding {
    var policy: ClusterPolicy
    func authorize(_ attributes: AuthorizationAttributes) -> AuthorizationDecision { policy.decide(attributes) }
    func rules(of user: UserInfo, in namespace: String?) -> [PolicyRule] { policy.rbac.rules(of: user, in: namespace) }
    func rules(ofRole role: RBACName) -> [PolicyRule]? { policy.rbac.rules(ofRole: role) }
}

/// Reads "CN|O1,O2|name,name" as a request and answers with a marker.
private struct TextSigner: CertificateSigning {
    func subject(ofCSR csrPEM: [UInt8]) throws -> CertificateSubject {
        let parts = String(decoding: csrPEM, as: UTF8.self).split(separator: "|", omittingEmptySubsequences: false).map(
            String.init)
        guard parts.count == 3 else { throw TestFailure("no request") }
        func list(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }
        return CertificateSubject(commonName: parts[0], organizations: list(parts[1]), dnsNames: list(parts[2]))
    }

    func sign(csrPEM: [UInt8], profile: CertificateProfile, expirationSeconds seconds: Int?) throws -> [UInt8] {
        Array("\(profile) \(seconds ?? 0)".utf8)
    }
}

struct SecurityAdmissionTests {
    private static let kinds = KindRegistry()
    private static let lite = UserInfo.lite("n1", domain: "alice")

    private static func attributes(
        _ user: UserInfo, _ operation: AdmissionAttributes.Operation, _ resource: String, group: String = "",
        namespace: String? = nil,
        name: String = "", sub: String = ""
    ) throws -> AdmissionAttributes {
        let kind = try #require(kinds[GroupVersionResource(group: group, resource: resource)], "\(resource) is not served")
        return AdmissionAttributes(
            user: user, operation: operation, kind: kind, namespace: namespace, name: name, subresource: sub)
    }

    /// nil: allowed; else the refusal's message.
    private static func restrict(
        _ operation: AdmissionAttributes.Operation, _ resource: String, group: String = "", namespace: String? = nil,
        sub: String = "",
        old: JSONValue? = nil, _ object: JSONValue, as user: UserInfo = lite, lookup: FakeLookup = FakeLookup()
    ) throws -> String? {
        let name = object["metadata"]?["name"]?.stringValue ?? old?["metadata"]?["name"]?.stringValue ?? ""
        let attributes = try attributes(user, operation, resource, group: group, namespace: namespace, name: name, sub: sub)
        var review = AdmissionReview(attributes, old: old, object: object)
        let step = NodeRestriction()
        guard step.handles(attributes) else { return nil }
        do { try step.validate(&review, lookup) } catch { return error.message }
        return nil
    }

    // MARK: Nodes

    private static func node(_ name: String = "n1", labels: JSONValue = [:], taints: JSONValue = [], domain: String = "alice")
        -> JSONValue
    {
        var all: JSONValue = ["kuscia.secretflow/namespace": .string(domain), "domain": .string(domain)]
        for (key, value) in labels.objectValue ?? [:] { all[key] = value }
        return ["metadata": ["name": .string(name), "labels": all], "spec": ["taints": taints]]
    }

    @Test("a node writes its own Node, with its own domain, and only labels that are its to say") func nodeLabels() throws {
        #expect(try Self.restrict(.create, "nodes", Self.node()) == nil)
        #expect(try Self.restrict(.create, "nodes", Self.node("n2")) != nil)
        #expect(try Self.restrict(.create, "nodes", Self.node(domain: "bob")) != nil)
        #expect(try Self.restrict(.create, "nodes", Self.node(labels: ["kubernetes.io/hostname": "h", "rack": "7"])) == nil)
        for label in [
            "node-restriction.kubernetes.io/team", "node-role.kubernetes.io/control-plane", "kubernetes.io/anything",
            "x.k8s.io/y",
        ] {
            let message = try Self.restrict(.create, "nodes", Self.node(labels: [label: "x"]))
            #expect(message?.contains(label) == true, "\(label): \(message ?? "allowed")")
            // What somebody else has set may stay, but not change.
            let labelled = Self.node(labels: [label: "x"])
            #expect(try Self.restrict(.update, "nodes", old: labelled, labelled) == nil)
            #expect(try Self.restrict(.update, "nodes", old: labelled, Self.node()) != nil)
        }
        let stock = UserInfo(name: "system:node:n1", groups: ["system:nodes"])
        #expect(try Self.restrict(.create, "nodes", ["metadata": ["name": "n1"]], as: stock) == nil)
        #expect(
            try Self.restrict(.create, "nodes", Self.node(), as: stock) != nil, "no domain may be claimed without its certificate"
        )
    }

    @Test("a node may add taints to itself, not take one away, nor make itself schedulable") func taints() throws {
        let tainted = Self.node(taints: [["key": "a", "effect": "NoSchedule"]])
        let both = Self.node(taints: [["key": "a", "effect": "NoSchedule"], ["key": "b", "effect": "NoExecute"]])
        #expect(try Self.restrict(.update, "nodes", old: tainted, both) == nil)
        #expect(try Self.restrict(.update, "nodes", old: both, tainted) != nil)
        let changed = Self.node(taints: [["key": "a", "effect": "PreferNoSchedule"]])
        #expect(try Self.restrict(.update, "nodes", old: tainted, changed) != nil)
        let cordoned = Self.node().with(["spec", "unschedulable"], true)
        #expect(try Self.restrict(.update, "nodes", old: cordoned, cordoned) == nil)
        #expect(try Self.restrict(.update, "nodes", old: cordoned, Self.node()) != nil)
    }

    @Test("a node writes only pods that are bound to it") func pods() throws {
        func pod(_ node: String?, labels: JSONValue = [:]) -> JSONValue {
            Laboratory.pod("p", node: node).with(["metadata", "labels"], labels)
        }
        #expect(try Self.restrict(.update, "pods", namespace: "alice", sub: "status", old: pod("n1"), pod("n1")) == nil)
        #expect(try Self.restrict(.update, "pods", namespace: "alice", sub: "status", old: pod("n2"), pod("n2")) != nil)
        #expect(try Self.restrict(.update, "pods", namespace: "alice", sub: "status", old: pod(nil), pod(nil)) != nil)
        #expect(
            try Self.restrict(.update, "pods", namespace: "alice", sub: "status", old: pod("n1"), pod("n1", labels: ["a": "b"]))
                != nil)
        #expect(try Self.restrict(.delete, "pods", namespace: "alice", old: pod("n1"), .null) == nil)
        #expect(try Self.restrict(.delete, "pods", namespace: "alice", old: pod("n2"), .null) != nil)
        #expect(try Self.restrict(.create, "pods", namespace: "alice", pod("n1")) != nil, "no mirror pod")
        let mirror = pod("n1").with(["metadata", "annotations"], ["kubernetes.io/config.mirror": "x"])
        #expect(try Self.restrict(.create, "pods", namespace: "alice", mirror) == nil)
        #expect(try Self.restrict(.create, "pods", namespace: "alice", mirror.with(["spec", "nodeName"], "n2")) != nil)
        let greedy = mirror.with(["spec", "volumes"], [["name": "v", "secret": ["secretName": "s"]]])
        #expect(try Self.restrict(.create, "pods", namespace: "alice", greedy) != nil)
    }

    @Test("a node gets tokens only for accounts of its pods, bound to them") func tokens() throws {
        var lookup = FakeLookup()
        func pod(_ uid: String, _ node: String) -> JSONValue {
            ["metadata": ["uid": .string(uid)], "spec": ["nodeName": .string(node), "serviceAccountName": "sa"]]
        }
        lookup.put("pods", "alice", "p", pod("u1", "n1"))
        lookup.put("pods", "alice", "q", pod("u2", "n2"))
        func ask(_ account: String, _ reference: JSONValue?) throws -> String? {
            try Self.restrict(
                .create, "serviceaccounts", namespace: "alice", sub: "token", old: ["metadata": ["name": .string(account)]],
                ["spec": reference.map { ["boundObjectRef": $0] } ?? [:], "metadata": ["name": .string(account)]], lookup: lookup)
        }
        func reference(_ name: String, _ uid: String?) -> JSONValue {
            var value: JSONValue = ["kind": "Pod", "apiVersion": "v1", "name": .string(name)]
            if let uid { value["uid"] = .string(uid) }
            return value
        }
        #expect(try ask("sa", reference("p", "u1")) == nil)
        #expect(try ask("sa", nil) != nil)
        #expect(try ask("sa", reference("p", nil)) != nil)
        #expect(try ask("sa", reference("p", "u2")) != nil)
        #expect(try ask("sa", reference("q", "u2")) != nil)
        #expect(try ask("other", reference("p", "u1")) != nil)
        #expect(try ask("sa", ["kind": "Secret", "apiVersion": "v1", "name": "x", "uid": "u1"]) != nil)
    }

    // MARK: Service accounts

    private static func admit(_ step: ServiceAccountAdmission, _ pod: JSONValue, _ lookup: FakeLookup) throws -> JSONValue {
        let attributes = try attributes(UserInfo(name: "ann"), .create, "pods", namespace: "alice", name: "p")
        var review = AdmissionReview(attributes, old: nil, object: pod)
        try step.mutate(&review, lookup)
        return review.object
    }

    @Test("a pod runs as the default account unless it names one that exists") func accounts() throws {
        var lookup = FakeLookup()
        let plain = try Self.admit(ServiceAccountAdmission(), Laboratory.pod("p"), lookup)
        #expect(plain["spec"]?["serviceAccountName"] == "default" && plain["spec"]?["volumes"] == nil)
        let named = Laboratory.pod("p").with(["spec", "serviceAccountName"], "runner")
        #expect(throws: StatusError.self) { try Self.admit(ServiceAccountAdmission(), named, lookup) }
        lookup.put("serviceaccounts", "alice", "runner", ["imagePullSecrets": [["name": "registry"]]])
        let admitted = try Self.admit(ServiceAccountAdmission(), named, lookup)
        #expect(admitted["spec"]?["imagePullSecrets"] == [["name": "registry"]])
    }

    @Test("tokens are mounted where the setting, the pod and the account want it") func tokenVolumes() throws {
        var lookup = FakeLookup()
        lookup.put("serviceaccounts", "alice", "default", [:])
        let on = ServiceAccountAdmission(mountsTokens: true)
        let pod = Laboratory.pod("p").with(["metadata", "uid"], "u1")
        let mounted = try Self.admit(on, pod, lookup)
        let name = try #require(mounted["spec"]?["volumes"]?[0]?["name"]?.stringValue)
        #expect(name.hasPrefix("kube-api-access-") && name.count == 21)
        #expect(mounted["spec"]?["containers"]?[0]?["volumeMounts"]?[0]?["name"]?.stringValue == name)
        #expect(mounted["spec"]?["volumes"]?[0]?["projected"]?["sources"]?.arrayValue?.count == 3)
        #expect(try Self.admit(ServiceAccountAdmission(), pod, lookup)["spec"]?["volumes"] == nil)
        let asked = pod.with(["spec", "automountServiceAccountToken"], true)
        #expect(try Self.admit(ServiceAccountAdmission(), asked, lookup)["spec"]?["volumes"] != nil)
        #expect(try Self.admit(on, pod.with(["spec", "automountServiceAccountToken"], false), lookup)["spec"]?["volumes"] == nil)
        let own = pod.with(
            ["spec", "containers", "0", "volumeMounts"], [["name": "v", "mountPath": .string(ServiceAccountAdmission.tokenPath)]])
        #expect(try Self.admit(on, own, lookup)["spec"]?["volumes"] == nil)
        lookup.put("serviceaccounts", "alice", "default", ["automountServiceAccountToken": false])
        #expect(try Self.admit(on, pod, lookup)["spec"]?["volumes"] == nil)
        #expect(try Self.admit(on, pod.with(["spec", "automountServiceAccountToken"], true), lookup)["spec"]?["volumes"] != nil)
    }

    // MARK: Certificates

    private static let csr = "certificates.k8s.io"

    private static func request(_ text: String, signer: String, usages: JSONValue) -> JSONValue {
        [
            "metadata": ["name": "r"],
            "spec": [
                "request": .string(Base64.encode(Array(text.utf8))), "signerName": .string(signer), "usages": usages,
                "username": "liar",
            ],
        ]
    }

    private static func certify(
        _ object: JSONValue, as user: UserInfo, old: JSONValue? = nil, sub: String = "", lookup: FakeLookup = FakeLookup(),
        policy: ClusterPolicy = ClusterPolicy()
    ) throws -> JSONValue {
        let attributes = try attributes(
            user, old == nil ? .create : .update, "certificatesigningrequests", group: csr, name: "r", sub: sub)
        let step = CertificateAdmission(authorizer: PolicyAuthorizer(policy: policy), signer: TextSigner())
        var review = AdmissionReview(attributes, old: old, object: object)
        try step.mutate(&review, lookup)
        try step.validate(&review, lookup)
        return review.object
    }

    private static let client = "kubernetes.io/kube-apiserver-client"
    private static let admin = UserInfo(name: "root", groups: ["system:masters"])

    private static func condition(_ type: String) -> JSONValue { ["type": .string(type), "status": "True", "reason": "X"] }

    @Test("a person's certificate waits for approval, and is signed in the commit that approves it") func approval() throws {
        let made = try Self.certify(
            Self.request("ann|dev|", signer: Self.client, usages: ["client auth"]), as: UserInfo(name: "ann", groups: ["g"]))
        #expect(made["spec"]?["username"] == "ann" && made["spec"]?["groups"] == ["g"] && made["status"] == nil)
        let approved = made.with(["status", "conditions"], [Self.condition("Approved")]).with(["spec", "username"], "other")
        #expect(throws: StatusError.self, "who may not approve") {
            try Self.certify(approved, as: UserInfo(name: "ann"), old: made, sub: "approval")
        }
        let signed = try Self.certify(approved, as: Self.admin, old: made, sub: "approval")
        #expect(signed["status"]?["certificate"]?.stringValue.flatMap(Base64.decode) == Array("client 0".utf8))
        #expect(signed["spec"]?["username"] == "ann", "an approval changes nothing else")
        // A decision stays.
        for conditions: JSONValue in [[], [Self.condition("Denied")], [Self.condition("Approved"), Self.condition("Denied")]] {
            let change = signed.with(["status", "conditions"], conditions)
            #expect(throws: StatusError.self, "\(conditions)") {
                try Self.certify(change, as: Self.admin, old: signed, sub: "approval")
            }
        }
        let denied = try Self.certify(
            made.with(["status", "conditions"], [Self.condition("Denied")]), as: Self.admin, old: made, sub: "approval")
        #expect(denied["status"]?["certificate"] == nil && denied["status"]?["conditions"]?[0]?["lastUpdateTime"] != nil)
    }

    @Test("what the signer does not sign fails after approval, or is not even stored") func signerRules() throws {
        let wrongUsage = try Self.certify(
            Self.request("ann||", signer: Self.client, usages: ["server auth"]), as: UserInfo(name: "ann"))
        let failed = try Self.certify(
            wrongUsage.with(["status", "conditions"], [Self.condition("Approved")]), as: Self.admin, old: wrongUsage,
            sub: "approval")
        #expect(failed["status"]?["certificate"] == nil && failed["status"]?["conditions"]?[1]?["type"] == "Failed")
        for text in ["root|system:masters|", "root|dev,system:masters|"] {
            #expect(throws: StatusError.self) {
                try Self.certify(Self.request(text, signer: Self.client, usages: ["client auth"]), as: UserInfo(name: "ann"))
            }
        }
        #expect(throws: StatusError.self) {
            try Self.certify(Self.request("junk", signer: Self.client, usages: ["client auth"]), as: UserInfo(name: "ann"))
        }
        let others = try Self.certify(
            Self.request("ann||", signer: "example.com/mine", usages: ["any"]), as: UserInfo(name: "ann"))
        #expect(others["status"] == nil)
    }

    @Test("a node's serving certificate is signed at once for its own names, else it waits") func serving() throws {
        let serving = "kubernetes.io/kubelet-serving"
        var lookup = FakeLookup()
        lookup.put(
            "nodes", "", "n1",
            [
                "metadata": ["labels": ["kuscia.secretflow/namespace": "alice"]],
                "status": ["addresses": [["type": "InternalIP", "address": "10.0.0.1"]]],
            ])
        func ask(_ text: String, as user: UserInfo) throws -> JSONValue {
            try Self.certify(
                Self.request(text, signer: serving, usages: ["server auth", "digital signature"]), as: user, lookup: lookup)
        }
        let subject = "system:node:n1|system:nodes,kuscia:domain:alice"
        let signed = try ask("\(subject)|n1,10.0.0.1", as: Self.lite)
        #expect(signed["status"]?["certificate"]?.stringValue.flatMap(Base64.decode) == Array("server 0".utf8))
        #expect(try ask("\(subject)|n1,other.example", as: Self.lite)["status"] == nil)
        #expect(throws: StatusError.self) { try ask("\(subject)|", as: Self.lite) }
        #expect(throws: StatusError.self) { try ask("system:node:n2|system:nodes,kuscia:domain:alice|n2", as: Self.lite) }
        #expect(throws: StatusError.self) { try ask("\(subject)|n1", as: .lite("n2", domain: "alice")) }
    }

    @Test("old requests are stale: undecided after a day, answered after an hour") func stale() {
        func request(_ conditions: JSONValue, certificate: JSONValue? = nil) -> JSONValue {
            var status: JSONValue = ["conditions": conditions]
            status["certificate"] = certificate
            return ["metadata": ["creationTimestamp": .string(RFC3339.text(seconds: 1_000_000))], "status": status]
        }
        func stale(_ request: JSONValue, after seconds: Int64) -> Bool {
            CertificateRequestPolicy.isStale(request, now: 1_000_000 + seconds)
        }
        #expect(!stale(request([]), after: 24 * 3600) && stale(request([]), after: 24 * 3600 + 1))
        let approved: JSONValue = [Self.condition("Approved")]
        #expect(!stale(request(approved), after: 3601) && stale(request(approved, certificate: "x"), after: 3601))
        #expect(stale(request([Self.condition("Denied")]), after: 3601))
        #expect(!stale(["metadata": [:]], after: 1_000_000))
    }

    // MARK: Escalation

    private static let rbac = "rbac.authorization.k8s.io"

    @Test("nobody writes a role or a binding with rights that he has not, unless he may escalate or bind") func escalation()
        throws
    {
        guard Self.kinds[GroupVersionResource(group: Self.rbac, resource: "roles")] != nil else { return }
        var policy = ClusterPolicy()
        policy.load(BootstrapPolicy.roles.map(BootstrapPolicy.object))
        func bind(_ user: String, _ role: String) -> JSONValue {
            [
                "kind": "RoleBinding", "metadata": ["name": .string(user), "namespace": "alice"],
                "roleRef": ["kind": "ClusterRole", "name": .string(role)], "subjects": [["kind": "User", "name": .string(user)]],
            ]
        }
        policy.load([bind("adm", "admin"), bind("ed", "edit")])
        let binder: JSONValue = [
            "kind": "Role", "metadata": ["name": "binder", "namespace": "alice"],
            "rules": [PolicyRule.allow(["bind"], ["clusterroles"], in: [Self.rbac], named: ["view"]).json],
        ]
        policy.load([
            binder,
            [
                "kind": "RoleBinding", "metadata": ["name": "b", "namespace": "alice"],
                "roleRef": ["kind": "Role", "name": "binder"],
                "subjects": [["kind": "User", "name": "bea"]],
            ],
        ])
        func write(_ resource: String, _ object: JSONValue, as user: UserInfo) throws -> Bool {
            let attributes = try Self.attributes(user, .create, resource, group: Self.rbac, namespace: "alice", name: "x")
            let step = RoleEscalation(authorizer: PolicyAuthorizer(policy: policy))
            guard step.handles(attributes) else { return true }
            var review = AdmissionReview(attributes, old: nil, object: object)
            do { try step.validate(&review, FakeLookup()) } catch { return false }
            return true
        }
        func role(_ rule: PolicyRule) -> JSONValue { ["metadata": ["name": "x"], "rules": [rule.json]] }
        func binding(_ role: String) -> JSONValue {
            ["roleRef": ["kind": "ClusterRole", "name": .string(role)], "subjects": [["kind": "User", "name": "eve"]]]
        }
        let (adm, ed, bea) = (UserInfo(name: "adm"), UserInfo(name: "ed"), UserInfo(name: "bea"))
        #expect(try write("roles", role(.allow(["get"], ["secrets"])), as: adm))
        #expect(try !write("roles", role(.allow(["get"], ["nodes"])), as: adm))
        #expect(try !write("roles", role(.allow(["*"], ["*"], in: ["*"])), as: adm))
        #expect(try write("roles", role(.allow(["*"], ["*"], in: ["*"])), as: Self.admin))
        #expect(try write("rolebindings", binding("edit"), as: adm) && !write("rolebindings", binding("admin"), as: ed))
        #expect(try !write("rolebindings", binding("cluster-admin"), as: adm))
        #expect(try write("rolebindings", binding("view"), as: bea) && !write("rolebindings", binding("edit"), as: bea))
        #expect(try !write("rolebindings", binding("unknown"), as: adm))
        let aggregating: JSONValue = ["aggregationRule": ["clusterRoleSelectors": [["matchLabels": ["a": "b"]]]]]
        #expect(try !write("clusterroles", aggregating, as: adm) && write("clusterroles", aggregating, as: Self.admin))
    }
}
