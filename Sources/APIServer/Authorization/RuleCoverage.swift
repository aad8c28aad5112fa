// Whether rules that somebody wants to give away are all held by the giver: nobody writes himself more rights than he has.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping

enum RuleCoverage {
    /// Single permissions that are looked at one by one; a larger product must be covered by whole rules.
    static let maximumPermissions = 20_000

    /// The wanted rules that the held ones do not allow in full, cut down to the missing permissions where these are few.
    static func missing(_ wanted: [PolicyRule], heldBy held: [PolicyRule]) -> [PolicyRule] {
        wanted.flatMap { rule in
            if held.contains(where: { covers($0, rule) }) { return [PolicyRule]() }
            guard permissions(of: rule) <= maximumPermissions else { return [rule] }
            return single(rule).filter { one in !held.contains { covers($0, one) } }
        }
    }

    /// Whether one held rule allows all of one wanted rule.
    static func covers(_ held: PolicyRule, _ wanted: PolicyRule) -> Bool {
        let hasVerbs = held.verbs.contains("*") || wanted.verbs.allSatisfy(held.verbs.contains)
        guard hasVerbs else { return false }
        let hasPaths = wanted.nonResourceURLs.allSatisfy { path in
            held.nonResourceURLs.contains { $0 == path || RuleSet.hasPath(PolicyRule(verbs: [], nonResourceURLs: [$0]), path) }
        }
        guard hasPaths else { return false }
        if wanted.resources.isEmpty, wanted.apiGroups.isEmpty { return true }
        let hasGroups = held.apiGroups.contains("*") || wanted.apiGroups.allSatisfy(held.apiGroups.contains)
        let hasNames =
            held.resourceNames.isEmpty
            || (!wanted.resourceNames.isEmpty && wanted.resourceNames.allSatisfy(held.resourceNames.contains))
        return hasGroups && hasNames && wanted.resources.allSatisfy { has(held, resource: $0) }
    }

    private static func has(_ held: PolicyRule, resource: String) -> Bool {
        if held.resources.contains("*") || held.resources.contains(resource) { return true }
        let parts = resource.split(separator: "/", maxSplits: 1)
        return parts.count == 2 && held.resources.contains("*/\(parts[1])")
    }

    private static func permissions(of rule: PolicyRule) -> Int {
        let factors = [
            rule.verbs.count,
            max(rule.apiGroups.count, 1), max(rule.resources.count, 1), max(rule.resourceNames.count, 1),
        ]
        let product = factors.reduce(1) { product, factor in
            let (value, overflow) = product.multipliedReportingOverflow(by: factor)
            return overflow ? Int.max : value
        }
        return product == Int.max ? product : product + rule.verbs.count * rule.nonResourceURLs.count
    }

    private static func single(_ rule: PolicyRule) -> [PolicyRule] {
        var result: [PolicyRule] = []
        for verb in rule.verbs {
            for group in rule.apiGroups {
                for resource in rule.resources {
                    if rule.resourceNames.isEmpty { result.append(.allow([verb], [resource], in: [group])) }
                    for name in rule.resourceNames { result.append(.allow([verb], [resource], in: [group], named: [name])) }
                }
            }
            for url in rule.nonResourceURLs { result.append(.allow([verb], urls: [url])) }
        }
        return result
    }
}
