// Credentials over real TLS: service accounts' tokens with real signatures, impersonation, certificates that are asked for,
// approved and used; limits.
import APIServer
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import PKI
import Synchronization
import Testing

@testable import APIServerHTTP
@testable import KubernetesClientHTTP

@Suite("Security over TLS")
struct SecurityOverTLSTests {
    @Test("ES256 keys: what one signs the other accepts while it is listed, and nothing else") func tokenKeys() throws {
        let old = TokenKeys.makePEM()
        let keys = try TokenKeys(privateKeyPEM: old)
        let message = Array("message".utf8)
        let signature = try keys.signature(for: message)
        #expect(signature.count == 64 && keys.isValid(signature, for: message, keyID: keys.keyID) == true)
        #expect(keys.isValid(signature, for: message + [0], keyID: keys.keyID) == false)
        #expect(keys.isValid(signature, for: message, keyID: "other") == nil)
        for length in [0, 1, 63, 65] {
            #expect(keys.isValid(Array(repeating: 0, count: length), for: message, keyID: keys.keyID) == false)
        }
        let new = try TokenKeys(privateKeyPEM: TokenKeys.makePEM(), retiredPEMs: [old])
        #expect(new.keyID != keys.keyID && new.isValid(signature, for: message, keyID: keys.keyID) == true)
        #expect(new.publicKeys.count == 2 && new.publicKeys.allSatisfy { $0.x.count == 32 && $0.y.count == 32 })
        #expect(throws: PKIError.self) { try TokenKeys(privateKeyPEM: "junk") }
    }

    /// Invariant I-CSR-1: a request that differs from a signed one is refused, or says the same as before.
    @Test("no mutation of a certificate request says something else, and none crashes", arguments: 0..<4)
    func requestMutations(seed: UInt64) throws {
        let made = try CertificateRequest.make(
            commonName: "system:node:n1", organizations: ["system:nodes", "kuscia:domain:alice"],
            names: ServerNames(dnsNames: ["n1"], ipAddresses: ["10.0.0.1"]))
        let original = try CertificateRequest(pem: made.requestPEM)
        #expect(original.names == ServerNames(dnsNames: ["n1"], ipAddresses: ["10.0.0.1"]) && !original.hasOtherNames)
        let text = Array(made.requestPEM.utf8)
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        for _ in 0..<300 {
            var bytes = text
            for _ in 0...random(2) {
                let place = random(bytes.count)
                switch random(4) {
                case 0: bytes[place] ^= UInt8(1 << random(8))
                case 1: bytes.insert(UInt8(random(256)), at: place)
                case 2: bytes.remove(at: place)
                default: bytes = Array(bytes.prefix(max(place, 1)))
                }
            }
            guard let read = try? CertificateRequest(pem: String(decoding: bytes, as: UTF8.self)) else { continue }
            #expect(
                read.commonName == original.commonName && read.organizations == original.organizations
                    && read.names == original.names,
                "seed \(seed)")
        }
    }

    @Test("certificates are renewed in time, spread, and tried again more than once before the end") func renewal() {
        let schedule = RenewalSchedule(notBefore: 1000, notAfter: 11_000)
        for jitter in [-1, 0, 0.3, 0.999, 2.0] { #expect((8000...9000).contains(schedule.renewal(jitter: jitter))) }
        #expect(schedule.pause(now: 1000, jitter: 0) == 7000 && schedule.pause(now: 8000, jitter: 0) == 0)
        #expect(schedule.pause(now: 20_000, jitter: 0.5) == 0)
        var now: Int64 = 8000
        var attempts = 0
        while now < 11_000 {
            attempts += 1
            now += schedule.retryPause(now: now, failures: attempts)
        }
        #expect(attempts >= 6, "\(attempts)")
        let year = RenewalSchedule(notBefore: 0, notAfter: 365 * 86400)
        #expect(year.retryPause(now: 260 * 86400, failures: 60) == RenewalSchedule.longestPause)
    }

    @Test("files of secrets are read only when nobody else can") func secretFiles() throws {
        let path = "/tmp/swiftlet-secret-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(path) }
        try CertificateFiles.write(
            "0123456789abcdef0123,ann,u1,\"dev,ops\"\n# comment\n\nfedcba9876543210,root,,system:masters\n", to: path, mode: 0o600
        )
        _ = try StaticTokenAuthenticator(file: path)
        chmod(path, 0o640)
        #expect(throws: PKIError.self) { try StaticTokenAuthenticator(file: path) }
        chmod(path, 0o600)
        for line in ["short,ann,u", "0123456789abcdef0123", "0123456789abcdef0123,,u", "0123456789abcdef0123,ann,u,\"open"] {
            try CertificateFiles.write(line, to: path, mode: 0o600)
            let error = #expect(throws: PKIError.self) { try StaticTokenAuthenticator(file: path) }
            #expect(error?.description.contains("0123456789abcdef0123") == false, "a token in an error: \(line)")
        }
        #expect(StaticTokenAuthenticator.fields("a,\"b,c\",d") == ["a", "b,c", "d"])
    }

    @Test("a static token is found by its user and groups") func staticTokens() async throws {
        let path = "/tmp/swiftlet-tokens-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(path) }
        try CertificateFiles.write("0123456789abcdef0123,ann,u1,\"dev,ops\"\n", to: path, mode: 0o600)
        let tokens = try StaticTokenAuthenticator(file: path)
        #expect(
            try await tokens.authenticate(bearerToken: "0123456789abcdef0123")
                == UserInfo(name: "ann", uid: "u1", groups: ["dev", "ops"]))
        #expect(try await tokens.authenticate(bearerToken: "0123456789abcdef012") == nil)
    }

    // MARK: Whole servers

    private static let accounts = GroupVersionResource(resource: "serviceaccounts")

    private func object(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A server that issues tokens, with an account `runner` in alice.
    private func withTokens(_ body: @escaping @Sendable (FrontLaboratory, ServiceAccountTokens) async throws -> Void) async throws
    {
        try await FrontLaboratory.run { laboratory async throws in
            let keys = try TokenKeys(privateKeyPEM: TokenKeys.makePEM())
            let tokens = ServiceAccountTokens(store: laboratory.store, keys: TokenKeySigner(keys), now: { unixNow() })
            laboratory.handler.security.install(tokens: tokens)
            laboratory.lateTokens.install(tokens)
            try await laboratory.handler.installBootstrapPolicy()
            _ = try await laboratory.client(laboratory.admin) { api in
                try await api.create(
                    Self.accounts, namespace: "alice", name: nil, subresource: nil,
                    body: Array(#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"runner"}}"#.utf8))
            }
            try await body(laboratory, tokens)
        }
    }

    private static func token(_ api: HTTPKubernetesAPI, _ spec: String = "{}") async throws -> String {
        let body = #"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":\#(spec)}"#
        let answer = try await api.create(
            accounts, namespace: "alice", name: "runner", subresource: "token", body: Array(body.utf8))
        return try #require(try JSONValue(parsing: answer)[path: "status", "token"]?.stringValue)
    }

    private static func whoAmI(_ api: HTTPKubernetesAPI) async throws -> JSONValue {
        let resource = GroupVersionResource(group: "authentication.k8s.io", resource: "selfsubjectreviews")
        let answer = try await api.create(
            resource, namespace: nil, name: nil, subresource: nil,
            body: Array(#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#.utf8))
        return try #require(try JSONValue(parsing: answer)[path: "status", "userInfo"])
    }

    @Test("a requested token is its account, until the account is deleted") func serviceAccount() async throws {
        try await withTokens { laboratory, _ in
            let token = try await laboratory.client(laboratory.admin) { try await Self.token($0) }
            let credentials = ClientCredentials(bearerToken: token)
            try await laboratory.client(credentials) { api in
                let user = try await Self.whoAmI(api)
                #expect(user["username"] == "system:serviceaccount:alice:runner")
                #expect(user["groups"]?.arrayValue?.contains("system:serviceaccounts:alice") == true)
                let refused = try await refusal { _ = try await api.list(configMaps, namespace: "alice", options: ListOptions()) }
                #expect(refused.code == 403)
            }
            // A binding holds from the next request on.
            _ = try await laboratory.client(laboratory.admin) { api in
                try await api.create(
                    GroupVersionResource(group: "rbac.authorization.k8s.io", resource: "rolebindings"), namespace: "alice",
                    name: nil,
                    subresource: nil,
                    body: Array(
                        #"""
                        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"v"},
                         "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},
                         "subjects":[{"kind":"ServiceAccount","name":"runner","namespace":"alice"}]}
                        """#.utf8))
            }
            try await laboratory.client(credentials) { api in
                _ = try await api.list(configMaps, namespace: "alice", options: ListOptions())
                let elsewhere = try await refusal { _ = try await api.list(configMaps, namespace: "bob", options: ListOptions()) }
                #expect(elsewhere.code == 403)
                let (keys, document) = (
                    try await api.send("GET", "/openid/v1/jwks"), try await api.send("GET", "/.well-known/openid-configuration")
                )
                #expect(keys.status.code == 200 && document.status.code == 200)
            }
            _ = try await laboratory.client(laboratory.admin) { api in
                try await api.delete(Self.accounts, namespace: "alice", name: "runner", options: DeleteOptions())
            }
            try await laboratory.client(credentials) { api in
                let error = try await refusal { _ = try await Self.whoAmI(api) }
                #expect(error.code == 401)
            }
        }
    }

    @Test("a token bound to a pod ends with the pod; a node gets such tokens for its own pods only") func boundTokens()
        async throws
    {
        try await withTokens { laboratory, _ in
            try await laboratory.bindPod("p", to: "n1", account: "runner")
            let uid = try await laboratory.client(laboratory.admin) { api in
                try JSONValue(parsing: try await api.get(pods, namespace: "alice", name: "p", subresource: nil))[
                    path: "metadata", "uid"]?.stringValue ?? ""
            }
            let spec = #"{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p","uid":"\#(uid)"}}"#
            let token = try await laboratory.client(laboratory.node("n1")) { try await Self.token($0, spec) }
            try await laboratory.client(laboratory.node("n2")) { api in
                let error = try await refusal { _ = try await Self.token(api, spec) }
                #expect(error.code == 403)
            }
            try await laboratory.client(laboratory.node("n1")) { api in
                let error = try await refusal { _ = try await Self.token(api) }
                #expect(error.code == 403, "not bound to a pod")
            }
            try await laboratory.client(ClientCredentials(bearerToken: token)) { api in
                let user = try await Self.whoAmI(api)
                #expect(user[path: "extra", "authentication.kubernetes.io/pod-name"]?[0] == "p")
            }
            _ = try await laboratory.client(laboratory.admin) { api in
                try await api.delete(pods, namespace: "alice", name: "p", options: DeleteOptions(gracePeriodSeconds: 0))
            }
            try await laboratory.client(ClientCredentials(bearerToken: token)) { api in
                let error = try await refusal { _ = try await Self.whoAmI(api) }
                #expect(error.code == 401)
            }
        }
    }

    @Test("who may impersonate acts as the other, who may not is refused") func impersonation() async throws {
        try await withTokens { laboratory, _ in
            try await laboratory.client(laboratory.admin) { api in
                let answer = try await api.send(
                    "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body: .bytes(Array("{}".utf8)),
                    headers: [("Impersonate-User", "eve"), ("Impersonate-Group", "dev")])
                let user = try JSONValue(parsing: Array((try await answer.body.collect(upTo: 1 << 16)).readableBytesView))[
                    path: "status", "userInfo"]
                #expect(user?["username"] == "eve" && user?["groups"] == ["dev", "system:authenticated"])
                let listed = try await refusal {
                    _ = try await api.send("GET", "/api/v1/namespaces/alice/secrets", headers: [("Impersonate-User", "eve")])
                }
                #expect(listed.code == 403)
                let alone = try await refusal {
                    _ = try await api.send("GET", "/api", headers: [("Impersonate-Group", "system:masters")])
                }
                #expect(alone.code == 400)
            }
            try await laboratory.client(laboratory.node("n1")) { api in
                let refused = try await refusal {
                    _ = try await api.send("GET", "/api", headers: [("Impersonate-User", "kubernetes-admin")])
                }
                #expect(refused.code == 403)
            }
        }
    }

    @Test("a certificate that a person asks for is good once it has been approved") func certificateApproval() async throws {
        try await withTokens { laboratory, _ in
            let made = try CertificateRequest.make(commonName: "ann", organizations: ["dev"])
            let requests = GroupVersionResource(group: "certificates.k8s.io", resource: "certificatesigningrequests")
            let pem = try await laboratory.client(laboratory.admin) { api -> String in
                let body: JSONValue = [
                    "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": ["name": "ann"],
                    "spec": [
                        "request": .string(base64(made.requestPEM)), "signerName": "kubernetes.io/kube-apiserver-client",
                        "usages": ["client auth"], "expirationSeconds": 3600,
                    ],
                ]
                var object = try JSONValue(
                    parsing: try await api.create(requests, namespace: nil, name: nil, subresource: nil, body: body.serialized()))
                #expect(object["status"]?["certificate"] == nil)
                object["status"] = [
                    "conditions": [["type": "Approved", "status": "True", "reason": "Test", "message": "by hand"]]
                ]
                let approved = try await api.update(
                    requests, namespace: nil, name: "ann", subresource: "approval", body: object.serialized())
                return fromBase64(try #require(try JSONValue(parsing: approved)[path: "status", "certificate"]?.stringValue))
            }
            let info = try CertificateInfo(pem: pem)
            #expect(info.commonName == "ann" && info.isForClients && !info.isForServers && info.notAfter - unixNow() <= 3600)
            try await laboratory.client(ClientCredentials(certificatePEM: pem, privateKeyPEM: made.privateKeyPEM)) { api in
                let user = try await Self.whoAmI(api)
                #expect(user["username"] == "ann")
            }
        }
    }

    @Test("a certificate that has ended identifies nobody, and a server's nobody either") func certificateIdentity() throws {
        let authority = try CertificateAuthority(CertificateAuthority.makeNew())
        func der(_ pem: String) -> [UInt8] {
            fromBase64Bytes(pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined())
        }
        let now = unixNow()
        let client = try authority.issueClient(commonName: "ann", organizations: ["dev"], validitySeconds: 100, now: now)
        let identity = try #require(CertificateIdentity(der: der(client.certificatePEM)))
        #expect(identity.user(at: now)?.groups == ["dev", "system:authenticated"])
        #expect(identity.user(at: now + 100) == nil)
        let server = try authority.issueServer(commonName: "ann", names: ServerNames(dnsNames: ["x.test"]))
        #expect(CertificateIdentity(der: der(server.certificatePEM)) == nil)
        #expect(CertificateIdentity(der: der(authority.certificatePEM)) == nil)
    }

    @Test("beyond a caller's limits is 429 with Retry-After, for that caller only") func limits() async throws {
        var configuration = FairQueue.Configuration()
        configuration.seats = 2
        configuration.seatsPerCaller = 1
        configuration.waitingPerCaller = 1
        configuration.maximumWaitMilliseconds = 100
        let gate = LimitsGate(configuration)
        let (ann, bob) = (
            UserInfo(name: "ann", groups: ["system:authenticated"]), UserInfo(name: "bob", groups: ["system:authenticated"])
        )
        func enter(_ user: UserInfo) async throws -> RequestTicket {
            try await gate.enter(user, method: .get, path: "/api/v1/namespaces/alice/pods", isLongRunning: false)
        }
        let first = try await enter(ann)
        let second = Task { try await enter(ann) }
        try await eventually("the second waits") { gate.load.waiting == 1 }
        do {
            _ = try await enter(ann)
            Issue.record("a third was let in")
        } catch let refusal as FrontStatus {
            #expect(refusal.code == 429 && refusal.reason == "TooManyRequests" && refusal.retryAfterSeconds == 1)
        }
        let other = try await enter(bob)
        other.leave()
        first.leave()
        let ticket = try await second.value
        // Whoever waits too long is told so, whoever goes leaves the queue.
        await #expect(throws: FrontStatus.self) { _ = try await enter(ann) }
        let gone = Task { try await enter(ann) }
        try await eventually("it waits") { gate.load.waiting == 1 }
        gone.cancel()
        await #expect(throws: CancellationError.self) { _ = try await gone.value }
        ticket.leave()
        #expect(gate.load == (0, 0))
        let master = UserInfo(name: "root", groups: ["system:masters"])
        let free = try await gate.enter(master, method: .get, path: "/api", isLongRunning: false)
        #expect(free === RequestTicket.free)
    }
}
