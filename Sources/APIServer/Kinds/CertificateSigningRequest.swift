// certificates.k8s.io/v1 CertificateSigningRequest. Signing itself is in CertificateRequests.swift.
import JSON
import KubernetesModel

extension ResourceKind {
    static let certificateSigningRequest = ResourceKind(
        resource: GroupVersionResource(group: "certificates.k8s.io", resource: "certificatesigningrequests"),
        kind: "CertificateSigningRequest", singular: "certificatesigningrequest", shortNames: ["csr"], namespaced: false,
        hasStatus: true, selectableFields: ["spec.signerName"],
        fields: [
            Field(
                "spec",
                .object(
                    "io.k8s.api.certificates.v1.CertificateSigningRequestSpec", "",
                    [
                        Field("request", .bytes, required: true, "A PEM certificate request, in base64."),
                        Field("signerName", .string, required: true),
                        Field("expirationSeconds", .integer(minimum: 600, maximum: nil)),
                        Field("usages", .array(.string)), Field("username", .string), Field("uid", .string),
                        Field("groups", .array(.string)), Field("extra", .any),
                    ]), required: true),
            Field(
                "status",
                .object(
                    "io.k8s.api.certificates.v1.CertificateSigningRequestStatus", "",
                    [
                        Field("conditions", CommonSchemas.conditions), Field("certificate", .bytes),
                    ])),
        ],
        description: "CertificateSigningRequest asks for a client certificate.",
        columns: [
            .name, .age, .text("SignerName", ["spec", "signerName"]), .text("Requestor", ["spec", "username"]),
            .computed("Condition", condition),
        ],
        validateUpdate: { old, new in
            old["spec"] == new["spec"] ? [] : [.forbidden("spec", "field is immutable")]
        })

    @Sendable private static func condition(_ tape: JSONTape) -> String {
        let list = tape.node(["status", "conditions"]).map { Array(tape.elements(of: $0)) } ?? []
        var words = list.compactMap { tape.text(at: ["type"], from: $0) }
        if words.isEmpty { words = ["Pending"] }
        if tape.text(at: ["status", "certificate"]) != nil { words.append("Issued") }
        return words.joined(separator: ",")
    }
}
