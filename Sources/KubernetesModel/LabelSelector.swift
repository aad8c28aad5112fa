// A label selector inside an object (metav1.LabelSelector): all of `matchLabels` and all of `matchExpressions`.

public struct LabelSelector: DefaultInitializable, Sendable {
    @DefaultEmpty public var matchLabels: [String: String] = [:]
    @DefaultEmpty public var matchExpressions: [LabelSelectorRequirement] = []

    public init() {}

    public init(matchLabels: [String: String] = [:], matchExpressions: [LabelSelectorRequirement] = []) {
        self.matchLabels = matchLabels
        self.matchExpressions = matchExpressions
    }

    /// The conditions in order of their keys; throws when an operator is unknown or has the wrong number of values.
    public func requirements() throws(SelectorError) -> [LabelRequirement] {
        var result = matchLabels.sorted { $0.key < $1.key }.map { LabelRequirement(key: $0.key, condition: .isIn([$0.value])) }
        for expression in matchExpressions { result.append(try expression.requirement()) }
        return result
    }

    /// An empty selector matches everything.
    public func matches(_ labels: [String: String]) throws(SelectorError) -> Bool {
        try requirements().allSatisfy { $0.matches(labels) }
    }
}

public struct LabelSelectorRequirement: Sendable, Hashable, Codable {
    @WrittenEmpty public var key: String = ""
    /// "In", "NotIn", "Exists" or "DoesNotExist".
    @WrittenEmpty public var `operator`: String = ""
    @DefaultEmpty public var values: [String] = []

    public init(key: String = "", `operator`: String = "", values: [String] = []) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }

    func requirement() throws(SelectorError) -> LabelRequirement {
        switch self.operator {
        case "In", "NotIn":
            guard !values.isEmpty else {
                throw SelectorError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
            }
            return LabelRequirement(key: key, condition: self.operator == "In" ? .isIn(Set(values)) : .isNotIn(Set(values)))
        case "Exists", "DoesNotExist":
            guard values.isEmpty else {
                throw SelectorError("values: Invalid value: \(values): values set must be empty for exists and does not exist")
            }
            return LabelRequirement(key: key, condition: self.operator == "Exists" ? .exists : .doesNotExist)
        default:
            throw SelectorError("\"\(self.operator)\" is not a valid label selector operator")
        }
    }
}
