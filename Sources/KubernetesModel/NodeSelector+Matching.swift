// Which nodes a node selector matches: the rules of core/v1's NodeSelector, written once for scheduler and agents.

extension NodeSelector {
    /// Any term is enough; no term matches nothing.
    public func matches(nodeNamed name: String, labels: [String: String]) -> Bool {
        nodeSelectorTerms.contains { $0.matches(nodeNamed: name, labels: labels) }
    }
}

extension NodeSelectorTerm {
    /// All requirements must hold; a term without any matches nothing.
    public func matches(nodeNamed name: String, labels: [String: String]) -> Bool {
        if matchExpressions.isEmpty, matchFields.isEmpty { return false }
        return matchExpressions.allSatisfy { $0.holds(for: labels[$0.key]) }
            && matchFields.allSatisfy { $0.key == "metadata.name" && $0.holds(for: name) }
    }
}

extension NodeSelectorRequirement {
    /// `value` is the label's value, nil when the node has no such label. An unknown operator never holds.
    public func holds(for value: String?) -> Bool {
        switch self.operator {
        case "In": value.map(values.contains) ?? false
        case "NotIn": value.map { !values.contains($0) } ?? true
        case "Exists": value != nil
        case "DoesNotExist": value == nil
        case "Gt": compare(value) { $0 > $1 }
        case "Lt": compare(value) { $0 < $1 }
        default: false
        }
    }

    /// Both sides are integers, or it does not hold.
    private func compare(_ value: String?, _ order: (Int64, Int64) -> Bool) -> Bool {
        guard let value, let left = Int64(value), values.count == 1, let right = Int64(values[0]) else { return false }
        return order(left, right)
    }
}
