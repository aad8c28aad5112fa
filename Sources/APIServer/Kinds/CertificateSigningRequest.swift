// certificates.k8s.io/v1 CertificateSigningRequest. Signing itself is in CertificateRequests.swift.
import JSON
import KubernetesModel

extension ResourceKind {
    static let certificateSigningRequest = ResourceKind(
        resource: GroupVersionResource(group: "certificates.k8s.io", resource: "certificatesigningrequests"),
        kind: "CertificateSigningRequest", singular: "certificatesigningrequest", shortNames: ["csr"], namespaced: false,
        hasStatus: true,
        subresources: [
            Subresource(
                name: "approval",
                kind: GroupVersionKind(group: "certificates.k8s.io", version: "v1", kind: "CertificateSigningRequest"),
                verbs: ["get", "patch", "update"])
        ],
        selectableFields: ["spec.signerName"],
        types: TypeText(
            package: "io.k8s.api.certificates.v1",
            #"""
            kind CertificateSigningRequest -- Asks for a certificate.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec CertificateSigningRequestSpec! -- What is wanted.
              3 status CertificateSigningRequestStatus -- What was last observed; written by the system.
            type CertificateSigningRequestSpec
              1 request bytes! -- A PKCS#10 request in PEM, in base64.
              7 signerName string! -- Who shall sign.
              8 expirationSeconds int32? -- How long the certificate shall be valid; the signer may give less.
              5 usages []string -- What the key may be used for.
              2 username string
              3 uid string
              4 groups []string
              6 extra {}[]string
            type CertificateSigningRequestStatus
              1 conditions []CertificateSigningRequestCondition map(type)
              2 certificate bytes -- The certificate in PEM, in base64.
            type CertificateSigningRequestCondition
              1 type string!
              6 status string -- What was last observed; written by the system.
              2 reason string -- Why, in a word.
              3 message string -- Why, for people.
              4 lastUpdateTime time
              5 lastTransitionTime time -- When it last changed.
            """#),
        columns: [
            .name, .age, .text("SignerName", ["spec", "signerName"]), .text("Requestor", ["spec", "username"]),
            .computed("RequestedDuration", requestedDuration), .computed("Condition", condition),
        ],
        validate: { request in
            var errors: [FieldError] = []
            if let seconds = request["spec"]?["expirationSeconds"], (seconds.intValue ?? 600) < 600 {
                errors.append(
                    .invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"))
            }
            let signer = request["spec"]?["signerName"]?.stringValue ?? ""
            let parts = signer.split(separator: "/", omittingEmptySubsequences: false)
            if !signer.isEmpty, parts.count != 2 || parts.contains(where: \.isEmpty) {
                errors.append(
                    .invalid(
                        "spec.signerName", .string(signer),
                        "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
            }
            return errors
        },
        validateUpdate: { old, new in
            // A signer may not take back what it gave; who asked for what is fixed.
            old["spec"] == new["spec"] ? [] : [.forbidden("spec", "field is immutable")]
        })

    @Sendable private static func requestedDuration(_ tape: JSONTape) -> String {
        guard let node = tape.node(["spec", "expirationSeconds"]), let seconds = tape.integer(node, as: Int64.self) else {
            return "<none>"
        }
        return HumanDuration.text(seconds: seconds)
    }

    @Sendable private static func condition(_ tape: JSONTape) -> String {
        let list = tape.node(["status", "conditions"]).map { Array(tape.elements(of: $0)) } ?? []
        let types = list.compactMap { tape.text(at: ["type"], from: $0) }
        var words = ["Approved", "Denied", "Failed"].filter(types.contains)
        if words.isEmpty { words = ["Pending"] }
        if tape.text(at: ["status", "certificate"]) != nil { words.append("Issued") }
        return words.joined(separator: ",")
    }
}
