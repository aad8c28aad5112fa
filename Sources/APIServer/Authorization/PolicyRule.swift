// One rule of a role, and whether it allows what is asked: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
import JSON

/// `rbac.authorization.k8s.io/v1 PolicyRule`. Rules only ever allow; what no rule allows is refused.
struct PolicyRule: Sendable, Hashable {
    var verbs: [String]
    var apiGroups: [String] = []
    /// "pods", "pods/log", "*/scale", "*".
    var resources: [String] = []
    /// Empty: any name. A create never has a name, so rules with names do not allow it.
    var resourceNames: [String] = []
    /// "/healthz", "/apis/*", "*".
    var nonResourceURLs: [String] = []

    static let everything = [
        PolicyRule(verbs: ["*"], apiGroups: ["*"], resources: ["*"]), PolicyRule(verbs: ["*"], nonResourceURLs: ["*"]),
    ]

    static func allow(_ verbs: [String], _ resources: [String], in groups: [String] = [""], named: [String] = []) -> PolicyRule {
        PolicyRule(verbs: verbs, apiGroups: groups, resources: resources, resourceNames: named)
    }

    static func allow(_ verbs: [String], urls: [String]) -> PolicyRule { PolicyRule(verbs: verbs, nonResourceURLs: urls) }
}

extension PolicyRule {
    /// Members of another type than expected count as absent: a rule that is not understood allows nothing.
    init(_ value: JSONValue) {
        func texts(_ member: String) -> [String] { (value[member]?.arrayValue ?? []).compactMap(\.stringValue) }
        self.init(
            verbs: texts("verbs"), apiGroups: texts("apiGroups"), resources: texts("resources"),
            resourceNames: texts("resourceNames"), nonResourceURLs: texts("nonResourceURLs"))
    }

    static func list(_ value: JSONValue?) -> [PolicyRule] { (value?.arrayValue ?? []).map(PolicyRule.init) }

    var json: JSONValue {
        var object = JSONObject()
        func put(_ member: String, _ values: [String]) {
            if !values.isEmpty { object[member] = .array(values.map { .string($0) }) }
        }
        put("verbs", verbs)
        put("apiGroups", apiGroups)
        put("resources", resources)
        put("resourceNames", resourceNames)
        put("nonResourceURLs", nonResourceURLs)
        return .object(object)
    }
}

/// The verbs of Kubernetes as bits, so that most rules are passed over by one comparison.
struct VerbSet: OptionSet, Sendable, Hashable {
    let rawValue: UInt32
    static let all = VerbSet(rawValue: 1 << 31)
    /// Set when a rule names a verb without a bit of its own.
    static let others = VerbSet(rawValue: 1 << 30)

    private static let names = [
        "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate",
        "approve", "sign", "use", "proxy", "head",
    ]
    private static let bits = Dictionary(
        uniqueKeysWithValues: names.enumerated().map { ($1, VerbSet(rawValue: 1 << UInt32($0))) })

    init(rawValue: UInt32) { self.rawValue = rawValue }
    init(verb: String) { self = verb == "*" ? .all : Self.bits[verb] ?? .others }
}

/// A question with what is the same for every rule worked out once.
struct RuleQuery: Sendable {
    let verb: String
    let verbs: VerbSet
    let isResource: Bool
    let group: String
    let resource: String
    /// "*/log" for a subresource, else nil.
    let anyWithSubresource: String?
    let name: String
    let path: String

    init(_ attributes: AuthorizationAttributes) {
        verb = attributes.verb
        verbs = VerbSet(verb: attributes.verb)
        isResource = attributes.isResource
        group = attributes.group
        resource = attributes.subresource.isEmpty ? attributes.resource : "\(attributes.resource)/\(attributes.subresource)"
        anyWithSubresource = attributes.subresource.isEmpty ? nil : "*/\(attributes.subresource)"
        name = attributes.name ?? ""
        path = attributes.path
    }
}

/// A role's rules, prepared for asking.
struct RuleSet: Sendable {
    private struct Prepared: Sendable {
        let verbs: VerbSet
        let rule: PolicyRule
        let allGroups: Bool
        let allResources: Bool

        init(_ rule: PolicyRule) {
            self.rule = rule
            verbs = rule.verbs.reduce(into: VerbSet()) { $0.formUnion(VerbSet(verb: $1)) }
            allGroups = rule.apiGroups.contains("*")
            allResources = rule.resources.contains("*")
        }
    }

    let rules: [PolicyRule]
    private let forResources: [Prepared]
    private let forPaths: [Prepared]

    init(_ rules: [PolicyRule]) {
        self.rules = rules
        forResources = rules.filter { !$0.resources.isEmpty && !$0.apiGroups.isEmpty }.map(Prepared.init)
        forPaths = rules.filter { !$0.nonResourceURLs.isEmpty }.map(Prepared.init)
    }

    func allows(_ query: RuleQuery) -> Bool {
        if !query.isResource { return forPaths.contains { Self.hasVerb($0, query) && Self.hasPath($0.rule, query.path) } }
        return forResources.contains { prepared in
            Self.hasVerb(prepared, query) && (prepared.allGroups || prepared.rule.apiGroups.contains(query.group))
                && (prepared.allResources || Self.hasResource(prepared.rule, query))
                && (prepared.rule.resourceNames.isEmpty || prepared.rule.resourceNames.contains(query.name))
        }
    }

    private static func hasVerb(_ prepared: Prepared, _ query: RuleQuery) -> Bool {
        if prepared.verbs.contains(.all) { return true }
        guard !prepared.verbs.isDisjoint(with: query.verbs) else { return false }
        return query.verbs != .others || prepared.rule.verbs.contains(query.verb)
    }

    private static func hasResource(_ rule: PolicyRule, _ query: RuleQuery) -> Bool {
        rule.resources.contains(query.resource)
            || (query.anyWithSubresource.map { rule.resources.contains($0) } ?? false)
    }

    /// A trailing * stands for anything, elsewhere it is a character like others.
    static func hasPath(_ rule: PolicyRule, _ path: String) -> Bool {
        rule.nonResourceURLs.contains { pattern in
            pattern == "*" || pattern == path || (pattern.last == "*" && path.hasPrefix(pattern.dropLast()))
        }
    }
}
