// A certificate signing request (PKCS#10): how a node that has only a deploy token comes to a client certificate, the
// way a kubelet does (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/).
import Crypto
import SwiftASN1
import X509

/// A request that proved possession of its private key.
public struct CertificateRequest: Sendable {
    public let commonName: String
    public let organizations: [String]
    /// DNS names and addresses that it asks for.
    public let names: ServerNames
    /// Whether it asks for names of other kinds too (e-mail, URI).
    public let hasOtherNames: Bool
    let publicKey: Certificate.PublicKey

    /// Requests of people's keys are a few kilobytes; this bounds what is parsed for a stranger.
    static let maximumBytes = 64 << 10
    /// The key of a 2048-bit RSA request, as it is written in it; shorter ones are too weak.
    private static let minimumRSAKeyBytes = 290

    /// Reads and verifies a PEM request. Throws `PKIError.malformed` unless it has exactly one common name, no other
    /// subject fields than organizations, a key on P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits, and a
    /// signature by that key.
    public init(pem: String) throws {
        guard pem.utf8.count <= Self.maximumBytes else {
            throw PKIError.malformed(what: "certificate request", why: "it is too long")
        }
        let request = try PKIError.reading("certificate request") { try CertificateSigningRequest(pemEncoded: pem) }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw PKIError.malformed(what: "certificate request", why: "its signature does not fit its key")
        }
        guard Self.isStrong(request.publicKey) else {
            throw PKIError.malformed(what: "certificate request", why: "its key is of a kind or length that is not signed")
        }
        (commonName, organizations) = try request.subject.userAndGroups(of: "certificate request")
        publicKey = request.publicKey
        let alternatives = try Self.alternatives(request)
        names = ServerNames(alternatives: alternatives)
        hasOtherNames = alternatives.count != names.dnsNames.count + names.ipAddresses.count
    }

    private static func isStrong(_ key: Certificate.PublicKey) -> Bool {
        P256.Signing.PublicKey(key) != nil || P384.Signing.PublicKey(key) != nil || P521.Signing.PublicKey(key) != nil
            || Curve25519.Signing.PublicKey(key) != nil || key.subjectPublicKeyInfoBytes.count >= minimumRSAKeyBytes
    }

    private static func alternatives(_ request: CertificateSigningRequest) throws -> [GeneralName] {
        try PKIError.reading("certificate request") {
            try request.attributes.extensionRequest?.extensions.subjectAlternativeNames.map { Array($0) } ?? []
        }
    }

    /// A new P-256 key and a request for it.
    public static func make(
        commonName: String, organizations: [String], names: ServerNames = ServerNames()
    ) throws -> (requestPEM: String, privateKeyPEM: String) {
        let key = P256.Signing.PrivateKey()
        var attributes = CertificateSigningRequest.Attributes()
        let alternatives = try names.generalNames
        if !alternatives.isEmpty {
            attributes = try CertificateSigningRequest.Attributes([
                .init(ExtensionRequest(extensions: Certificate.Extensions { SubjectAlternativeNames(alternatives) }))
            ])
        }
        let request = try CertificateSigningRequest(
            version: .v1, subject: .of(commonName: commonName, organizations: organizations),
            privateKey: Certificate.PrivateKey(key), attributes: attributes,
            signatureAlgorithm: .ecdsaWithSHA256)
        return (try request.serializeAsPEM().pemString + "\n", key.pemRepresentation + "\n")
    }
}

extension DistinguishedName {
    /// CN and every O, in order. Strict, because these become a user's name and groups.
    func userAndGroups(of what: String) throws -> (commonName: String, organizations: [String]) {
        var commonNames: [String] = []
        var organizations: [String] = []
        for attribute in self.flatMap({ Array($0) }) {
            guard let value = String(attribute.value) else {
                throw PKIError.malformed(what: what, why: "a field of its subject is not text")
            }
            switch attribute.type {
            case .RDNAttributeType.commonName: commonNames.append(value)
            case .RDNAttributeType.organizationName: organizations.append(value)
            default: throw PKIError.malformed(what: what, why: "its subject has a field besides CN and O: \(attribute)")
            }
        }
        guard commonNames.count == 1, !commonNames[0].isEmpty else {
            throw PKIError.malformed(what: what, why: "its subject has \(commonNames.count) common names, expected one")
        }
        return (commonNames[0], organizations)
    }
}
