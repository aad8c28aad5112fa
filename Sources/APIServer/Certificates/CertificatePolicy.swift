// Which certificate requests are signed, and which are approved without asking anybody. Pure.
// https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
import JSON

/// Signers of this server; requests for others are stored and left to whoever signs them.
enum CertificateSigner: String, Sendable, CaseIterable {
    case client = "kubernetes.io/kube-apiserver-client"
    case nodeClient = "kubernetes.io/kube-apiserver-client-kubelet"
    case nodeServing = "kubernetes.io/kubelet-serving"

    var profile: CertificateProfile { self == .nodeServing ? .server : .client }

    fileprivate var requiredUsage: String { profile == .server ? "server auth" : "client auth" }
    fileprivate var allowedUsages: Set<String> { [requiredUsage, "digital signature", "key encipherment"] }
}

/// A request with all that a decision depends on.
struct CertificateOrder: Sendable {
    var signer: CertificateSigner
    var usages: [String]
    var subject: CertificateSubject
    /// The user whom the server saw asking.
    var requester: UserInfo
}

enum CertificateDecision: Sendable, Hashable {
    case approve(String)
    /// Somebody has to look at it.
    case wait
    /// Not even stored: it asks for another's identity.
    case refuse(String)
}

enum CertificatePolicy {
    /// Why the signer would not sign this even if it were approved; nil when it would.
    static func problem(_ order: CertificateOrder) -> String? {
        let signer = order.signer
        let usages = Set(order.usages)
        if !usages.contains(signer.requiredUsage) { return "usages must include \"\(signer.requiredUsage)\"" }
        let others = usages.subtracting(signer.allowedUsages)
        if let other = others.min() { return "usage \"\(other)\" is not signed by \(signer.rawValue)" }
        if order.subject.commonName.isEmpty { return "the subject has no common name" }
        let hasNames = !order.subject.dnsNames.isEmpty || !order.subject.ipAddresses.isEmpty || order.subject.hasOtherNames
        switch signer {
        case .client:
            if order.subject.organizations.contains(SystemGroup.masters) {
                return "organization \"\(SystemGroup.masters)\" is not signed"
            }
            return nil
        case .nodeClient:
            return hasNames ? "subject alternative names are not signed" : nodeProblem(order.subject)
        case .nodeServing:
            if order.subject.hasOtherNames { return "e-mail and URI names are not signed" }
            if !hasNames { return "at least one DNS name or IP address is required" }
            return nodeProblem(order.subject)
        }
    }

    /// A node of no domain, or of exactly one; nothing else may be in the subject.
    private static func nodeProblem(_ subject: CertificateSubject) -> String? {
        let groups = subject.organizations
        let isNode = groups.filter { $0 == NodeIdentity.nodesGroup }.count == 1 && groups.count <= 2
        guard isNode, let identity = NodeIdentity(UserInfo(name: subject.commonName, groups: groups)),
            groups.count == (identity.domain == nil ? 1 : 2), NameFormat.subdomainProblem(identity.node) == nil
        else {
            return "the subject is CN \"\(subject.commonName)\", O \(groups); expected CN \"system:node:<node>\", "
                + "O \"system:nodes\" and \"kuscia:domain:<domain>\""
        }
        return nil
    }

    /// `owner`: whose the node's name in the subject is. `nodeNames`: names and addresses that its Node object says it has.
    static func decide(_ order: CertificateOrder, owner: NodeName, nodeNames: Set<String>) -> CertificateDecision {
        if order.subject.organizations.contains(SystemGroup.masters) {
            return .refuse("a certificate with group \(SystemGroup.masters) cannot be asked for")
        }
        let isAdministrator = order.requester.groups.contains(SystemGroup.masters)
        switch order.signer {
        case .client: return .wait
        case .nodeClient:
            if let problem = problem(order) { return .refuse(problem) }
            guard let wanted = NodeIdentity(UserInfo(name: order.subject.commonName, groups: order.subject.organizations)) else {
                return .wait
            }
            return decideNodeClient(order, wanted, owner, isAdministrator)
        case .nodeServing:
            if let problem = problem(order) { return .refuse(problem) }
            guard order.requester.name == order.subject.commonName, order.requester.groups.contains(NodeIdentity.nodesGroup)
            else {
                return isAdministrator ? .wait : .refuse("only the node itself may ask for its serving certificate")
            }
            if let own = NodeIdentity(order.requester), let problem = owner.problem(own.node, domain: own.domain) {
                return .refuse(problem)
            }
            let names = order.subject.dnsNames + order.subject.ipAddresses
            return names.allSatisfy(nodeNames.contains) ? .approve("the names are the node's own") : .wait
        }
    }

    private static func decideNodeClient(
        _ order: CertificateOrder, _ wanted: NodeIdentity, _ owner: NodeName, _ isAdministrator: Bool
    ) -> CertificateDecision {
        if isAdministrator { return .approve("an administrator asks for it") }
        let requester = NodeIdentity.domain(of: order.requester)
        if let own = NodeIdentity(order.requester), own != wanted {
            return .refuse("node \"\(own.node)\" may not ask for a certificate of node \"\(wanted.node)\" or of another domain")
        }
        if let requester, requester != wanted.domain {
            return .refuse("the request is for domain \"\(wanted.domain ?? "")\", which is not the requester's")
        }
        // A stranger's request waits for an administrator.
        let isKnown =
            NodeIdentity(order.requester) != nil
            || (requester != nil && order.requester.groups.contains(NodeIdentity.deployTokensGroup))
        guard isKnown else { return .wait }
        if let problem = owner.problem(wanted.node, domain: wanted.domain) { return .refuse(problem) }
        return .approve("the subject fits the requester's domain")
    }
}

/// When requests that nobody needs any more go away: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#request-signing-process
public enum CertificateRequestPolicy {
    /// Seconds after creation for requests that nobody decided on, and after the decision for others.
    static let pendingSeconds: Int64 = 24 * 3600
    static let decidedSeconds: Int64 = 3600

    /// `now` in seconds since 1970. A request is also stale when its certificate has ended, which is never sooner than an hour.
    public static func isStale(_ request: JSONValue, now: Int64) -> Bool {
        let conditions = request["status"]?["conditions"]?.arrayValue ?? []
        let decided = conditions.filter { ["Approved", "Denied", "Failed"].contains($0["type"]?.stringValue) }
        func seconds(_ value: JSONValue?) -> Int64? { value?.stringValue.flatMap(RFC3339.seconds) }
        guard let created = seconds(request["metadata"]?["creationTimestamp"]) else { return false }
        guard !decided.isEmpty else { return now - created > pendingSeconds }
        let last = decided.compactMap { seconds($0["lastUpdateTime"]) }.max() ?? created
        let isIssued = request["status"]?["certificate"]?.stringValue?.isEmpty == false
        let isOver = decided.contains { $0["type"]?.stringValue != "Approved" } || isIssued
        return now - last > (isOver ? decidedSeconds : pendingSeconds)
    }
}
