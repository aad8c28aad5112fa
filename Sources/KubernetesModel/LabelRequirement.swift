// One condition on a map of strings, the common ground of label selectors in objects and in query strings.

/// A label selector's text or object that breaks the rules; the message is Kubernetes' own.
public struct SelectorError: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}

public struct LabelRequirement: Sendable, Hashable {
    public enum Condition: Sendable, Hashable {
        case isIn(Set<String>)
        /// Also holds when the key is absent.
        case isNotIn(Set<String>)
        case exists
        case doesNotExist
        case greaterThan(Int64)
        case lessThan(Int64)
    }

    public var key: String
    public var condition: Condition

    public init(key: String, condition: Condition) {
        self.key = key
        self.condition = condition
    }

    public func matches(_ labels: [String: String]) -> Bool {
        let value = labels[key]
        return switch condition {
        case .isIn(let values): value.map(values.contains) ?? false
        case .isNotIn(let values): value.map { !values.contains($0) } ?? true
        case .exists: value != nil
        case .doesNotExist: value == nil
        case .greaterThan(let bound): value.flatMap { Int64($0) }.map { $0 > bound } ?? false
        case .lessThan(let bound): value.flatMap { Int64($0) }.map { $0 < bound } ?? false
        }
    }
}
