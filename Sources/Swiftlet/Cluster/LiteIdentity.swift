// A Lite's client certificate: asked for once with the deploy token, kept on disk, renewed with itself.
import JSON
import KubernetesClient
import KubernetesModel
import PKI

struct LiteIdentity: Sendable {
    let pair: CertificateAndKey

    private static let name = "node"
    static let signerName = "kubernetes.io/kube-apiserver-client-kubelet"
    /// The master signs at once; so long for one that is busy.
    static let signingLimit = Duration.seconds(30)

    private static func files(_ stateDirectory: String) -> CertificateFiles {
        CertificateFiles(directory: "\(stateDirectory)/pki")
    }

    static func certificatePath(stateDirectory: String) -> String { files(stateDirectory).certificatePath(name) }

    /// What is on disk, unless it is over. nil: ask for one with the token.
    static func load(stateDirectory: String) throws -> LiteIdentity? {
        guard let identity = try loadAny(stateDirectory: stateDirectory) else { return nil }
        return try CertificateInfo(pem: identity.pair.certificatePEM).isExpired() ? nil : identity
    }

    /// Over or not.
    private static func loadAny(stateDirectory: String) throws -> LiteIdentity? {
        let hint = "bring back the file that was there, or remove node.crt and node.key and start with a new deploy token"
        do {
            guard let pair = try files(stateDirectory).load(name) else { return nil }
            _ = try CertificateInfo(pem: pair.certificatePEM)
            return LiteIdentity(pair: pair)
        } catch PKIError.malformed(let what, let why) where what == "certificate" {
            throw CommandFailure("\(certificatePath(stateDirectory: stateDirectory)): \(why)", hint: hint)
        } catch {
            throw CommandFailure("\(error)", hint: hint)
        }
    }

    /// Of a certificate on disk that is over: its file and its end, for whoever wonders why there is none. nil: there is none such.
    static func expired(stateDirectory: String) throws -> (path: String, end: Int64)? {
        guard let identity = try loadAny(stateDirectory: stateDirectory), case let end = try identity.end, unixNow() >= end else {
            return nil
        }
        return (certificatePath(stateDirectory: stateDirectory), end)
    }

    /// Throws when it is another node's or another domain's: a master refuses whatever such a node says, for ever.
    func check(node: String, domain: String?, stateDirectory: String) throws {
        let information = try CertificateInfo(pem: pair.certificatePEM)
        let wanted = Self.subject(node: node, domain: domain)
        let (foundDomain, groups) = (Self.domain(in: information.organizations), Set(information.organizations))
        guard information.commonName != wanted.commonName || !groups.isSuperset(of: wanted.organizations) else { return }
        let path = Self.certificatePath(stateDirectory: stateDirectory)
        let found = information.commonName + (foundDomain.map { " of domain \($0)" } ?? "")
        throw CommandFailure(
            "\(path): expected the certificate of \(wanted.commonName)\(domain.map { " of domain \($0)" } ?? ""), "
                + "found \(found)'s",
            hint:
                "set domainID and swiftlet.nodeName back, or give this node a swiftlet.stateDirectory of its own; or remove "
                + "node.crt and node.key beside it and start with a new deploy token (`swiftlet token \(domain ?? "DOMAIN")` on the master)"
        )
    }

    private static func subject(node: String, domain: String?) -> (commonName: String, organizations: [String]) {
        ("system:node:\(node)", ["system:nodes"] + (domain.map { [domainPrefix + $0] } ?? []))
    }

    private static let domainPrefix = "kuscia:domain:"

    private static func domain(in organizations: [String]) -> String? {
        organizations.first { $0.hasPrefix(domainPrefix) }.map { String($0.dropFirst(domainPrefix.count)) }
    }

    /// Of a kubeconfig; not stored.
    init(pair: CertificateAndKey) { self.pair = pair }

    /// Whether it is that node's; a state directory may have been another's.
    func isOf(node: String) throws -> Bool { try CertificateInfo(pem: pair.certificatePEM).commonName == "system:node:\(node)" }

    /// Seconds since 1970.
    var end: Int64 { get throws { try CertificateInfo(pem: pair.certificatePEM).notAfter } }

    var isRenewalDue: Bool { get throws { try CertificateInfo(pem: pair.certificatePEM).isRenewalDue() } }

    /// Asks the master for a certificate (TLS bootstrap, as a kubelet does) and stores it. `api` authenticates with the
    /// deploy token, or for a renewal with the old certificate.
    /// `domain` nil: a node of any Kubernetes cluster, whose signer takes no other organisation than system:nodes.
    static func request(stateDirectory: String, node: String, domain: String?, api: any KubernetesAPI) async throws
        -> LiteIdentity
    {
        try FileText.makeDirectory(files(stateDirectory).directory, mode: 0o700)
        let request = try pendingRequest(stateDirectory, node: node, domain: domain)
        let certificate = try await sign(request, node: node, api: api)
        let pair = CertificateAndKey(certificatePEM: certificate, privateKeyPEM: request.privateKeyPEM)
        try files(stateDirectory).store(pair, name: name)
        removePendingRequest(stateDirectory)
        return LiteIdentity(pair: pair)
    }

    // MARK: The request, on disk before it is sent: a crash in between asks again for the same key.

    private struct Pending: Codable {
        var objectName: String
        var requestPEM: String
        var privateKeyPEM: String
    }

    private static func pendingPath(_ stateDirectory: String) -> String { "\(files(stateDirectory).directory)/request.json" }

    private static func pendingRequest(_ stateDirectory: String, node: String, domain: String?) throws -> Pending {
        let path = pendingPath(stateDirectory)
        let subject = subject(node: node, domain: domain)
        // One of a start under another name would make a certificate of that name.
        if let bytes = FileText.bytes(path), let pending = try? JSON.decode(Pending.self, from: bytes),
            let request = try? CertificateRequest(pem: pending.requestPEM), request.commonName == subject.commonName,
            request.organizations == subject.organizations
        {
            return pending
        }
        let (request, key) = try CertificateRequest.make(
            commonName: subject.commonName, organizations: subject.organizations)
        let suffix = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let pending = Pending(objectName: "node-csr-\(node)-\(suffix)", requestPEM: request, privateKeyPEM: key)
        try FileText.write(bytes: JSON.encode(pending), to: path, mode: 0o600)
        return pending
    }

    private static func removePendingRequest(_ stateDirectory: String) { FileText.remove(pendingPath(stateDirectory)) }

    // MARK: Signing

    private static func sign(_ pending: Pending, node: String, api: any KubernetesAPI) async throws -> String {
        let body = CertificateSigningRequest(
            metadata: ObjectMeta(name: pending.objectName),
            spec: CertificateSigningRequestSpec(
                request: Base64.encode(Array(pending.requestPEM.utf8)), signerName: signerName,
                usages: ["digital signature", "client auth"]))
        let resource = CertificateSigningRequest.resource
        do {
            let answer = try await api.create(resource, namespace: nil, name: nil, subresource: nil, body: JSON.encode(body))
            if let certificate = try certificate(in: answer) { return certificate }
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            // Sent before a crash; the answer is still there.
        }
        let deadline = ContinuousClock.now + signingLimit
        while ContinuousClock.now < deadline {
            let answer = try await api.get(resource, namespace: nil, name: pending.objectName, subresource: nil)
            if let certificate = try certificate(in: answer) { return certificate }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw CommandFailure(
            "the master has not signed the certificate request \(pending.objectName) within \(signingLimit.components.seconds) s",
            hint: "`swiftlet get csr` on the master's side shows it")
    }

    private static func certificate(in answer: [UInt8]) throws -> String? {
        let request = try JSON.decode(CertificateSigningRequest.self, from: answer)
        if let refusal = request.status.conditions.first(where: { $0.type == "Denied" || $0.type == "Failed" }) {
            throw CommandFailure(
                "the master refused this node's certificate: \(refusal.message ?? refusal.reason ?? refusal.type)",
                hint:
                    "is liteDeployToken one of the domain in domainID? `swiftlet token DOMAIN` on the master prints an unused one"
            )
        }
        return request.status.certificate.flatMap(Base64.decode).map { String(decoding: $0, as: UTF8.self) }
    }
}
