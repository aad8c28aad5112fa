// A certificate signing request (PKCS#10): how a node that has only a deploy token comes to a client certificate, the
// way a kubelet does (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/).
import Crypto
import SwiftASN1
import X509

/// A request that proved possession of its private key.
public struct CertificateRequest: Sendable {
    public let commonName: String
    public let organizations: [String]
    let publicKey: Certificate.PublicKey

    /// Reads and verifies a PEM request. Throws `PKIError.malformed` unless it has exactly one common name, no other
    /// subject fields than organizations, an elliptic-curve key, and a signature by that key.
    public init(pem: String) throws {
        let request = try PKIError.reading("certificate request") { try CertificateSigningRequest(pemEncoded: pem) }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw PKIError.malformed(what: "certificate request", why: "its signature does not fit its key")
        }
        guard P256.Signing.PublicKey(request.publicKey) != nil || P384.Signing.PublicKey(request.publicKey) != nil else {
            throw PKIError.malformed(what: "certificate request", why: "its key is not on the P-256 or P-384 curve")
        }
        (commonName, organizations) = try request.subject.userAndGroups(of: "certificate request")
        publicKey = request.publicKey
    }

    /// A new P-256 key and a request for it.
    public static func make(commonName: String, organizations: [String]) throws -> (requestPEM: String, privateKeyPEM: String) {
        let key = P256.Signing.PrivateKey()
        let request = try CertificateSigningRequest(
            version: .v1, subject: .of(commonName: commonName, organizations: organizations),
            privateKey: Certificate.PrivateKey(key), attributes: CertificateSigningRequest.Attributes(),
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
