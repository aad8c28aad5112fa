// Roles and bindings as a value: who was given which rules where. Kept current object by object, asked per request; a
// question costs one look-up per group of the caller, however many roles and bindings there are.
import JSON
import KubernetesModel

/// "" as namespace: a ClusterRole or ClusterRoleBinding.
struct RBACName: Sendable, Hashable {
    var namespace: String
    var name: String
}

/// Whom a binding means.
enum RBACSubject: Sendable, Hashable {
    case user(String)
    case group(String)

    /// nil for what nobody can be.
    init?(_ value: JSONValue, bindingNamespace: String) {
        guard let name = value["name"]?.stringValue, !name.isEmpty else { return nil }
        switch value["kind"]?.stringValue {
        case "User": self = .user(name)
        case "Group": self = .group(name)
        case "ServiceAccount":
            let named = value["namespace"]?.stringValue ?? ""
            let namespace = named.isEmpty ? bindingNamespace : named
            guard !namespace.isEmpty else { return nil }
            self = .user(ServiceAccountName(namespace: namespace, name: name).userName)
        default: return nil
        }
    }
}

struct RBACPolicy: Sendable {
    /// One role as it was written.
    private struct Source: Sendable {
        var rules: [PolicyRule]
        var labels: [String: String] = [:]
        /// Only of aggregated cluster roles: their rules are those of the roles that any of these selects.
        var selectors: [JSONValue] = []
    }

    /// A role's place: bindings name it by number, so that a question compares no role names.
    private struct Slot: Sendable {
        var name: RBACName
        var rules: RuleSet
        var bindings = 0
    }

    private struct Binding: Sendable {
        var subjects: [RBACSubject]
        var slot: Int
    }

    private struct Grant: Sendable {
        var binding: RBACName
        var slot: Int
    }

    private var sources: [RBACName: Source] = [:]
    private var slots: [Slot?] = []
    private var freeSlots: [Int] = []
    private var slotOfRole: [RBACName: Int] = [:]
    private var bindings: [RBACName: Binding] = [:]
    /// By namespace of the binding, "" for the whole cluster.
    private var grants: [String: [RBACSubject: [Grant]]] = [:]
    private var aggregated: Set<RBACName> = []

    // MARK: Keeping current

    /// `role` is the whole object; nil when it is gone.
    mutating func setRole(_ name: RBACName, to role: JSONValue?) {
        let before = sources[name]
        sources[name] = role.map { role in
            let labels = (role["metadata"]?["labels"]?.objectValue ?? [:]).compactMap { key, value in
                value.stringValue.map { (key, $0) }
            }
            return Source(
                rules: PolicyRule.list(role["rules"]), labels: Dictionary(labels, uniquingKeysWith: { first, _ in first }),
                selectors: name.namespace.isEmpty ? role["aggregationRule"]?["clusterRoleSelectors"]?.arrayValue ?? [] : [])
        }
        if sources[name]?.selectors.isEmpty ?? true { aggregated.remove(name) } else { aggregated.insert(name) }
        refresh(name)
        guard name.namespace.isEmpty else { return }
        let labels = [before?.labels, sources[name]?.labels].compactMap(\.self)
        let concerns = aggregated.contains { one in
            one == name || labels.contains { Self.selects(sources[one]?.selectors ?? [], $0) }
        }
        // Aggregated roles may select each other: those above the changed one change too.
        if concerns { for role in aggregated { refresh(role) } }
    }

    mutating func setBinding(_ name: RBACName, to binding: JSONValue?) {
        if let old = bindings.removeValue(forKey: name) {
            for subject in old.subjects { removeGrants(of: name, from: subject) }
            if grants[name.namespace]?.isEmpty == true { grants[name.namespace] = nil }
            slots[old.slot]?.bindings -= 1
            releaseIfUnused(old.slot)
        }
        guard let binding, let role = Self.role(of: binding, in: name.namespace) else { return }
        let subjects = Set(
            (binding["subjects"]?.arrayValue ?? []).compactMap { RBACSubject($0, bindingNamespace: name.namespace) })
        guard !subjects.isEmpty else { return }
        let slot = slotFor(role)
        slots[slot]?.bindings += 1
        bindings[name] = Binding(subjects: Array(subjects), slot: slot)
        for subject in subjects {
            grants[name.namespace, default: [:]][subject, default: []].append(Grant(binding: name, slot: slot))
        }
    }

    /// Everything is forgotten, to be told anew.
    mutating func removeRoles(inNamespaces: Bool) {
        for name in sources.keys where name.namespace.isEmpty != inNamespaces { setRole(name, to: nil) }
    }

    mutating func removeBindings(inNamespaces: Bool) {
        for name in bindings.keys where name.namespace.isEmpty != inNamespaces { setBinding(name, to: nil) }
    }

    // MARK: Asking

    func allows(_ attributes: AuthorizationAttributes) -> Bool {
        let query = RuleQuery(attributes)
        if allows(query, attributes.user, in: "") { return true }
        guard attributes.isResource, let namespace = attributes.namespace, !namespace.isEmpty else { return false }
        return allows(query, attributes.user, in: namespace)
    }

    private func allows(_ query: RuleQuery, _ user: UserInfo, in namespace: String) -> Bool {
        guard let table = grants[namespace] else { return false }
        func allows(_ subject: RBACSubject) -> Bool {
            table[subject]?.contains { slots[$0.slot]?.rules.allows(query) ?? false } ?? false
        }
        return allows(.user(user.name)) || user.groups.contains { allows(.group($0)) }
    }

    /// Every rule that the user has in a namespace, those of the whole cluster first. nil: only the latter.
    func rules(of user: UserInfo, in namespace: String?) -> [PolicyRule] {
        let subjects = [RBACSubject.user(user.name)] + user.groups.map(RBACSubject.group)
        let places = namespace.map { $0.isEmpty ? [""] : ["", $0] } ?? [""]
        return places.flatMap { place in
            subjects.flatMap { grants[place]?[$0] ?? [] }.flatMap { slots[$0.slot]?.rules.rules ?? [] }
        }
    }

    /// nil when there is no such role.
    func rules(ofRole name: RBACName) -> [PolicyRule]? { sources[name].map { _ in effectiveRules(of: name) } }

    var roleCount: Int { sources.count }
    var bindingCount: Int { bindings.count }

    // MARK: Roles

    /// The role that a binding gives; nil when it names none. A ClusterRoleBinding gives cluster roles only.
    static func role(of binding: JSONValue, in namespace: String) -> RBACName? {
        guard let name = binding["roleRef"]?["name"]?.stringValue, !name.isEmpty else { return nil }
        switch binding["roleRef"]?["kind"]?.stringValue {
        case "ClusterRole": return RBACName(namespace: "", name: name)
        case "Role" where !namespace.isEmpty: return RBACName(namespace: namespace, name: name)
        default: return nil
        }
    }

    private func effectiveRules(of name: RBACName) -> [PolicyRule] {
        var seen: Set<RBACName> = []
        var result: [PolicyRule] = []
        var known: Set<PolicyRule> = []
        func add(_ name: RBACName) {
            guard seen.insert(name).inserted, let source = sources[name] else { return }
            guard !source.selectors.isEmpty else {
                for rule in source.rules where known.insert(rule).inserted { result.append(rule) }
                return
            }
            let selected = sources.filter { $0.key.namespace.isEmpty && Self.selects(source.selectors, $0.value.labels) }
            for name in selected.keys.sorted(by: { $0.name < $1.name }) { add(name) }
        }
        add(name)
        return result
    }

    private static func selects(_ selectors: [JSONValue], _ labels: [String: String]) -> Bool {
        selectors.contains { selector in
            // An empty selector would select every role there is; that is never what an aggregation means.
            let count =
                (selector["matchLabels"]?.objectValue?.count ?? 0) + (selector["matchExpressions"]?.arrayValue?.count ?? 0)
            guard count > 0 else { return false }
            let byLabel = (selector["matchLabels"]?.objectValue ?? [:]).allSatisfy { key, value in
                labels[key] != nil && labels[key] == value.stringValue
            }
            return byLabel && (selector["matchExpressions"]?.arrayValue ?? []).allSatisfy { matches($0, labels) }
        }
    }

    private static func matches(_ expression: JSONValue, _ labels: [String: String]) -> Bool {
        guard let key = expression["key"]?.stringValue else { return false }
        let values = (expression["values"]?.arrayValue ?? []).compactMap(\.stringValue)
        switch expression["operator"]?.stringValue {
        case "In": return labels[key].map(values.contains) ?? false
        case "NotIn": return !(labels[key].map(values.contains) ?? false)
        case "Exists": return labels[key] != nil
        case "DoesNotExist": return labels[key] == nil
        default: return false
        }
    }

    // MARK: Slots

    private mutating func slotFor(_ role: RBACName) -> Int {
        if let slot = slotOfRole[role] { return slot }
        let rules = RuleSet(effectiveRules(of: role))
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count { slots.append(nil) }
        slots[slot] = Slot(name: role, rules: rules)
        slotOfRole[role] = slot
        return slot
    }

    private mutating func refresh(_ role: RBACName) {
        guard let slot = slotOfRole[role] else { return }
        let rules = RuleSet(effectiveRules(of: role))
        slots[slot]?.rules = rules
    }

    private mutating func releaseIfUnused(_ slot: Int) {
        guard let role = slots[slot], role.bindings == 0 else { return }
        slotOfRole[role.name] = nil
        slots[slot] = nil
        freeSlots.append(slot)
    }

    private mutating func removeGrants(of binding: RBACName, from subject: RBACSubject) {
        grants[binding.namespace]?[subject]?.removeAll { $0.binding == binding }
        if grants[binding.namespace]?[subject]?.isEmpty == true { grants[binding.namespace]?[subject] = nil }
    }
}

/// `system:serviceaccount:NAMESPACE:NAME` and the groups that go with it.
struct ServiceAccountName: Sendable, Hashable {
    var namespace: String
    var name: String

    static let userPrefix = "system:serviceaccount:"
    static let group = "system:serviceaccounts"

    var userName: String { "\(Self.userPrefix)\(namespace):\(name)" }
    var groups: [String] { [Self.group, "\(Self.group):\(namespace)", SystemGroup.authenticated] }

    init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    init?(userName: String) {
        guard userName.hasPrefix(Self.userPrefix) else { return nil }
        let parts = userName.dropFirst(Self.userPrefix.count).split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, NameFormat.labelProblem(String(parts[0])) == nil,
            NameFormat.subdomainProblem(String(parts[1])) == nil
        else { return nil }
        self.init(namespace: String(parts[0]), name: String(parts[1]))
    }
}
