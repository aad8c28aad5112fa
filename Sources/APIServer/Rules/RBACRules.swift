// Rules of roles and bindings, and the columns of bindings.
import JSON

enum RBACRules {
    private static let group = "rbac.authorization.k8s.io"

    static func validateRules(_ role: JSONValue, isCluster: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, rule) in (role["rules"]?.arrayValue ?? []).enumerated() {
            let path = "rules[\(index)]"
            func isEmpty(_ member: String) -> Bool { (rule[member]?.arrayValue ?? []).isEmpty }
            if isEmpty("verbs") { errors.append(.required("\(path).verbs", "verbs must contain at least one value")) }
            if !isEmpty("nonResourceURLs") {
                if !isCluster {
                    errors.append(
                        .invalid(
                            "\(path).nonResourceURLs", rule["nonResourceURLs"] ?? [],
                            "namespaced rules cannot apply to non-resource URLs"))
                }
                if !isEmpty("apiGroups") || !isEmpty("resources") || !isEmpty("resourceNames") {
                    errors.append(
                        .invalid(
                            "\(path).nonResourceURLs", rule["nonResourceURLs"] ?? [],
                            "rules cannot apply to both regular resources and non-resource URLs"))
                }
                continue
            }
            if isEmpty("apiGroups") {
                errors.append(.required("\(path).apiGroups", "resource rules must supply at least one api group"))
            }
            if isEmpty("resources") {
                errors.append(.required("\(path).resources", "resource rules must supply at least one resource"))
            }
        }
        for (index, selector) in (role["aggregationRule"]?["clusterRoleSelectors"]?.arrayValue ?? []).enumerated() {
            errors += SelectorRules.validate(selector, at: "aggregationRule.clusterRoleSelectors[\(index)]")
        }
        return errors
    }

    /// Users and groups belong to the rbac group, service accounts to none.
    @Sendable static func defaultSubjects(_ binding: inout JSONValue) {
        binding.changeElements(of: "subjects") { subject in
            let kind = subject["kind"]?.stringValue ?? ""
            if kind == "User" || kind == "Group", (subject["apiGroup"]?.stringValue ?? "").isEmpty {
                subject["apiGroup"] = .string(group)
            }
        }
    }

    static func validateBinding(_ binding: JSONValue, roles: [String]) -> [FieldError] {
        var errors: [FieldError] = []
        let reference = binding["roleRef"] ?? [:]
        if let found = reference["apiGroup"]?.stringValue, found != group {
            errors.append(.notSupported("roleRef.apiGroup", .string(found), supported: [group]))
        }
        if let kind = reference["kind"]?.stringValue, !roles.contains(kind) {
            errors.append(.notSupported("roleRef.kind", .string(kind), supported: roles))
        }
        if let name = reference["name"]?.stringValue, let problem = NameFormat.pathSegmentProblem(name) {
            errors.append(.invalid("roleRef.name", .string(name), problem))
        }
        for (index, subject) in (binding["subjects"]?.arrayValue ?? []).enumerated() {
            errors += validate(subject, at: "subjects[\(index)]")
        }
        return errors
    }

    private static func validate(_ subject: JSONValue, at path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let found = subject["apiGroup"]?.stringValue ?? ""
        switch subject["kind"]?.stringValue ?? "" {
        case "ServiceAccount":
            let name = subject["name"]?.stringValue ?? ""
            if !name.isEmpty, let problem = NameFormat.subdomainProblem(name) {
                errors.append(.invalid("\(path).name", .string(name), problem))
            }
            if (subject["namespace"]?.stringValue ?? "").isEmpty { errors.append(.required("\(path).namespace")) }
            if !found.isEmpty { errors.append(.notSupported("\(path).apiGroup", .string(found), supported: [""])) }
        case "User", "Group":
            if found != group { errors.append(.notSupported("\(path).apiGroup", .string(found), supported: [group])) }
        case let other:
            errors.append(.notSupported("\(path).kind", .string(other), supported: ["ServiceAccount", "User", "Group"]))
        }
        return errors
    }

    @Sendable static func validateBindingUpdate(_ old: JSONValue, _ new: JSONValue) -> [FieldError] {
        old["roleRef"] == new["roleRef"] ? [] : [.invalid("roleRef", new["roleRef"] ?? .null, "cannot change roleRef")]
    }

    // MARK: Columns

    static let bindingColumns: [PrinterColumn] = [
        .name,
        .computed("Role") { tape in
            "\(tape.text(at: ["roleRef", "kind"]) ?? "")/\(tape.text(at: ["roleRef", "name"]) ?? "")"
        }, .age, .computed("Users", priority: 1) { subjects($0, "User") },
        .computed("Groups", priority: 1) { subjects($0, "Group") },
        .computed("ServiceAccounts", priority: 1) { subjects($0, "ServiceAccount") },
    ]

    private static func subjects(_ tape: JSONTape, _ kind: String) -> String {
        let all = tape.node(["subjects"]).map { Array(tape.elements(of: $0)) } ?? []
        return all.filter { tape.text(at: ["kind"], from: $0) == kind }.map { subject in
            let name = tape.text(at: ["name"], from: subject) ?? ""
            guard kind == "ServiceAccount", let namespace = tape.text(at: ["namespace"], from: subject) else { return name }
            return "\(namespace)/\(name)"
        }.joined(separator: ", ")
    }
}
