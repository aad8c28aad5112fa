// The cluster's own certificate authority: one self-signed P-256 certificate that vouches for the master (server
// certificate) and for everybody who may call it (client certificates). Where CN and O end up as user and groups:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// Certificate and private key, both PEM. The key is PKCS#8 or SEC1, as X509 and BoringSSL read.
public struct CertificateAndKey: Sendable, Hashable {
    public var certificatePEM: String
    public var privateKeyPEM: String

    public init(certificatePEM: String, privateKeyPEM: String) {
        self.certificatePEM = certificatePEM
        self.privateKeyPEM = privateKeyPEM
    }

    /// Whether the key is the certificate's. Throws `PKIError.malformed` when either cannot be read.
    public var belongTogether: Bool {
        get throws {
            let certificate = try PKIError.reading("certificate") { try Certificate(pemEncoded: certificatePEM) }
            let key = try PKIError.reading("key") { try Certificate.PrivateKey(pemEncoded: privateKeyPEM) }
            return certificate.publicKey == key.publicKey
        }
    }
}

/// Never shows the key, whoever prints or dumps it.
extension CertificateAndKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "CertificateAndKey(private)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Names under which a server may be called.
public struct ServerNames: Sendable, Hashable {
    public var dnsNames: [String]
    /// IPv4 or IPv6 in text form.
    public var ipAddresses: [String]

    public init(dnsNames: [String] = [], ipAddresses: [String] = []) {
        self.dnsNames = dnsNames
        self.ipAddresses = ipAddresses
    }
}

public struct CertificateAuthority: Sendable {
    /// Ten years, as `kubeadm` gives its authority: replacing it means visiting every node.
    public static let authorityValiditySeconds: Int64 = 10 * 365 * 86400
    /// One year, as `kubeadm` and kube-controller-manager give to what they sign.
    public static let leafValiditySeconds: Int64 = 365 * 86400
    /// Clocks of nodes and master differ a little: certificates are valid from five minutes ago.
    public static let clockSkewSeconds: Int64 = 300

    public let certificatePEM: String
    private let certificate: Certificate
    private let privateKey: Certificate.PrivateKey

    /// Takes an existing authority. Throws `PKIError.malformed` when the two do not belong together.
    public init(_ pair: CertificateAndKey) throws {
        let certificate = try PKIError.reading("authority certificate") { try Certificate(pemEncoded: pair.certificatePEM) }
        let key = try PKIError.reading("authority key") { try Certificate.PrivateKey(pemEncoded: pair.privateKeyPEM) }
        guard certificate.publicKey == key.publicKey else {
            throw PKIError.malformed(what: "authority key", why: "it is not the key of the authority's certificate")
        }
        self.certificatePEM = pair.certificatePEM
        self.certificate = certificate
        self.privateKey = key
    }

    /// SHA-256 of the certificate's DER: what a node pins before it trusts a master that it never met ("sha256:HEX").
    public var fingerprint: String { get throws { try CertificateInfo(pem: certificatePEM).fingerprint } }

    /// A new self-signed authority.
    public static func makeNew(commonName: String = "swiftlet-ca", now: Int64 = unixNow()) throws -> CertificateAndKey {
        let key = P256.Signing.PrivateKey()
        let issuer = Certificate.PrivateKey(key)
        let name = try DistinguishedName { CommonName(commonName) }
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: issuer.publicKey,
            notValidBefore: date(now - clockSkewSeconds), notValidAfter: date(now + authorityValiditySeconds),
            issuer: name, subject: name,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: issuer.publicKey)
            },
            issuerPrivateKey: issuer)
        return CertificateAndKey(
            certificatePEM: try certificate.serializeAsPEM().pemString + "\n", privateKeyPEM: key.pemRepresentation + "\n")
    }

    /// A server's certificate and key. Throws `PKIError.malformed` for an address that is none.
    public func issueServer(
        commonName: String, names: ServerNames, validitySeconds: Int64 = leafValiditySeconds, now: Int64 = unixNow()
    ) throws -> CertificateAndKey {
        let alternatives = try names.generalNames
        let key = P256.Signing.PrivateKey()
        let certificate = try issue(
            subject: try DistinguishedName { CommonName(commonName) }, publicKey: Certificate.PrivateKey(key).publicKey,
            usage: .serverAuth, alternatives: alternatives, validitySeconds: validitySeconds, now: now)
        return CertificateAndKey(certificatePEM: certificate, privateKeyPEM: key.pemRepresentation + "\n")
    }

    /// A client's certificate and key: `commonName` becomes the user's name, `organizations` its groups.
    public func issueClient(
        commonName: String, organizations: [String], validitySeconds: Int64 = leafValiditySeconds, now: Int64 = unixNow()
    ) throws -> CertificateAndKey {
        let key = P256.Signing.PrivateKey()
        let certificate = try issue(
            subject: try .of(commonName: commonName, organizations: organizations),
            publicKey: Certificate.PrivateKey(key).publicKey, usage: .clientAuth, alternatives: [],
            validitySeconds: validitySeconds, now: now)
        return CertificateAndKey(certificatePEM: certificate, privateKeyPEM: key.pemRepresentation + "\n")
    }

    /// Signs a request whose subject the caller has approved. Only subject and key are taken from it: whatever extensions
    /// it asks for (names, CA rights) are left out. The validity is cut to a year.
    public func signClient(
        _ request: CertificateRequest, validitySeconds: Int64 = leafValiditySeconds, now: Int64 = unixNow()
    ) throws -> String {
        try issue(
            subject: try .of(commonName: request.commonName, organizations: request.organizations),
            publicKey: request.publicKey, usage: .clientAuth, alternatives: [],
            validitySeconds: min(max(validitySeconds, 600), Self.leafValiditySeconds), now: now)
    }

    /// As `signClient`, for a server: the names of the request are taken too, which the caller has approved.
    public func signServer(
        _ request: CertificateRequest, validitySeconds: Int64 = leafValiditySeconds, now: Int64 = unixNow()
    ) throws -> String {
        try issue(
            subject: try .of(commonName: request.commonName, organizations: request.organizations),
            publicKey: request.publicKey, usage: .serverAuth, alternatives: try request.names.generalNames,
            validitySeconds: min(max(validitySeconds, 600), Self.leafValiditySeconds), now: now)
    }

    /// Whether this authority's key signed the certificate.
    public func hasIssued(_ certificatePEM: String) -> Bool {
        guard let leaf = try? Certificate(pemEncoded: certificatePEM) else { return false }
        return certificate.publicKey.isValidSignature(leaf.signature, for: leaf)
    }

    private func issue(
        subject: DistinguishedName, publicKey: Certificate.PublicKey, usage: ExtendedKeyUsage.Usage,
        alternatives: [GeneralName], validitySeconds: Int64, now: Int64
    ) throws -> String {
        // Nothing outlives the authority that vouches for it.
        let end = min(now + validitySeconds, Int64(certificate.notValidAfter.timeIntervalSince1970))
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: publicKey,
            notValidBefore: date(now - Self.clockSkewSeconds), notValidAfter: date(end),
            issuer: certificate.subject, subject: subject,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([usage])
                AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
                if !alternatives.isEmpty { SubjectAlternativeNames(alternatives) }
            },
            issuerPrivateKey: privateKey)
        return try leaf.serializeAsPEM().pemString + "\n"
    }
}

extension DistinguishedName {
    /// O first, then CN, as Go's clients write it.
    static func of(commonName: String, organizations: [String]) throws -> DistinguishedName {
        guard !commonName.isEmpty else { throw PKIError.malformed(what: "subject", why: "the common name is empty") }
        return try DistinguishedName {
            for organization in organizations { OrganizationName(organization) }
            CommonName(commonName)
        }
    }
}
