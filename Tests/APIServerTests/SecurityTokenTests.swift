// Service accounts' tokens: what is issued, what is accepted, and that nothing else is.
import JSON
import ResourceStore
import Synchronization
import Testing

@testable import APIServer

/// Keys whose signature is a digest with a secret; ES256 itself is tested where the cryptography is.
struct FakeTokenKeys: TokenSigning {
    var keyID = "k1"
    var publicKeys: [TokenPublicKey] {
        [TokenPublicKey(id: keyID, x: Array(repeating: 1, count: 32), y: Array(repeating: 2, count: 32))]
    }

    func signature(for message: [UInt8]) throws -> [UInt8] {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        var bytes: [UInt8] = []
        for round in 0..<8 {
            for byte in message + Array("secret-\(round)".utf8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
            withUnsafeBytes(of: state) { bytes += $0 }
        }
        return bytes
    }

    func isValid(_ signature: [UInt8], for message: [UInt8], keyID: String) -> Bool? {
        guard keyID == self.keyID else { return nil }
        return (try? self.signature(for: message)) == signature
    }
}

struct SecurityTokenTests {
    /// A store with an account and what tokens are bound to, and a clock by hand.
    private final class Fixture: Sendable {
        let store: JournaledStore
        let tokens: ServiceAccountTokens

        init() async throws {
            let store = try JournaledStore.inMemory()
            self.store = store
            let clock = ClockBox()
            box = clock
            tokens = ServiceAccountTokens(store: store, keys: FakeTokenKeys(), now: { clock.now.load(ordering: .relaxed) })
            for (resource, namespace, name) in [
                ("serviceaccounts", "alice", "runner"), ("pods", "alice", "p"), ("nodes", "", "n"),
            ] {
                let key = ResourceKey(group: "", resource: resource, namespace: namespace, name: name)
                _ = try await store.commit([
                    .create(
                        key, bytes: Array(#"{"metadata":{}}"#.utf8),
                        index: ObjectIndex(uid: "uid-\(name)", labels: [:], fields: [:]))
                ])
            }
        }

        private let box: ClockBox
        func advance(_ seconds: Int64) { box.now.wrappingAdd(seconds, ordering: .relaxed) }

        func claims(_ change: (inout ServiceAccountClaims) -> Void = { _ in }) -> ServiceAccountClaims {
            let now = box.now.load(ordering: .relaxed)
            var claims = ServiceAccountClaims(
                issuer: tokens.issuer, audiences: tokens.audiences, issuedAt: now, notBefore: now, expires: now + 600, id: "id-1",
                namespace: "alice", account: BoundObject(name: "runner", uid: "uid-runner"),
                pod: BoundObject(name: "p", uid: "uid-p"), node: BoundObject(name: "n", uid: "uid-n"), secret: nil)
            change(&claims)
            return claims
        }

        func remove(_ resource: String, _ namespace: String, _ name: String) async throws {
            _ = try await store.commit([
                .delete(ResourceKey(group: "", resource: resource, namespace: namespace, name: name), expectedRevision: nil)
            ])
        }

        func user(_ token: String) async throws -> UserInfo? { try await tokens.authenticate(bearerToken: token) }
    }

    private final class ClockBox: Sendable {
        let now = Atomic<Int64>(1_795_000_000)
    }

    @Test("a token says who shows it, and what it is bound to") func accepted() async throws {
        let fixture = try await Fixture()
        let user = try #require(try await fixture.user(fixture.tokens.issue(fixture.claims())))
        #expect(user.name == "system:serviceaccount:alice:runner" && user.uid == "uid-runner")
        #expect(user.groups == ["system:serviceaccounts", "system:serviceaccounts:alice", "system:authenticated"])
        #expect(user.extra["authentication.kubernetes.io/pod-uid"] == ["uid-p"])
        #expect(user.extra["authentication.kubernetes.io/credential-id"] == ["JTI=id-1"])
    }

    @Test("time, issuer and audience are checked each time, also of a token seen before") func time() async throws {
        let fixture = try await Fixture()
        let token = try fixture.tokens.issue(fixture.claims())
        #expect(try await fixture.user(token) != nil)
        fixture.advance(599)
        #expect(try await fixture.user(token) != nil)
        fixture.advance(1)
        #expect(try await fixture.user(token) == nil)
        for change: @Sendable (inout ServiceAccountClaims) -> Void in [
            { $0.issuer = "https://other" }, { $0.audiences = ["vault"] }, { $0.audiences = [] }, { $0.notBefore += 60 },
            { $0.issuedAt += 60 },
        ] {
            #expect(try await fixture.user(fixture.tokens.issue(fixture.claims(change))) == nil)
        }
        let vault = try fixture.tokens.issue(fixture.claims { $0.audiences = ["vault"] })
        #expect(try fixture.tokens.verify(vault, audiences: ["vault"]).id == "id-1")
    }

    @Test("a token ends with its account, its pod and its node, and a new object of the same name does not revive it")
    func revoked() async throws {
        for (resource, namespace, name) in [("serviceaccounts", "alice", "runner"), ("pods", "alice", "p"), ("nodes", "", "n")] {
            let fixture = try await Fixture()
            let token = try fixture.tokens.issue(fixture.claims())
            #expect(try await fixture.user(token) != nil)
            try await fixture.remove(resource, namespace, name)
            #expect(try await fixture.user(token) == nil, "\(resource)")
            let key = ResourceKey(group: "", resource: resource, namespace: namespace, name: name)
            _ = try await fixture.store.commit([
                .create(key, bytes: Array("{}".utf8), index: ObjectIndex(uid: "another", labels: [:], fields: [:]))
            ])
            #expect(try await fixture.user(token) == nil, "\(resource) made anew")
        }
    }

    @Test("algorithms other than ES256, above all none, and unknown keys are refused") func algorithms() async throws {
        let fixture = try await Fixture()
        let token = try fixture.tokens.issue(fixture.claims())
        let parts = token.split(separator: ".").map(String.init)
        func headed(_ header: String) throws -> String {
            let head = Base64URL.encode(Array(header.utf8))
            let signature = try FakeTokenKeys().signature(for: Array("\(head).\(parts[1])".utf8))
            return "\(head).\(parts[1]).\(Base64URL.encode(signature))"
        }
        #expect(try await fixture.user(headed(#"{"alg":"ES256","kid":"k1"}"#)) != nil)
        for header in [
            #"{"alg":"none","kid":"k1"}"#, #"{"alg":"HS256","kid":"k1"}"#, #"{"alg":"ES256"}"#, #"{"alg":"ES256","kid":"k2"}"#,
            #"{"alg":"ES256","kid":"k1","crit":["x"]}"#, #"{"alg":"ES256","kid":"k1","typ":"JWE"}"#, "[]", "",
        ] {
            #expect(try await fixture.user(headed(header)) == nil, "\(header)")
        }
        #expect(try await fixture.user(parts[0] + "." + parts[1] + ".") == nil)
    }

    /// Invariant I-TOKEN-1: a text that differs from an issued token in any byte is not accepted.
    @Test("no mutation of a token is accepted, and none crashes", arguments: 0..<6) func mutations(seed: UInt64) async throws {
        let fixture = try await Fixture()
        var random = SeededRandom(seed: seed)
        let token = Array(try fixture.tokens.issue(fixture.claims()).utf8)
        for _ in 0..<400 {
            var bytes = token
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                case 2 where !bytes.isEmpty: bytes.remove(at: place)
                case 3: bytes = Array(bytes.prefix(place))
                default: bytes += bytes[place...]
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            if Array(text.utf8) == token { continue }
            let user = try await fixture.user(text)
            #expect(user == nil, "seed \(seed): \(text)")
        }
    }

    @Test("base64url has one text per value") func base64URL() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 250) }
            let text = Base64URL.encode(bytes)
            #expect(Base64URL.decode(text.utf8) == bytes)
            for byte in Array("+/=. \n".utf8) { #expect(Base64URL.decode(Array(text.utf8) + [byte]) == nil) }
        }
        #expect(Base64URL.decode("AA".utf8) == [0])
        for text in ["A", "AB", "AAB", "AAAAA"] { #expect(Base64URL.decode(text.utf8) == nil, "\(text)") }
    }

    @Test("a token's order is bounded") func orders() {
        func order(_ spec: JSONValue) -> (TokenOrder, [String]) {
            var errors: [FieldError] = []
            let order = TokenOrder(["spec": spec], errors: &errors)
            return (order, errors.map(\.field))
        }
        #expect(order([:]).0.seconds == 3600 && order([:]).1.isEmpty)
        #expect(order(["expirationSeconds": 599]).1 == ["spec.expirationSeconds"])
        #expect(order(["expirationSeconds": 600]).1.isEmpty)
        #expect(order(["expirationSeconds": 4_294_967_297]).1 == ["spec.expirationSeconds"])
        #expect(order(["expirationSeconds": 4_294_967_296]).0.seconds == 7 * 86400)
        #expect(order(["audiences": [""]]).1 == ["spec.audiences"])
        #expect(order(["boundObjectRef": ["kind": "ConfigMap", "name": "x"]]).1 == ["spec.boundObjectRef"])
        #expect(order(["boundObjectRef": ["kind": "Pod", "apiVersion": "v1", "name": "x"]]).0.bound?.name == "x")
    }

    @Test("who may act as somebody else is asked for every part of the other's identity") func impersonation() throws {
        let caller = UserInfo(name: "ann")
        let headers = [
            ("Accept", "x"), ("Impersonate-User", "eve"), ("impersonate-group", "dev"), ("Impersonate-Group", "ops"),
            ("Impersonate-Uid", "u"), ("Impersonate-Extra-scopes%2Fx", "read"),
        ].map { (name: $0.0, value: $0.1) }
        let request = try #require(ImpersonationRequest(headers: headers))
        let plan = try #require(ImpersonationPlan(request, by: caller))
        #expect(plan.questions.allSatisfy { $0.user == caller && $0.verb == "impersonate" })
        #expect(
            plan.questions.map { "\($0.group)/\($0.resource)/\($0.subresource) \($0.name ?? "")" } == [
                "/users/ eve", "/groups/ dev", "/groups/ ops", "authentication.k8s.io/uids/ u",
                "authentication.k8s.io/userextras/scopes/x read",
            ])
        #expect(
            plan.user
                == UserInfo(name: "eve", uid: "u", groups: ["dev", "ops", "system:authenticated"], extra: ["scopes/x": ["read"]]))
        #expect(ImpersonationRequest(headers: [(name: "Accept", value: "x")]) == nil)
        let alone = try #require(ImpersonationRequest(headers: [(name: "Impersonate-Group", value: "system:masters")]))
        #expect(ImpersonationPlan(alone, by: caller) == nil)
        let account = try #require(
            ImpersonationRequest(headers: [(name: "Impersonate-User", value: "system:serviceaccount:a:b")]))
        let asAccount = try #require(ImpersonationPlan(account, by: caller))
        #expect(asAccount.questions.map(\.resource) == ["serviceaccounts"] && asAccount.questions[0].namespace == "a")
        #expect(asAccount.user.groups.contains("system:serviceaccounts:a"))
    }
}
