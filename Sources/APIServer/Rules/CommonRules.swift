// Rules that many kinds share: duplicates, quantities, ports, selectors, data. Wording is Kubernetes' own.
import JSON
import KubernetesModel

extension JSONValue {
    /// Sets a member of an object unless it is there.
    mutating func setDefault(_ key: String, _ value: JSONValue) {
        if self[key] == nil || self[key]?.isNull == true { self[key] = value }
    }

    /// Changes the elements of an array in place.
    mutating func changeElements(of key: String, _ change: (inout JSONValue) -> Void) {
        guard case .array(var elements)? = self[key] else { return }
        self[key] = .null  // gives up the reference, so that the elements are changed in place
        for index in elements.indices { change(&elements[index]) }
        self[key] = .array(elements)
    }
}

extension FieldError {
    static func tooMany(_ field: String, count: Int, limit: Int) -> FieldError {
        FieldError(field: field, reason: .tooMany, message: "Too many: \(count): must have at most \(limit) items")
    }

    static func tooLong(_ field: String, limit: Int) -> FieldError {
        FieldError(field: field, reason: .tooLong, message: "Too long: may not be more than \(limit) bytes")
    }
}

enum DuplicateRules {
    /// Elements whose member repeats an earlier element's.
    static func find(_ elements: [JSONValue], member: String, at path: @autoclosure () -> String) -> [FieldError] {
        if elements.count < 2 { return [] }
        var seen: Set<String> = []
        return elements.enumerated().compactMap { index, element in
            guard let value = element[member]?.stringValue, !seen.insert(value).inserted else { return nil }
            return .duplicate("\(path())[\(index)].\(member)", .string(value))
        }
    }
}

enum QuantityRules {
    /// For a map of resource names to quantities.
    static func notNegative(_ map: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let map = map?.objectValue else { return [] }
        var errors: [FieldError] = []
        for (name, value) in map {
            // What is surely canonical has no sign.
            if case .string(let text) = value, QuantityForm.isCanonical(text) { continue }
            guard let amount = QuantityForm.quantity(value), amount.isNegative else { continue }
            errors.append(.invalid("\(path())[\(name)]", value, "must be greater than or equal to 0"))
        }
        return errors
    }
}

/// `resources` of a container, in pods and in app images.
enum ResourceRules {
    static func validate(_ resources: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let resources, resources.objectValue?.isEmpty == false else { return [] }
        var errors = QuantityRules.notNegative(resources["limits"], at: "\(path()).limits")
        errors += QuantityRules.notNegative(resources["requests"], at: "\(path()).requests")
        guard let limits = resources["limits"]?.objectValue else { return errors }
        for (name, value) in resources["requests"]?.objectValue ?? [:] {
            guard let limit = limits[name], value != limit, let most = quantity(limit), let amount = quantity(value) else {
                continue
            }
            if amount > most {
                errors.append(
                    .invalid("\(path()).requests", value, "must be less than or equal to \(name) limit of \(most.canonical)"))
            }
        }
        return errors
    }

    static func quantity(_ value: JSONValue) -> Quantity? { QuantityForm.quantity(value) }
}

enum PortRules {
    static let range = "must be between 1 and 65535, inclusive"

    static func number(_ port: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let number = port?.intValue else { return [] }
        return (1...65535).contains(number) ? [] : [.invalid(path(), .int(number), range)]
    }

    /// A number, or the name of a port.
    static func reference(_ port: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        if port?.intValue != nil { return number(port, at: path()) }
        guard let name = port?.stringValue else { return [] }
        return NameFormat.portNameProblem(name).map { [.invalid(path(), .string(name), $0)] } ?? []
    }
}

enum SelectorRules {
    /// metav1.LabelSelector.
    static func validate(_ selector: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let selector else { return [] }
        var errors = labels(selector["matchLabels"], at: "\(path()).matchLabels")
        for (index, expression) in (selector["matchExpressions"]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).matchExpressions[\(index)]" }
            let key = expression["key"]?.stringValue ?? ""
            if let problem = NameFormat.qualifiedNameProblem(key) {
                errors.append(.invalid("\(place()).key", .string(key), problem))
            }
            let values = expression["values"]?.arrayValue ?? []
            switch expression["operator"]?.stringValue {
            case "In", "NotIn":
                if values.isEmpty {
                    errors.append(.required("\(place()).values", "must be specified when `operator` is 'In' or 'NotIn'"))
                }
            case "Exists", "DoesNotExist":
                if !values.isEmpty {
                    errors.append(
                        .forbidden("\(place()).values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
                }
            default: break
            }
        }
        return errors
    }

    static func labels(_ labels: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let labels = labels?.objectValue else { return [] }
        var errors: [FieldError] = []
        for (key, value) in labels {
            if let problem = NameFormat.qualifiedNameProblem(key) { errors.append(.invalid(path(), .string(key), problem)) }
            if let text = value.stringValue, let problem = NameFormat.labelValueProblem(text) {
                errors.append(.invalid(path(), value, problem))
            }
        }
        return errors
    }
}

/// ConfigMaps and Secrets.
enum DataRules {
    /// Data of one object, as in Kubernetes.
    static let maximumBytes = 1 << 20

    /// `whole`: the place that is named when all of it is too much.
    static func validate(_ object: JSONValue, members: [String], whole: String) -> [FieldError] {
        var errors: [FieldError] = []
        var size = 0
        var seen: Set<String> = []
        for member in members {
            for (key, value) in object[member]?.objectValue ?? [:] {
                size += value.stringValue?.utf8.count ?? 0
                if let problem = NameFormat.dataKeyProblem(key) {
                    errors.append(.invalid("\(member)[\(key)]", .string(key), problem))
                }
                if members.count > 1, !seen.insert(key).inserted {
                    errors.append(.invalid("\(member)[\(key)]", .string(key), "duplicate of key present in data"))
                }
            }
        }
        if size > maximumBytes { errors.append(.tooLong(whole, limit: maximumBytes)) }
        return errors
    }

    static func validateImmutable(_ old: JSONValue, _ new: JSONValue, members: [String]) -> [FieldError] {
        guard old["immutable"]?.boolValue == true else { return [] }
        var errors: [FieldError] = []
        if new["immutable"]?.boolValue != true {
            errors.append(.forbidden("immutable", "field is immutable when `immutable` is set"))
        }
        for member in members where (old[member] ?? [:]) != (new[member] ?? [:]) {
            errors.append(.forbidden(member, "field is immutable when `immutable` is set"))
        }
        return errors
    }
}
