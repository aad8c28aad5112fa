// What the server must know of a certificate request, and have done with it: implemented over the cluster's authority by the
// front, which has the cryptography.

public protocol CertificateSigning: Sendable {
    /// What a certificate signing request says about itself. Throws when the PEM is not a valid, self-signed request.
    func subject(ofCSR csrPEM: [UInt8]) throws -> CertificateSubject
    /// A certificate (PEM) with the request's key and subject. `seconds` nil: the authority's default, which is also the most.
    func sign(csrPEM: [UInt8], profile: CertificateProfile, expirationSeconds seconds: Int?) throws -> [UInt8]
}

public enum CertificateProfile: Sendable, Hashable {
    /// Identifies a caller; names in the request are left out.
    case client
    /// Identifies a server by the request's names.
    case server
}

/// CN and O of a certificate: user name and groups; for servers also its names.
public struct CertificateSubject: Sendable, Hashable {
    public var commonName: String
    public var organizations: [String]
    public var dnsNames: [String]
    /// In text form.
    public var ipAddresses: [String]
    /// Names of other kinds (e-mail, URI), which none of our signers takes.
    public var hasOtherNames: Bool

    public init(
        commonName: String, organizations: [String], dnsNames: [String] = [], ipAddresses: [String] = [],
        hasOtherNames: Bool = false
    ) {
        self.commonName = commonName
        self.organizations = organizations
        self.dnsNames = dnsNames
        self.ipAddresses = ipAddresses
        self.hasOtherNames = hasOtherNames
    }
}
