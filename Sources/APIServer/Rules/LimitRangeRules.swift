// What a LimitRange may say: bounds in order, and defaults between them. The bounds also stand where a default is missing.
import JSON
import KubernetesModel

enum LimitRangeRules {
    /// As Kubernetes completes an item about containers: the limit is the most there may be, the request the limit, or the least.
    @Sendable static func applyDefaults(_ range: inout JSONValue) {
        guard case .array(var items)? = range["spec"]?["limits"] else { return }
        for index in items.indices where items[index]["type"]?.stringValue == "Container" {
            for (source, target) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                for (name, amount) in items[index][source]?.objectValue ?? [:] where items[index][target]?[name] == nil {
                    items[index].set([target, name], to: amount)
                }
            }
        }
        range.set(["spec", "limits"], to: .array(items))
    }

    @Sendable static func validate(_ range: JSONValue) -> [FieldError] {
        let items = range["spec"]?["limits"]?.arrayValue ?? []
        return DuplicateRules.find(items, member: "type", at: "spec.limits")
            + items.enumerated().flatMap { index, item in problems(of: item, at: "spec.limits[\(index)]") }
    }

    private static func problems(of item: JSONValue, at path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for member in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            errors += QuantityRules.notNegative(item[member], at: "\(path).\(member)")
        }
        if item["type"]?.stringValue == "Pod" {
            for member in ["default", "defaultRequest"] where item[member]?.objectValue?.isEmpty == false {
                errors.append(.forbidden("\(path).\(member)", "may not be specified when `type` is 'Pod'"))
            }
        }
        // (the field that is told, the smaller, the larger) with the words for both.
        let orders = [
            ("min", ("min", "min"), ("max", "max")), ("defaultRequest", ("min", "min"), ("defaultRequest", "default request")),
            ("defaultRequest", ("defaultRequest", "default request"), ("max", "max")),
            ("defaultRequest", ("defaultRequest", "default request"), ("default", "default limit")),
            ("default", ("min", "min"), ("default", "default")), ("default", ("default", "default"), ("max", "max")),
        ]
        for (field, smaller, larger) in orders {
            let (low, high) = (LimitRanger.amounts(item[smaller.0]), LimitRanger.amounts(item[larger.0]))
            for name in low.keys.sorted() {
                guard let least = low[name], let most = high[name], least > most else { continue }
                errors.append(
                    .invalid(
                        "\(path).\(field)[\(name)]", .string("\(item[field]?[name]?.stringValue ?? "")"),
                        "\(smaller.1) value \(least) is greater than \(larger.1) value \(most)"))
            }
        }
        return errors
    }
}
