// Until the verbs leave signing to CertificateAdmission.
extension CertificateSigning {
    func sign(csrPEM: [UInt8], expirationSeconds seconds: Int?) throws -> [UInt8] {
        try sign(csrPEM: csrPEM, profile: .client, expirationSeconds: seconds)
    }
}
