// A Lite's way to its certificate: requests signed or refused.
import JSON
import Testing

@testable import APIServer

/// Reads "CN|O1,O2" as a request and answers with a marker.
private struct FakeSigner: CertificateSigning {
    func subject(ofCSR csrPEM: [UInt8]) throws -> CertificateSubject {
        let parts = String(decoding: csrPEM, as: UTF8.self).split(separator: "|").map(String.init)
        guard parts.count == 2 else { throw TestFailure("no request") }
        return CertificateSubject(commonName: parts[0], organizations: parts[1].split(separator: ",").map(String.init))
    }

    func sign(csrPEM: [UInt8], profile: CertificateProfile, expirationSeconds seconds: Int?) throws -> [UInt8] {
        Array("signed".utf8)
    }
}

struct CertificateTests {
    private let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

    private func request(_ name: String, _ subject: String) -> JSONValue {
        [
            "metadata": ["name": .string(name)],
            "spec": [
                "request": .string(Base64.encode(Array(subject.utf8))), "username": "system:admin",
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "usages": ["client auth"],
            ],
        ]
    }

    @Test("a deploy token's request for a node of its domain is signed at once")
    func signed() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        let token = UserInfo.deployToken("alice")
        let made = try await lab.must(
            .post, path, request("r", "system:node:alice-1|system:nodes,kuscia:domain:alice"), as: token)
        #expect(made["status"]?["certificate"]?.stringValue.flatMap(Base64.decode) == Array("signed".utf8))
        #expect(made["status"]?["conditions"]?[0]?["type"] == "Approved")
        #expect(made["spec"]?["username"] == "kuscia:deploy-token:alice")
        #expect(try await lab.send(.get, "\(path)/r", as: token).status == 200)
        #expect(try await lab.send(.get, "\(path)/r", as: .deployToken("bob")).status == 403)
    }

    @Test(
        "a request beyond the asker's domain is refused and not stored",
        arguments: [
            "system:node:bob-1|system:nodes,kuscia:domain:bob", "system:node:taken|system:nodes,kuscia:domain:alice",
            "kubernetes-admin|system:masters", "system:node:a|system:nodes,kuscia:domain:alice,system:masters",
            "system:node:a|system:nodes,kuscia:domain:alice,kuscia:domain:bob", "alice-1|system:nodes,kuscia:domain:alice",
        ])
    func refused(_ subject: String) async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("taken", domain: "bob"))
        let answer = try await lab.send(.post, path, request("r", subject), as: .deployToken("alice"))
        #expect(answer.status == 403, "\(answer.message)")
        #expect(try await lab.send(.get, "\(path)/r").status == 404)
    }

    @Test("what is no certificate request is refused")
    func malformed() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        let answer = try await lab.send(.post, path, request("r", "junk"), as: .deployToken("alice"))
        #expect(answer.status == 422)
        #expect(answer.fields == ["spec.request"])
    }

    @Test("a node renews its own certificate only")
    func renewal() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        let lite = UserInfo.lite("alice-1", domain: "alice")
        try await lab.must(.post, path, request("r", "system:node:alice-1|system:nodes,kuscia:domain:alice"), as: lite)
        let other = try await lab.send(
            .post, path, request("q", "system:node:alice-2|system:nodes,kuscia:domain:alice"), as: lite)
        #expect(other.status == 403)
    }

    // MARK: Whose a node's name is

    private func ask(_ lab: Laboratory, _ name: String, node: String, as domain: String) async throws -> Laboratory.Answer {
        try await lab.send(
            .post, path, request(name, "system:node:\(node)|system:nodes,kuscia:domain:\(domain)"), as: .deployToken(domain))
    }

    @Test("a node's name is the domain's that first got a certificate for it, also while there is no Node")
    func firstComes() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        #expect(try await ask(lab, "a", node: "nb2", as: "alice").status == 201)
        let second = try await ask(lab, "b", node: "nb2", as: "bob")
        #expect(second.status == 403)
        #expect(second.message.contains("\"nb2\"") && second.message.contains("another domain"), "\(second.message)")
        // A certificate from elsewhere does not help.
        let bobs = UserInfo.lite("nb2", domain: "bob")
        #expect(try await lab.send(.post, "/api/v1/nodes", Laboratory.node("nb2", domain: "bob"), as: bobs).status == 403)
        let alices = UserInfo.lite("nb2", domain: "alice")
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("nb2", domain: "alice"), as: alices)
        // The Node goes, the Lite comes again: by what it has, and by a new token.
        try await lab.must(.delete, "/api/v1/nodes/nb2")
        #expect(try await ask(lab, "c", node: "nb2", as: "bob").status == 403)
        #expect(try await ask(lab, "d", node: "nb2", as: "alice").status == 201)
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("nb2", domain: "alice"), as: alices)
        // An administrator gives the name free.
        try await lab.must(.delete, "/api/v1/nodes/nb2")
        try await lab.must(.delete, "/api/v1/namespaces/kube-system/configmaps/node-name.nb2")
        #expect(try await ask(lab, "e", node: "nb2", as: "bob").status == 201)
        #expect(try await lab.send(.post, "/api/v1/nodes", Laboratory.node("nb2", domain: "alice"), as: alices).status == 403)
    }

    @Test("a Node of no domain is not taken by one")
    func domainless() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        try await lab.must(.post, "/api/v1/nodes", ["metadata": ["name": "stock"]])
        let answer = try await ask(lab, "r", node: "stock", as: "alice")
        #expect(answer.status == 403)
        #expect(answer.message.contains("no domain"), "\(answer.message)")
    }

    @Test("of two domains that ask for a name at once one gets it, and a registration is as good as a certificate")
    func together() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        for round in 0..<200 {
            async let alice = ask(lab, "a\(round)", node: "n\(round)", as: "alice").status
            async let bob = ask(lab, "b\(round)", node: "n\(round)", as: "bob").status
            #expect(try await [alice, bob].sorted() == [201, 403])
        }
        let lite = UserInfo.lite("own", domain: "alice")
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("own", domain: "alice"), as: lite)
        try await lab.must(.delete, "/api/v1/nodes/own")
        #expect(try await ask(lab, "x", node: "own", as: "bob").status == 403)
    }

    @Test("a certificate for a name opens nothing of a Node that is another domain's, or of none")
    func use() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("nb2", domain: "bob"))
        try await lab.must(.post, "/api/v1/nodes", ["metadata": ["name": "stock"]])
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        for node in ["nb2", "stock"] {
            try await lab.must(.post, leases, ["metadata": ["name": .string(node)]])
        }
        let figures = { (node: String) -> JSONValue in
            [
                "metadata": ["name": .string(node)], "timestamp": "2026-01-01T00:00:00Z", "window": "30s",
                "usage": ["cpu": "1", "memory": "1Gi"],
            ]
        }
        func statuses(_ node: String, _ user: UserInfo) async throws -> [Int] {
            [
                try await lab.send(.get, "/api/v1/nodes/\(node)", as: user).status,
                try await lab.send(
                    .patch, "\(leases)/\(node)", ["spec": ["holderIdentity": "x"]], type: "application/merge-patch+json",
                    as: user
                ).status,
                try await lab.send(.post, "/apis/metrics.k8s.io/v1beta1/nodes", figures(node), as: user).status,
            ]
        }
        #expect(try await statuses("nb2", .lite("nb2", domain: "alice")) == [403, 403, 403])
        #expect(try await statuses("stock", .lite("stock", domain: "alice")) == [403, 403, 403])
        #expect(try await statuses("nb2", .lite("nb2", domain: "bob")) == [200, 200, 201])
        let kubelet = UserInfo(name: "system:node:stock", groups: ["system:nodes", "system:authenticated"])
        #expect(try await statuses("stock", kubelet) == [200, 200, 201])
    }

    @Test("whom a role lets read and approve requests does so, though no administrator")
    func approver() async throws {
        let lab = try await Laboratory(signer: FakeSigner())
        let boss = UserInfo(name: "boss", groups: ["system:authenticated"])
        try await lab.must(
            .post, "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            [
                "metadata": ["name": "all"],
                "rules": [["apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]]],
            ])
        try await lab.must(
            .post, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            [
                "metadata": ["name": "boss"], "subjects": [["kind": "User", "name": "boss"]],
                "roleRef": ["kind": "ClusterRole", "name": "all"],
            ])
        let ann = UserInfo(name: "ann", groups: ["system:authenticated"])
        let other = request("r", "ann|dev").with(["spec", "signerName"], "kubernetes.io/kube-apiserver-client")
        #expect(try await lab.send(.post, path, other, as: ann).status == 403)
        var found = try await lab.must(.post, path, other, as: boss)
        try await lab.must(
            .post, path, other.with(["metadata", "name"], "n").with(["spec", "username"], "x"), as: .master)
        found = try await lab.must(.get, "\(path)/n", as: boss)
        found.set(["status", "conditions"], to: [["type": "Approved", "status": "True", "reason": "X"]])
        let approved = try await lab.must(.put, "\(path)/n/approval", found, as: boss)
        #expect(approved["status"]?["certificate"] != nil)
        // Whose right comes from being a node or from a deploy token sees its own only.
        #expect(try await lab.send(.get, "\(path)/n", as: .lite("a", domain: "alice")).status == 403)
        #expect(try await lab.send(.get, "\(path)/n", as: .deployToken("alice")).status == 403)
    }
}
