// Who may come in: every kind of caller against a real listener.
import APIServer
import JSON
import KubernetesClient
import KubernetesModel
import PKI
import Testing

@testable import APIServerHTTP
@testable import KubernetesClientHTTP

@Suite("Callers are identified by certificate or token")
struct IdentityTests {
    private func code(_ laboratory: FrontLaboratory, _ credentials: ClientCredentials) async throws -> Int? {
        try await laboratory.client(credentials) { api in
            do {
                _ = try await api.list(configMaps, namespace: "alice", options: ListOptions())
                return 200
            } catch let error as KubernetesAPIError {
                return error.code
            }
        }
    }

    @Test("nobody is refused with 401, except where anybody may ask") func anonymous() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            #expect(try await code(laboratory, .none) == 401)
            try await laboratory.client(.none) { api in
                for path in ["/healthz", "/livez", "/readyz", "/version"] {
                    let code = try await api.send("GET", path).status.code
                    #expect(code == 200, "\(path)")
                }
                let error = try await refusal { _ = try await api.send("GET", "/metrics") }
                #expect(error.code == 401 && error.reason == "Unauthorized")
            }
        }
    }

    @Test("an administrator's certificate and token open everything; other tokens nothing") func administrators() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            #expect(try await code(laboratory, laboratory.admin) == 200)
            #expect(try await code(laboratory, ClientCredentials(bearerToken: FrontLaboratory.adminToken)) == 200)
            #expect(try await code(laboratory, ClientCredentials(bearerToken: "wrong")) == 401)
            #expect(try await code(laboratory, ClientCredentials(bearerToken: FrontLaboratory.deployToken)) == 403)
        }
    }

    @Test("a node's certificate opens its own domain only") func nodes() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            #expect(try await code(laboratory, laboratory.node("n1", domain: "alice")) == 200)
            #expect(try await code(laboratory, laboratory.node("n2", domain: "bob")) == 403)
        }
    }

    @Test("a certificate of another authority does not even get through the handshake") func foreignAuthority() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let other = try CertificateAuthority(CertificateAuthority.makeNew())
            let pair = try other.issueClient(commonName: "kubernetes-admin", organizations: ["system:masters"])
            let code = try await code(
                laboratory, ClientCredentials(certificatePEM: pair.certificatePEM, privateKeyPEM: pair.privateKeyPEM))
            #expect(code == nil)
        }
    }

    @Test("the master's own server certificate identifies nobody") func serverCertificateIsNoClient() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let pair = try laboratory.authority.issueServer(
                commonName: "kubernetes-admin", names: ServerNames(dnsNames: ["x.test"]))
            let code = try await code(
                laboratory, ClientCredentials(certificatePEM: pair.certificatePEM, privateKeyPEM: pair.privateKeyPEM))
            #expect(code != 200)
        }
    }

    @Test("a client trusts no server of another authority") func clientVerifiesServer() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let other = try CertificateAuthority(CertificateAuthority.makeNew())
            let api = try HTTPKubernetesAPI(
                endpoint: APIServerEndpoint(server: laboratory.server, authorityPEM: other.certificatePEM),
                credentials: ClientCredentials(bearerToken: FrontLaboratory.adminToken))
            let error = try await refusal { _ = try await api.list(configMaps, namespace: "alice", options: ListOptions()) }
            #expect(error.code == nil)
            await api.shutdown()
        }
    }

    @Test("credentials can be replaced while the client lives") func rotation() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let bob = try laboratory.node("n1", domain: "bob")
            let alice = try laboratory.node("n1", domain: "alice")
            try await laboratory.client(bob) { api in
                let error = try await refusal { _ = try await api.list(configMaps, namespace: "alice", options: ListOptions()) }
                #expect(error.code == 403)
                try api.replaceCredentials(alice)
                _ = try await api.list(configMaps, namespace: "alice", options: ListOptions())
            }
        }
    }

    @Test("a deploy token turns into a node's certificate by a certificate request") func bootstrap() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let made = try CertificateRequest.make(
                commonName: "system:node:n9", organizations: ["system:nodes", "kuscia:domain:alice"])
            let requests = GroupVersionResource(group: "certificates.k8s.io", resource: "certificatesigningrequests")
            let certificate = try await laboratory.client(ClientCredentials(bearerToken: FrontLaboratory.deployToken)) { api in
                let body: JSONValue = [
                    "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
                    "metadata": ["name": "n9"],
                    "spec": [
                        "request": .string(base64(made.requestPEM)),
                        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                        "usages": ["digital signature", "client auth"],
                    ],
                ]
                let answer = try await api.create(
                    requests, namespace: nil, name: nil, subresource: nil, body: body.serialized())
                return try #require(try JSONValue(parsing: answer)[path: "status", "certificate"]?.stringValue)
            }
            let node = ClientCredentials(certificatePEM: fromBase64(certificate), privateKeyPEM: made.privateKeyPEM)
            #expect(try await code(laboratory, node) == 200)
        }
    }
}
