// Questions about rights: `kubectl auth can-i` and programs that ask for somebody else. Answered, never stored.
// https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
import JSON
import KubernetesModel

/// What an access review asks, read from its spec. Pure.
struct AccessQuestion: Sendable {
    var attributes: AuthorizationAttributes

    /// The spec names exactly one of a resource and a path.
    init(_ review: JSONValue, user: UserInfo, errors: inout [FieldError]) {
        let resource = review["spec"]?["resourceAttributes"].flatMap { $0.isNull ? nil : $0 }
        let path = review["spec"]?["nonResourceAttributes"].flatMap { $0.isNull ? nil : $0 }
        if (resource == nil) == (path == nil) {
            errors.append(
                .invalid(
                    "spec.resourceAttributes", resource ?? .null,
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified"))
        }
        func text(_ member: String) -> String { resource?[member]?.stringValue ?? "" }
        func optional(_ member: String) -> String? { text(member).isEmpty ? nil : text(member) }
        let verb = (resource ?? path)?["verb"]?.stringValue ?? ""
        attributes = AuthorizationAttributes(
            user: user, verb: verb, path: path?["path"]?.stringValue ?? "", group: text("group"),
            // A question about all resources has a name that no resource has.
            resource: resource != nil && text("resource").isEmpty ? "*" : text("resource"), subresource: text("subresource"),
            namespace: optional("namespace"), name: optional("name"), nodeSelector: Self.nodeSelector(resource))
    }

    private static func nodeSelector(_ resource: JSONValue?) -> String? {
        (resource?["fieldSelector"]?["requirements"]?.arrayValue ?? []).first {
            $0["key"]?.stringValue == "spec.nodeName" && $0["operator"]?.stringValue == "In"
                && $0["values"]?.arrayValue?.count == 1
        }?["values"]?[0]?.stringValue
    }

    /// The user that a SubjectAccessReview is about.
    static func subject(_ review: JSONValue, errors: inout [FieldError]) -> UserInfo {
        let spec = review["spec"] ?? [:]
        let groups = (spec["groups"]?.arrayValue ?? []).compactMap(\.stringValue)
        let name = spec["user"]?.stringValue ?? ""
        if name.isEmpty, groups.isEmpty {
            errors.append(.invalid("spec.user", spec["user"] ?? "", "at least one of user or group must be specified"))
        }
        let extra = (spec["extra"]?.objectValue ?? [:]).map { ($0.key, ($0.value.arrayValue ?? []).compactMap(\.stringValue)) }
        return UserInfo(
            name: name, uid: spec["uid"]?.stringValue, groups: groups,
            extra: Dictionary(extra, uniquingKeysWith: { first, _ in first }))
    }
}

extension APIHandler {
    static let authorizationGroup = "authorization.k8s.io"

    func accessReview(_ request: APIRequest, kind: String, namespace: String? = nil) throws(StatusError) -> APIDocument {
        var review = try reviewBody(request)
        var errors: [FieldError] = []
        let user = kind == "SelfSubjectAccessReview" ? request.user : AccessQuestion.subject(review, errors: &errors)
        let question = AccessQuestion(review, user: user, errors: &errors)
        if let namespace, question.attributes.namespace != namespace {
            errors.append(
                .invalid(
                    "spec.resourceAttributes.namespace", .string(question.attributes.namespace ?? ""),
                    "must match metadata.namespace"))
        }
        let gvk = GroupVersionKind(group: Self.authorizationGroup, version: "v1", kind: kind)
        if !errors.isEmpty { throw .invalid(gvk, "", errors) }
        switch authorizer.authorize(question.attributes) {
        case .allow: review["status"] = ["allowed": true]
        case .deny(let why): review["status"] = why.isEmpty ? ["allowed": false] : ["allowed": false, "reason": .string(why)]
        }
        return answer(review, gvk, namespace: namespace)
    }

    /// `kubectl auth can-i --list`: the caller's rules in one namespace.
    func rulesReview(_ request: APIRequest) throws(StatusError) -> APIDocument {
        var review = try reviewBody(request)
        let gvk = GroupVersionKind(group: Self.authorizationGroup, version: "v1", kind: "SelfSubjectRulesReview")
        guard let namespace = review["spec"]?["namespace"]?.stringValue, !namespace.isEmpty else {
            throw .invalid(gvk, "", [.invalid("spec.namespace", "", "namespace is required")])
        }
        var rules = (authorizer as? any RuleHolding)?.rules(of: request.user, in: namespace) ?? []
        if request.user.groups.contains(SystemGroup.masters) { rules = PolicyRule.everything + rules }
        // Nodes and deploy tokens have rights that no rule can say.
        let isComplete = NodeIdentity(request.user) == nil && !request.user.groups.contains(NodeIdentity.deployTokensGroup)
        var status: JSONValue = [
            "resourceRules": .array(rules.filter { !$0.resources.isEmpty }.map { $0.withoutPaths.json }),
            "nonResourceRules": .array(
                rules.filter { !$0.nonResourceURLs.isEmpty }.map { PolicyRule.allow($0.verbs, urls: $0.nonResourceURLs).json }),
            "incomplete": .bool(!isComplete),
        ]
        if !isComplete { status["evaluationError"] = "nodes' own rights are not rules, and are not listed" }
        review["status"] = status
        return answer(review, gvk)
    }

    func identityReview(_ user: UserInfo) -> APIDocument {
        answer(
            ["metadata": ["creationTimestamp": .string(RFC3339.text(seconds: now()))], "status": ["userInfo": user.json]],
            GroupVersionKind(group: "authentication.k8s.io", version: "v1", kind: "SelfSubjectReview"))
    }

    // MARK: Bodies

    func reviewBody(_ request: APIRequest) throws(StatusError) -> JSONValue {
        let type = APICall.mediaType(request.contentType)
        guard type.isEmpty || type == "application/json" else {
            throw .unsupportedMediaType(type, accepted: ["application/json"])
        }
        let body = try APICall.parse(request.body)
        guard case .object = body else { throw .badRequest("the request's body must be a JSON object") }
        return body
    }

    func answer(_ review: JSONValue, _ kind: GroupVersionKind, namespace: String? = nil) -> APIDocument {
        var review = review
        review["kind"] = .string(kind.kind)
        review["apiVersion"] = .string("\(kind.group)/\(kind.version)")
        if review["metadata"]?.objectValue == nil { review["metadata"] = ["creationTimestamp": .null] }
        if let namespace { review.set(["metadata", "namespace"], to: .string(namespace)) }
        return APIDocument(status: 201, body: review.serialized())
    }
}

extension PolicyRule {
    fileprivate var withoutPaths: PolicyRule {
        var rule = self
        rule.nonResourceURLs = []
        return rule
    }
}

extension UserInfo {
    /// `authentication.k8s.io/v1 UserInfo`.
    var json: JSONValue {
        var object: JSONValue = ["username": .string(name), "groups": .array(groups.map { .string($0) })]
        if let uid { object["uid"] = .string(uid) }
        if !extra.isEmpty {
            object["extra"] = .object(
                JSONObject(extra.sorted { $0.key < $1.key }.map { ($0.key, .array($0.value.map { .string($0) })) }))
        }
        return object
    }
}
