// What our parts want to know about a certificate: whose it is, what for, until when, and its fingerprint.
import Crypto
import FoundationEssentials
import SwiftASN1
import X509

public struct CertificateInfo: Sendable, Hashable {
    public let commonName: String
    public let organizations: [String]
    /// Seconds since 1970.
    public let notBefore: Int64
    public let notAfter: Int64
    public let isAuthority: Bool
    /// Whether it may identify a client (extended key usage clientAuth).
    public let isForClients: Bool
    public let isForServers: Bool
    /// "sha256:" and the DER's SHA-256 in hexadecimal.
    public let fingerprint: String
    public let names: ServerNames

    public init(pem: String) throws {
        let document = try PKIError.reading("certificate") { try PEMDocument(pemString: pem) }
        try self.init(der: document.derBytes)
    }

    public init(der: [UInt8]) throws {
        let certificate = try PKIError.reading("certificate") { try Certificate(derEncoded: der) }
        (commonName, organizations) = try certificate.subject.userAndGroups(of: "certificate")
        notBefore = Int64(certificate.notValidBefore.timeIntervalSince1970)
        notAfter = Int64(certificate.notValidAfter.timeIntervalSince1970)
        let extensions = certificate.extensions
        if case .isCertificateAuthority = try? extensions.basicConstraints { isAuthority = true } else { isAuthority = false }
        let usages = (try? extensions.extendedKeyUsage).map { Array($0) } ?? []
        isForClients = usages.contains(.clientAuth)
        isForServers = usages.contains(.serverAuth)
        fingerprint = "sha256:" + Hexadecimal.text(SHA256.hash(data: der))
        names = ServerNames(alternatives: (try? extensions.subjectAlternativeNames).map { Array($0) } ?? [])
    }

    /// Whether less than a third of the validity is left (kubelets renew at 70-90 %), or none.
    public func isRenewalDue(now: Int64 = unixNow()) -> Bool {
        notAfter - now < (notAfter - notBefore) / 3
    }

    public func isExpired(now: Int64 = unixNow()) -> Bool { now >= notAfter }
}

extension ServerNames {
    init(alternatives: [GeneralName]) {
        self.init()
        for name in alternatives {
            switch name {
            case .dnsName(let dns): dnsNames.append(dns)
            case .ipAddress(let octets): if let text = IPAddress.text(of: Array(octets.bytes)) { ipAddresses.append(text) }
            default: continue
            }
        }
    }

    /// Throws `PKIError.malformed` for an address that is none.
    var generalNames: [GeneralName] {
        get throws {
            try dnsNames.map { .dnsName($0) }
                + ipAddresses.map { .ipAddress(ASN1OctetString(contentBytes: try IPAddress.bytes(of: $0)[...])) }
        }
    }

    /// Whether a certificate with these names serves all of `wanted`.
    public func covers(_ wanted: ServerNames) -> Bool {
        let addresses = Set(ipAddresses.compactMap { try? IPAddress.bytes(of: $0) })
        return Set(dnsNames).isSuperset(of: wanted.dnsNames)
            && wanted.ipAddresses.allSatisfy { (try? IPAddress.bytes(of: $0)).map(addresses.contains) ?? false }
    }
}
