// Acting as somebody else: the headers Impersonate-*, allowed by the verb `impersonate` on each part of the other's identity.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation

/// What the headers ask for.
public struct ImpersonationRequest: Sendable, Hashable {
    public var user: String?
    public var uid: String?
    public var groups: [String]
    public var extra: [String: [String]]

    private static let prefix = "impersonate-"
    private static let extraPrefix = "impersonate-extra-"

    /// From a request's headers, names in any case. nil when there is no such header: the usual case, told without allocation.
    public init?(headers: some Sequence<(name: String, value: String)>) {
        var found = false
        user = nil
        uid = nil
        groups = []
        extra = [:]
        for (name, value) in headers {
            guard name.utf8.count > Self.prefix.utf8.count, let first = name.utf8.first, first | 0x20 == UInt8(ascii: "i") else {
                continue
            }
            let name = name.lowercased()
            guard name.hasPrefix(Self.prefix) else { continue }
            found = true
            switch name {
            case "impersonate-user": user = value
            case "impersonate-uid": uid = value
            case "impersonate-group": groups.append(value)
            case _ where name.hasPrefix(Self.extraPrefix):
                let raw = name.dropFirst(Self.extraPrefix.count)
                extra[(RequestRoute.decoded(raw) ?? String(raw)).lowercased(), default: []].append(value)
            default: continue
            }
        }
        if !found { return nil }
    }
}

/// The questions that must be answered with yes, and the user that comes of it. Pure.
struct ImpersonationPlan: Sendable {
    var questions: [AuthorizationAttributes]
    var user: UserInfo

    /// nil: no user is named, which makes no sense.
    init?(_ request: ImpersonationRequest, by caller: UserInfo) {
        guard let name = request.user, !name.isEmpty else { return nil }
        func ask(_ group: String, _ resource: String, _ name: String, namespace: String? = nil, sub: String = "")
            -> AuthorizationAttributes
        {
            AuthorizationAttributes(
                user: caller, verb: "impersonate", group: group, resource: resource, subresource: sub, namespace: namespace,
                name: name)
        }
        var groups = request.groups
        if let account = ServiceAccountName(userName: name) {
            questions = [ask("", "serviceaccounts", account.name, namespace: account.namespace)]
            if groups.isEmpty { groups = account.groups.filter { $0 != SystemGroup.authenticated } }
        } else {
            questions = [ask("", "users", name)]
        }
        questions += request.groups.map { ask("", "groups", $0) }
        if let uid = request.uid { questions.append(ask("authentication.k8s.io", "uids", uid)) }
        for (key, values) in request.extra {
            questions += values.map { ask("authentication.k8s.io", "userextras", $0, sub: key) }
        }
        let own = name == "system:anonymous" ? SystemGroup.unauthenticated : SystemGroup.authenticated
        if !groups.contains(own) { groups.append(own) }
        user = UserInfo(name: name, uid: request.uid, groups: groups, extra: request.extra)
    }
}

extension APIHandler {
    /// The user that the request acts as. Throws a Status (400, 403) that the front answers with.
    public func impersonated(_ caller: UserInfo, _ request: ImpersonationRequest?) throws(Refusal) -> UserInfo {
        guard let request else { return caller }
        do throws(StatusError) {
            guard let plan = ImpersonationPlan(request, by: caller) else {
                throw .badRequest(
                    "requested groups, uid or extra of another user without impersonating a user: Impersonate-User is missing")
            }
            for question in plan.questions { try authorize(question) }
            return plan.user
        } catch {
            throw Refusal(document: error.document)
        }
    }

    /// Whether somebody may read a path that is no resource, e.g. the front's own `/metrics`.
    public func requirePath(_ path: String, verb: String = "get", user: UserInfo) throws(Refusal) {
        do throws(StatusError) {
            try authorize(AuthorizationAttributes(user: user, verb: verb, path: path))
        } catch {
            throw Refusal(document: error.document)
        }
    }
}

extension APIHandler {
    /// Whether a node may use the tunnel of this name: it must be its own, and its domain's.
    public func requireTunnel(_ node: String, user: UserInfo) throws(Refusal) {
        do throws(StatusError) {
            try authorize(
                AuthorizationAttributes(
                    user: user, verb: "get", group: "swiftlet.io", resource: "nodes", subresource: "tunnel", name: node))
        } catch {
            throw Refusal(document: error.document)
        }
    }
}

/// A refusal ready to be sent.
public struct Refusal: Error, Sendable {
    public let document: APIDocument
}
