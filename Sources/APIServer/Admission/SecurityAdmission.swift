// The admission steps that need to know who may do what, or to sign.

enum SecurityAdmission {
    static func steps(authorizer: any Authorizer, signer: (any CertificateSigning)?) -> [any AdmissionStep] {
        let escalation = (authorizer as? any RuleHolding).map { [RoleEscalation(authorizer: $0) as any AdmissionStep] } ?? []
        return escalation + [CertificateAdmission(authorizer: authorizer, signer: signer)]
    }
}
