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
}
