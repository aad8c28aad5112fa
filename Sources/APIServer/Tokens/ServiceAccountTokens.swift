// Issues service accounts' tokens, and says who shows one. A token is good while its signature, its time and the uids of its
// account and of what it is bound to are: deleting the pod, secret, node or account revokes it at once.
import JSON
import KubernetesModel
import ResourceStore
import Synchronization

/// Turns a bearer token into a user. nil: unknown here. Throws only when the question could not be answered.
public protocol TokenAuthenticator: Sendable {
    func authenticate(bearerToken: String) async throws -> UserInfo?
}

public final class ServiceAccountTokens: TokenAuthenticator {
    /// Checking a signature costs a hundred times the rest: so many tokens are remembered as rightly signed.
    static let rememberedTokens = 1024

    public let issuer: String
    /// Audiences of this API server itself, the first one for tokens that ask for none.
    public let audiences: [String]
    let keys: any TokenSigning
    private let store: any ResourceStore
    private let now: @Sendable () -> Int64
    private let signed = Mutex<[String: ServiceAccountClaims]>([:])

    public static let defaultIssuer = "https://kubernetes.default.svc"

    /// `now` in seconds since 1970.
    public init(
        store: any ResourceStore, keys: any TokenSigning, issuer: String = defaultIssuer, audiences: [String] = [defaultIssuer],
        now: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.keys = keys
        self.issuer = issuer
        self.audiences = audiences.isEmpty ? [issuer] : audiences
        self.now = now
    }

    public func authenticate(bearerToken: String) async throws -> UserInfo? {
        guard SignedToken.isPlausible(bearerToken) else { return nil }
        return try? verify(bearerToken, audiences: audiences).user
    }

    /// Throws `TokenProblem`, or `StoreError` when the store cannot be asked.
    func verify(_ token: String, audiences accepted: [String]) throws -> ServiceAccountClaims {
        let claims = try claims(token)
        if let problem = claims.problem(issuer: issuer, audiences: accepted, now: now()) { throw problem }
        try requirePresent(claims)
        return claims
    }

    func issue(_ claims: ServiceAccountClaims) throws -> String { try SignedToken.make(claims.json, with: keys) }

    /// Signed rightly, whatever it says.
    private func claims(_ token: String) throws(TokenProblem) -> ServiceAccountClaims {
        if let known = signed.withLock({ $0[token] }) { return known }
        let payload = try SignedToken(parsing: token).verifiedPayload(keys)
        guard let claims = ServiceAccountClaims(payload) else { throw .malformed }
        signed.withLock { signed in
            if signed.count >= Self.rememberedTokens { signed.removeAll(keepingCapacity: true) }
            signed[token] = claims
        }
        return claims
    }

    private func requirePresent(_ claims: ServiceAccountClaims) throws {
        func has(_ resource: String, _ namespace: String, _ object: BoundObject) throws -> Bool {
            let key = ResourceKey(group: "", resource: resource, namespace: namespace, name: object.name)
            return try store.peek(key)?.index.uid == object.uid
        }
        guard try has("serviceaccounts", claims.namespace, claims.account) else { throw TokenProblem.accountGone }
        let bound = [
            ("pods", claims.namespace, claims.pod), ("secrets", claims.namespace, claims.secret), ("nodes", "", claims.node),
        ]
        for (resource, namespace, object) in bound {
            guard let object else { continue }
            guard try has(resource, namespace, object) else { throw TokenProblem.boundObjectGone }
        }
    }
}

/// What others need to check our tokens: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
extension ServiceAccountTokens {
    static let configurationPath = "/.well-known/openid-configuration"
    static let keysPath = "/openid/v1/jwks"

    var configuration: JSONValue {
        [
            "issuer": .string(issuer), "jwks_uri": .string(issuer + Self.keysPath), "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        ]
    }

    var keySet: JSONValue {
        [
            "keys": .array(
                keys.publicKeys.map { key in
                    [
                        "use": "sig", "kty": "EC", "kid": .string(key.id), "crv": "P-256", "alg": "ES256",
                        "x": .string(Base64URL.encode(key.x)), "y": .string(Base64URL.encode(key.y)),
                    ]
                })
        ]
    }
}
