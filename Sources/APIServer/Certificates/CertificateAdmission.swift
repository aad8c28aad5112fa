// Certificate requests on their way into the store: who asks is written by the server, what may be approved at once is, an
// approved request is signed in the commit that approves it. So there is no moment, and no controller, between the two.
import JSON
import KubernetesModel
import ResourceStore

struct CertificateAdmission: AdmissionStep {
    let name = "CertificateRequests"
    let authorizer: any Authorizer
    /// nil: requests are stored, not signed.
    let signer: (any CertificateSigning)?

    static let group = "certificates.k8s.io"
    private static let decisions: Set<String> = ["Approved", "Denied"]

    func handles(_ attributes: AdmissionAttributes) -> Bool {
        attributes.kind.resource.group == Self.group && attributes.operation != .delete
    }

    /// The requester is whom the server knows, never what the body says.
    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        guard review.attributes.operation == .create else { return }
        let user = review.attributes.user
        review.object.set(["spec", "username"], to: .string(user.name))
        review.object.set(["spec", "groups"], to: .array(user.groups.map { .string($0) }))
        review.object.set(["spec", "uid"], to: user.uid.map { .string($0) })
        review.object.set(["spec", "extra"], to: user.json["extra"])
        review.object["status"] = nil
    }

    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        switch (review.attributes.operation, review.attributes.subresource) {
        case (.create, ""): try decide(&review, lookup)
        case (.update, "approval"): try approve(&review, lookup)
        case (.update, "status"): try checkSigning(review)
        default: return
        }
    }

    // MARK: Create

    private func decide(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let wanted = review.object["spec"]?["signerName"]?.stringValue
        if review.attributes.user.groups.contains(NodeIdentity.deployTokensGroup), wanted != CertificateSigner.nodeClient.rawValue
        {
            throw .forbidden(
                "certificatesigningrequests", group: Self.group, name: Self.objectName(review.object),
                "a deploy token may only ask for a node's certificate of signer \"\(CertificateSigner.nodeClient.rawValue)\"")
        }
        guard let signer, let order = try order(review, signer) else { return }
        let (owner, names) = try node(of: order.subject, lookup)
        switch CertificatePolicy.decide(order, owner: owner, nodeNames: names) {
        case .wait: return
        case .refuse(let why):
            throw .forbidden("certificatesigningrequests", group: Self.group, name: Self.objectName(review.object), why)
        case .approve(let why):
            let time = JSONValue.string(RFC3339.text(seconds: lookup.now))
            review.object["status"] = [
                "conditions": [
                    [
                        "type": "Approved", "status": "True", "reason": "AutoApproved", "message": .string(why),
                        "lastUpdateTime": time, "lastTransitionTime": time,
                    ]
                ]
            ]
            let isAdministrator = order.requester.groups.contains(SystemGroup.masters)
            try sign(&review, order, signer, lookup, mayReplace: isAdministrator || owner.isNode)
        }
    }

    /// Whose the node's name in the subject is, and the names by which its Node object says that it is reached.
    private func node(
        of subject: CertificateSubject, _ lookup: any AdmissionLookup
    ) throws(StatusError) -> (owner: NodeName, names: Set<String>) {
        guard subject.commonName.hasPrefix(NodeIdentity.userPrefix) else { return (.free, []) }
        let name = String(subject.commonName.dropFirst(NodeIdentity.userPrefix.count))
        let owner = try NodeName(name) { (key) throws(StatusError) in try lookup.stored(key) }
        guard let node = try lookup.object(ResourceKey(group: "", resource: "nodes", namespace: "", name: name)) else {
            return (owner, [])
        }
        let addresses = (node["status"]?["addresses"]?.arrayValue ?? []).compactMap { $0["address"]?.stringValue }
        return (owner, Set(addresses + [name]))
    }

    /// nil for a signer that is not ours. Throws for what is no request.
    private func order(_ review: AdmissionReview, _ signer: any CertificateSigning) throws(StatusError) -> CertificateOrder? {
        let spec = review.object["spec"] ?? [:]
        let pem = spec["request"]?.stringValue.flatMap(Base64.decode) ?? []
        let subject: CertificateSubject
        do { subject = try signer.subject(ofCSR: pem) } catch {
            throw .invalid(
                review.attributes.kind.declaration.gvk, Self.objectName(review.object),
                [
                    FieldError(
                        field: "spec.request", reason: .invalid, message: "Invalid value: not a certificate request: \(error)")
                ])
        }
        guard let name = CertificateSigner(rawValue: spec["signerName"]?.stringValue ?? "") else { return nil }
        return CertificateOrder(
            signer: name, usages: (spec["usages"]?.arrayValue ?? []).compactMap(\.stringValue), subject: subject,
            requester: UserInfo(
                name: spec["username"]?.stringValue ?? "", uid: spec["uid"]?.stringValue,
                groups: (spec["groups"]?.arrayValue ?? []).compactMap(\.stringValue)))
    }

    // MARK: Approval

    /// `kubectl certificate approve` and `deny`: only conditions change, a decision stays, and both at once is none.
    private func approve(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        guard let old = review.old else { return }
        let (had, has) = (Self.conditions(old), Self.conditions(review.object))
        var errors: [FieldError] = []
        let types = Set(has.compactMap { $0["type"]?.stringValue }).intersection(Self.decisions)
        if types.count > 1 {
            errors.append(.invalid("status.conditions", .array(has), "Approved and Denied conditions are mutually exclusive"))
        }
        for condition in had where Self.decisions.contains(condition["type"]?.stringValue ?? "") {
            guard !has.contains(where: { $0["type"] == condition["type"] }) else { continue }
            errors.append(
                .forbidden(
                    "status.conditions", "updates may not remove a condition of type \"\(condition["type"]?.stringValue ?? "")\"")
            )
        }
        for condition in has
        where condition["status"]?.stringValue != "True" && Self.decisions.contains(condition["type"]?.stringValue ?? "") {
            errors.append(.notSupported("status.conditions.status", condition["status"] ?? .null, supported: ["True"]))
        }
        if !errors.isEmpty { throw .invalid(review.attributes.kind.declaration.gvk, Self.objectName(old), errors) }
        try requireSigner("approve", old, review.attributes.user)
        var object = old
        let time = JSONValue.string(RFC3339.text(seconds: lookup.now))
        object.set(["status", "conditions"], to: .array(has.map { Self.stamped($0, time) }))
        review.object = object
        let isApproved = types == ["Approved"] && !Self.conditions(old).contains { $0["type"]?.stringValue == "Approved" }
        guard isApproved, let signer, let order = try order(review, signer) else { return }
        try sign(&review, order, signer, lookup, mayReplace: true)
    }

    private static func stamped(_ condition: JSONValue, _ time: JSONValue) -> JSONValue {
        var condition = condition
        for member in ["lastUpdateTime", "lastTransitionTime"] where condition[member]?.stringValue ?? "" == "" {
            condition[member] = time
        }
        return condition
    }

    private func sign(
        _ review: inout AdmissionReview, _ order: CertificateOrder, _ signer: any CertificateSigning,
        _ lookup: any AdmissionLookup, mayReplace: Bool
    ) throws(StatusError) {
        if let problem = CertificatePolicy.problem(order) {
            let time = JSONValue.string(RFC3339.text(seconds: lookup.now))
            let failed: JSONValue = [
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": .string(problem),
                "lastUpdateTime": time, "lastTransitionTime": time,
            ]
            return review.object.set(["status", "conditions"], to: .array(Self.conditions(review.object) + [failed]))
        }
        // A certificate is worth something even if its request was only tried.
        if review.attributes.isDryRun { return }
        let spec = review.object["spec"] ?? [:]
        do {
            let certificate = try signer.sign(
                csrPEM: spec["request"]?.stringValue.flatMap(Base64.decode) ?? [], profile: order.signer.profile,
                expirationSeconds: spec["expirationSeconds"]?.intValue.map { Int($0) })
            review.object.set(["status", "certificate"], to: .string(Base64.encode(certificate)))
        } catch {
            throw .internalError("signing the certificate of \(order.subject.commonName): \(error)")
        }
        // Whoever has a certificate for a name has the name, also when an administrator gave it.
        let subject = UserInfo(name: order.subject.commonName, groups: order.subject.organizations)
        if order.signer == .nodeClient, let identity = NodeIdentity(subject) {
            try NodeName.keep(identity.node, for: identity.domain, mayReplace: mayReplace, &review, lookup)
        }
    }

    // MARK: Status

    /// Another signer's answer: it may give the certificate or say that it failed, but not decide.
    private func checkSigning(_ review: AdmissionReview) throws(StatusError) {
        guard let old = review.old else { return }
        func decided(_ object: JSONValue) -> [JSONValue] {
            Self.conditions(object).filter { Self.decisions.contains($0["type"]?.stringValue ?? "") }
        }
        var errors: [FieldError] = []
        if decided(old) != decided(review.object) {
            errors.append(.forbidden("status.conditions", "Approved and Denied are changed by the approval subresource only"))
        }
        let (had, has) = (old["status"]?["certificate"], review.object["status"]?["certificate"])
        if had != nil, had != has {
            errors.append(.forbidden("status.certificate", "updates may not change the certificate content"))
        }
        if !errors.isEmpty { throw .invalid(review.attributes.kind.declaration.gvk, Self.objectName(old), errors) }
        if had != has { try requireSigner("sign", old, review.attributes.user) }
    }

    /// The verbs `approve` and `sign` are on the signer, by its name or by its whole domain.
    private func requireSigner(_ verb: String, _ request: JSONValue, _ user: UserInfo) throws(StatusError) {
        let signer = request["spec"]?["signerName"]?.stringValue ?? ""
        let domain = signer.prefix { $0 != "/" } + "/*"
        for name in [signer, String(domain)] {
            let question = AuthorizationAttributes(user: user, verb: verb, group: Self.group, resource: "signers", name: name)
            if authorizer.authorize(question) == .allow { return }
        }
        throw .forbidden(
            "certificatesigningrequests", group: Self.group, name: Self.objectName(request),
            "user not permitted to \(verb) requests with signerName \"\(signer)\"")
    }

    private static func conditions(_ object: JSONValue) -> [JSONValue] { object["status"]?["conditions"]?.arrayValue ?? [] }
    private static func objectName(_ object: JSONValue) -> String { object["metadata"]?["name"]?.stringValue ?? "" }
}
