// TLS bootstrap: a node's certificate request is checked against the asker's domain and signed at once.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    static let nodeClientSigner = "kubernetes.io/kube-apiserver-client-kubelet"

    /// Who asks is written by the server, never taken from the body.
    func certifyRequester(_ draft: inout WriteDraft, _ call: APICall) throws(StatusError) {
        guard call.kind.resource.group == "certificates.k8s.io" else { return }
        draft.object.set(["spec", "username"], to: .string(call.user.name))
        draft.object.set(["spec", "groups"], to: .array(call.user.groups.map { .string($0) }))
        draft.object.set(["spec", "uid"], to: call.user.uid.map { .string($0) })
        draft.object.set(["spec", "extra"], to: nil)
    }

    func signCertificate(_ object: inout JSONValue, _ call: APICall) async throws(StatusError) {
        guard call.kind.resource.group == "certificates.k8s.io", let certificateSigner,
            object["spec"]?["signerName"]?.stringValue == Self.nodeClientSigner
        else { return }
        let pem = object["spec"]?["request"]?.stringValue.flatMap(Base64.decode) ?? []
        let subject: CertificateSubject
        do { subject = try certificateSigner.subject(ofCSR: pem) } catch {
            throw call.invalid(
                object,
                [
                    FieldError(
                        field: "spec.request", reason: .invalid, message: "Invalid value: not a certificate request: \(error)")
                ])
        }
        try await check(subject, call, object)
        let certificate: [UInt8]
        do {
            certificate = try certificateSigner.sign(
                csrPEM: pem, expirationSeconds: object["spec"]?["expirationSeconds"]?.intValue.map { Int($0) })
        } catch {
            throw .internalError("signing the certificate of \(subject.commonName): \(error)")
        }
        let time = JSONValue.string(RFC3339.text(seconds: now()))
        object["status"] = [
            "conditions": [
                [
                    "type": "Approved", "status": "True", "reason": "AutoApproved",
                    "message": "the subject fits the requester's domain", "lastUpdateTime": time, "lastTransitionTime": time,
                ]
            ],
            "certificate": .string(Base64.encode(certificate)),
        ]
    }

    /// CN and O must be those of a node of the asker's domain, and the node's name must not be another domain's.
    private func check(_ subject: CertificateSubject, _ call: APICall, _ object: JSONValue) async throws(StatusError) {
        func refuse(_ why: String) -> StatusError {
            .forbidden(
                "certificatesigningrequests", group: "certificates.k8s.io", name: object["metadata"]?["name"]?.stringValue ?? "",
                why)
        }
        guard
            let identity = NodeIdentity(UserInfo(name: subject.commonName, groups: subject.organizations)),
            NameFormat.subdomainProblem(identity.node) == nil, subject.organizations.count == 2
        else {
            throw refuse(
                "the subject is CN \"\(subject.commonName)\", O \(subject.organizations); expected CN \"system:node:<node>\", "
                    + "O \"system:nodes\" and \"kuscia:domain:<domain>\"")
        }
        if call.user.groups.contains(SwiftletAuthorizer.administrators) { return }
        guard NodeIdentity.domain(of: call.user) == identity.domain else {
            throw refuse("the request is for domain \"\(identity.domain ?? "")\", which is not the requester's")
        }
        if let own = NodeIdentity(call.user), own.node != identity.node {
            throw refuse("node \"\(own.node)\" may not ask for a certificate of node \"\(identity.node)\"")
        }
        guard let kind = kinds[GroupVersionResource(resource: "nodes")],
            let node = try find(kind.key(namespace: nil, name: identity.node))
        else { return }
        for label in NodeAdmission.domainLabels {
            if let domain = node.index.labels[label], domain != identity.domain {
                throw refuse("node \"\(identity.node)\" belongs to another domain")
            }
        }
    }
}
