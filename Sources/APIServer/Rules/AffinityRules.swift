// What a pod's affinity must satisfy.
import JSON

enum AffinityRules {
    static func validate(_ affinity: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        if let node = affinity["nodeAffinity"] { errors += validate(node: node, at: "\(path()).nodeAffinity") }
        for member in ["podAffinity", "podAntiAffinity"] {
            if let rules = affinity[member] { errors += validate(pod: rules, at: "\(path()).\(member)") }
        }
        return errors
    }

    private static let required = "requiredDuringSchedulingIgnoredDuringExecution"
    private static let preferred = "preferredDuringSchedulingIgnoredDuringExecution"

    private static func validate(node: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        if let selector = node[required] {
            let terms = selector["nodeSelectorTerms"]?.arrayValue ?? []
            if terms.isEmpty {
                errors.append(.required("\(path()).\(required).nodeSelectorTerms", "must have at least one node selector term"))
            }
            for (index, term) in terms.enumerated() {
                errors += validate(term: term, at: "\(path()).\(required).nodeSelectorTerms[\(index)]")
            }
        }
        for (index, choice) in (node[preferred]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).\(preferred)[\(index)]" }
            errors += weight(choice["weight"], at: "\(place()).weight")
            errors += validate(term: choice["preference"] ?? [:], at: "\(place()).preference")
        }
        return errors
    }

    private static func validate(term: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        for member in ["matchExpressions", "matchFields"] {
            for (index, expression) in (term[member]?.arrayValue ?? []).enumerated() {
                errors += validate(expression: expression, at: "\(path()).\(member)[\(index)]")
            }
        }
        return errors
    }

    private static func validate(expression: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        let values = expression["values"]?.arrayValue ?? []
        var errors: [FieldError] = []
        let key = expression["key"]?.stringValue ?? ""
        if let problem = NameFormat.qualifiedNameProblem(key) { errors.append(.invalid("\(path()).key", .string(key), problem)) }
        switch expression["operator"]?.stringValue {
        case "In", "NotIn":
            if values.isEmpty {
                errors.append(.required("\(path()).values", "must be specified when `operator` is 'In' or 'NotIn'"))
            }
        case "Exists", "DoesNotExist":
            if !values.isEmpty {
                errors.append(
                    .forbidden("\(path()).values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
            }
        case "Gt", "Lt":
            if values.count != 1 {
                errors.append(.required("\(path()).values", "must be specified single value when `operator` is 'Lt' or 'Gt'"))
            }
        default: break
        }
        return errors
    }

    private static func validate(pod: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, term) in (pod[required]?.arrayValue ?? []).enumerated() {
            errors += validate(podTerm: term, at: "\(path()).\(required)[\(index)]")
        }
        for (index, choice) in (pod[preferred]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).\(preferred)[\(index)]" }
            errors += weight(choice["weight"], at: "\(place()).weight")
            errors += validate(podTerm: choice["podAffinityTerm"] ?? [:], at: "\(place()).podAffinityTerm")
        }
        return errors
    }

    private static func validate(podTerm: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors = SelectorRules.validate(podTerm["labelSelector"], at: "\(path()).labelSelector")
        errors += SelectorRules.validate(podTerm["namespaceSelector"], at: "\(path()).namespaceSelector")
        let key = podTerm["topologyKey"]?.stringValue ?? ""
        if !key.isEmpty, let problem = NameFormat.qualifiedNameProblem(key) {
            errors.append(.invalid("\(path()).topologyKey", .string(key), problem))
        }
        return errors
    }

    private static func weight(_ weight: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let number = weight?.intValue, !(1...100).contains(number) else { return [] }
        return [.invalid(path(), .int(number), "must be in the range 1-100")]
    }
}
