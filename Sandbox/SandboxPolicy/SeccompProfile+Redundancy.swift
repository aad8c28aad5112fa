// Rules that change nothing: each is a line that a reader takes for protection, or for a permission, and that is neither.

extension SeccompProfile {
    public struct Redundancy: Sendable, Hashable, CustomStringConvertible {
        public enum Reason: String, Sendable, Hashable, CaseIterable {
            case unknownCall = "no system call of that name"
            case duplicate = "the same rule stands earlier"
            case contradicted = "an earlier rule gives the call another action, and decides"
            case sameAsDefault = "the action is the profile's default"
            case shadowed = "a rule without arguments for the same call decides alone"
            case impliedByAnother = "another rule with fewer arguments covers it"
        }

        public var place: String
        public var name: String
        public var reason: Reason

        public var description: String { "\(place): \(name): \(reason.rawValue)" }
    }

    /// Empty for a profile in which every name of every rule counts.
    public func redundancies() -> [Redundancy] {
        var found: [Redundancy] = []
        let entries = rules.flatMap { rule in rule.names.map { (name: $0, rule: rule) } }
        var unconditional: Set<String> = []
        for entry in entries where entry.rule.conditions.isEmpty { unconditional.insert(entry.name) }
        var seen: [String: [Rule]] = [:]
        for (name, rule) in entries {
            let earlier = seen[name] ?? []
            seen[name, default: []].append(rule)
            let reason: Redundancy.Reason? =
                if SystemCallName.ruleNumber(name) == nil { .unknownCall } else if rule.action == defaultAction {
                    .sameAsDefault
                } else if earlier.contains(where: { $0.isSame(as: rule) }) {
                    .duplicate
                } else if rule.conditions.isEmpty, earlier.contains(where: { $0.conditions.isEmpty }) {
                    .contradicted
                } else if !rule.conditions.isEmpty, unconditional.contains(name) {
                    .shadowed
                } else if entries.contains(where: { $0.name == name && $0.rule.implies(rule) }) { .impliedByAnother } else { nil }
            if let reason { found.append(Redundancy(place: rule.place, name: name, reason: reason)) }
        }
        return found
    }
}

extension SeccompProfile.Rule {
    fileprivate func isSame(as other: Self) -> Bool { action == other.action && Set(conditions) == Set(other.conditions) }

    /// True when whatever `other` matches, this matches with the same action, by fewer conditions that all stand in `other`.
    fileprivate func implies(_ other: Self) -> Bool {
        guard action == other.action, alternatives.count == 1, other.alternatives.count == 1 else { return false }
        return conditions.count < other.conditions.count && Set(conditions).isSubset(of: other.conditions)
    }
}
