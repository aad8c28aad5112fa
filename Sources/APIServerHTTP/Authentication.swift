// Who is calling: a verified client certificate, else a bearer token, else nobody in particular.
import APIServer
import Crypto
import PKI

/// A fixed list of tokens (the administrator's token file). Compared in constant time.
public struct StaticTokenAuthenticator: TokenAuthenticator {
    private let entries: [(digest: SHA256.Digest, user: UserInfo)]

    public init(_ tokens: [(token: String, user: UserInfo)]) {
        entries = tokens.filter { !$0.token.isEmpty }.map { (SHA256.hash(data: Array($0.token.utf8)), $0.user) }
    }

    public func authenticate(bearerToken: String) async throws -> UserInfo? {
        // Digests have one length and compare in constant time; every entry is looked at, so that neither the place nor
        // the length of a match shows in the time taken.
        let digest = SHA256.hash(data: Array(bearerToken.utf8))
        var found: UserInfo?
        for entry in entries where entry.digest == digest { found = entry.user }
        return found
    }
}

/// Tokens that something else looks up: the master's one-time deploy tokens.
public struct LookupTokenAuthenticator: TokenAuthenticator {
    private let lookup: @Sendable (_ tokenSHA256: [UInt8]) async throws -> UserInfo?

    /// `lookup` is given the token's SHA-256, so that the store needs to hold no token, and its comparison leaks nothing.
    public init(lookup: @escaping @Sendable (_ tokenSHA256: [UInt8]) async throws -> UserInfo?) {
        self.lookup = lookup
    }

    public func authenticate(bearerToken: String) async throws -> UserInfo? {
        try await lookup(Array(SHA256.hash(data: Array(bearerToken.utf8))))
    }
}

/// Asks one after the other; the first that knows the token answers.
public struct TokenAuthenticatorChain: TokenAuthenticator {
    private let members: [any TokenAuthenticator]

    public init(_ members: [any TokenAuthenticator]) { self.members = members }

    public func authenticate(bearerToken: String) async throws -> UserInfo? {
        for member in members {
            if let user = try await member.authenticate(bearerToken: bearerToken) { return user }
        }
        return nil
    }
}

/// The outcome for one request.
enum Identity: Sendable {
    case user(UserInfo)
    case anonymous
    /// A token was given, and nobody knows it.
    case refused
}

struct RequestAuthenticator: Sendable {
    static let openPaths = OpenPaths.all
    static let anonymousUser = UserInfo(name: "system:anonymous", groups: ["system:unauthenticated"])
    private static let authenticated = "system:authenticated"

    let tokens: any TokenAuthenticator
    let gate: CredentialGate

    /// The certificate wins over a token, as in Kubernetes' chain of authenticators. Throws `FrontStatus` 429 when too many unknown
    /// tokens have come from `source`.
    func identify(certificateUser: UserInfo?, authorization: String?, source: SourceAddress) async throws -> Identity {
        if let certificateUser { return .user(certificateUser) }
        guard let authorization else { return .anonymous }
        guard let token = Self.bearerToken(authorization),
            let user = try await gate.limited(token, from: source, { try await tokens.authenticate(bearerToken: $0) })
        else { return .refused }
        return .user(Self.withAuthenticatedGroup(user))
    }

    fileprivate static func withAuthenticatedGroup(_ user: UserInfo) -> UserInfo {
        guard !user.groups.contains(authenticated) else { return user }
        var user = user
        user.groups.append(authenticated)
        return user
    }

    /// No token of ours is longer; others are not even looked up.
    private static let maximumTokenBytes = 16 << 10

    private static func bearerToken(_ header: String) -> String? {
        guard header.utf8.count <= maximumTokenBytes else { return nil }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }
}

/// CN and O of a certificate that TLS has verified against our authority.
struct CertificateIdentity: Sendable {
    private let user: UserInfo
    private let notAfter: Int64

    /// nil for one that is not a client's: the master's own server certificate identifies nobody.
    init?(der: [UInt8]) {
        guard let info = try? CertificateInfo(der: der), info.isForClients, !info.isAuthority else { return nil }
        user = RequestAuthenticator.withAuthenticatedGroup(UserInfo(name: info.commonName, groups: info.organizations))
        notAfter = info.notAfter
    }

    /// nil once the certificate has ended, which TLS sees only when a connection begins. `now` in seconds since 1970.
    func user(at now: Int64) -> UserInfo? { now < notAfter ? user : nil }
}

/// The cluster's authority as the core's signer of certificate requests.
public struct AuthorityCertificateSigner: CertificateSigning {
    private let authority: CertificateAuthority

    public init(_ authority: CertificateAuthority) { self.authority = authority }

    public func subject(ofCSR csrPEM: [UInt8]) throws -> CertificateSubject {
        let request = try CertificateRequest(pem: String(decoding: csrPEM, as: UTF8.self))
        return CertificateSubject(
            commonName: request.commonName, organizations: request.organizations, dnsNames: request.names.dnsNames,
            ipAddresses: request.names.ipAddresses, hasOtherNames: request.hasOtherNames)
    }

    public func sign(csrPEM: [UInt8], profile: CertificateProfile, expirationSeconds seconds: Int?) throws -> [UInt8] {
        let request = try CertificateRequest(pem: String(decoding: csrPEM, as: UTF8.self))
        let validity = seconds.map(Int64.init) ?? CertificateAuthority.leafValiditySeconds
        let certificate =
            switch profile {
            case .client: try authority.signClient(request, validitySeconds: validity)
            case .server: try authority.signServer(request, validitySeconds: validity)
            }
        return Array(certificate.utf8)
    }
}

/// The cluster's keys as the core's signer of service accounts' tokens.
public struct TokenKeySigner: TokenSigning {
    private let keys: TokenKeys

    public init(_ keys: TokenKeys) { self.keys = keys }

    public var keyID: String { keys.keyID }
    public var publicKeys: [TokenPublicKey] { keys.publicKeys.map { TokenPublicKey(id: $0.id, x: $0.x, y: $0.y) } }
    public func signature(for message: [UInt8]) throws -> [UInt8] { try keys.signature(for: message) }

    public func isValid(_ signature: [UInt8], for message: [UInt8], keyID: String) -> Bool? {
        keys.isValid(signature, for: message, keyID: keyID)
    }
}
