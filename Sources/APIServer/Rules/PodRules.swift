// What a pod must satisfy beyond the types of its fields. Containers are in ContainerRules, updates in PodUpdateRules.
import JSON

/// Places of fields are made into text only for an error (autoclosures).
enum PodRules {
    static let defaultGraceSeconds = PodDefaults.graceSeconds

    @Sendable static func validate(_ pod: JSONValue) -> [FieldError] {
        guard let spec = pod["spec"] else { return [.required("spec")] }
        return validate(spec: spec, at: "spec")
    }

    static func validate(spec: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        let volumes = spec["volumes"]?.arrayValue ?? []
        var errors = validate(volumes: volumes, at: "\(path()).volumes")
        errors += validateContainers(spec, at: path(), volumes: Set(volumes.compactMap { $0["name"]?.stringValue }))
        if let grace = spec["terminationGracePeriodSeconds"]?.intValue, grace < 0 {
            errors.append(.invalid("\(path()).terminationGracePeriodSeconds", .int(grace), "must be greater than or equal to 0"))
        }
        if let deadline = spec["activeDeadlineSeconds"]?.intValue, !(1...Int64(Int32.max)).contains(deadline) {
            errors.append(
                .invalid("\(path()).activeDeadlineSeconds", .int(deadline), "must be between 1 and 2147483647, inclusive"))
        }
        errors += SecurityContextRules.validate(spec["securityContext"], at: "\(path()).securityContext")
        errors += validateNames(spec, at: path())
        errors += validatePlacement(spec, at: path())
        errors += validateNetwork(spec, at: path())
        return errors
    }

    // MARK: Containers and volumes

    private static func validateContainers(_ spec: JSONValue, at path: @autoclosure () -> String, volumes: Set<String>)
        -> [FieldError]
    {
        var errors: [FieldError] = []
        if spec["containers"]?.arrayValue?.isEmpty ?? true { errors.append(.required("\(path()).containers")) }
        var names: Set<String> = []
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for (index, container) in (spec[list]?.arrayValue ?? []).enumerated() {
                func place() -> String { "\(path()).\(list)[\(index)]" }
                if let name = container["name"]?.stringValue, !names.insert(name).inserted {
                    errors.append(.duplicate("\(place()).name", .string(name)))
                }
                errors += ContainerRules(container: container, spec: path(), list: list, index: index, volumes: volumes).errors
            }
        }
        errors += hostPortConflicts(spec, at: path())
        return errors
    }

    private static func hostPortConflicts(_ spec: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        var taken: Set<String> = []
        for (index, container) in (spec["containers"]?.arrayValue ?? []).enumerated() {
            for (number, port) in (container["ports"]?.arrayValue ?? []).enumerated() {
                guard let hostPort = port["hostPort"]?.intValue, hostPort != 0 else { continue }
                let key = "\(port["protocol"]?.stringValue ?? "TCP")/\(port["hostIP"]?.stringValue ?? "")/\(hostPort)"
                if !taken.insert(key).inserted {
                    errors.append(.duplicate("\(path()).containers[\(index)].ports[\(number)].hostPort", .string(key)))
                }
            }
        }
        return errors
    }

    private static func validate(volumes: [JSONValue], at path: @autoclosure () -> String) -> [FieldError] {
        var errors = DuplicateRules.find(volumes, member: "name", at: path())
        for (index, volume) in volumes.enumerated() {
            let name = volume["name"]?.stringValue ?? ""
            if let problem = NameFormat.labelProblem(name) {
                errors.append(.invalid("\(path())[\(index)].name", .string(name), problem))
            }
            let members = volume.objectValue ?? [:]
            // Almost always there is a name and one source.
            if members.count != 2 || !members.contains(key: "name") {
                errors += validate(sources: members.keys.filter { $0 != "name" }, at: "\(path())[\(index)]")
            }
            errors += VolumeRules.validate(volume, at: "\(path())[\(index)]")
        }
        return errors
    }

    private static func validate(sources: [String], at path: @autoclosure () -> String) -> [FieldError] {
        if sources.isEmpty { return [.required(path(), "must specify a volume type")] }
        return sources.dropFirst().map { .forbidden("\(path()).\($0)", "may not specify more than 1 volume type") }
    }

    // MARK: Names, placement, network

    private static func validateNames(_ spec: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        func check(_ member: String, _ problem: (String) -> String?) {
            guard let value = spec[member]?.stringValue, !value.isEmpty, let problem = problem(value) else { return }
            errors.append(.invalid("\(path()).\(member)", .string(value), problem))
        }
        check("serviceAccountName", NameFormat.subdomainProblem)
        check("nodeName", NameFormat.subdomainProblem)
        check("priorityClassName", NameFormat.subdomainProblem)
        check("runtimeClassName", NameFormat.subdomainProblem)
        check("hostname", NameFormat.labelProblem)
        check("subdomain", NameFormat.labelProblem)
        errors += SelectorRules.labels(spec["nodeSelector"], at: "\(path()).nodeSelector")
        return errors
    }

    private static func validatePlacement(_ spec: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, toleration) in (spec["tolerations"]?.arrayValue ?? []).enumerated() {
            errors += validate(toleration: toleration, at: "\(path()).tolerations[\(index)]")
        }
        for (index, constraint) in (spec["topologySpreadConstraints"]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).topologySpreadConstraints[\(index)]" }
            if let skew = constraint["maxSkew"]?.intValue, skew <= 0 {
                errors.append(.invalid("\(place()).maxSkew", .int(skew), "must be greater than zero"))
            }
            let key = constraint["topologyKey"]?.stringValue ?? ""
            if let problem = NameFormat.qualifiedNameProblem(key) {
                errors.append(.invalid("\(place()).topologyKey", .string(key), problem))
            }
            errors += SelectorRules.validate(constraint["labelSelector"], at: "\(place()).labelSelector")
        }
        errors += DuplicateRules.find(spec["schedulingGates"]?.arrayValue ?? [], member: "name", at: "\(path()).schedulingGates")
        if let affinity = spec["affinity"] { errors += AffinityRules.validate(affinity, at: "\(path()).affinity") }
        return errors
    }

    private static func validate(toleration: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        let key = toleration["key"]?.stringValue ?? ""
        let how = toleration["operator"]?.stringValue ?? ""
        if key.isEmpty {
            if how != "Exists" {
                errors.append(
                    .invalid(
                        "\(path()).operator", .string(how),
                        "operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
            }
        } else if let problem = NameFormat.qualifiedNameProblem(key) {
            errors.append(.invalid("\(path()).key", .string(key), problem))
        }
        if how == "Exists", let value = toleration["value"]?.stringValue, !value.isEmpty {
            errors.append(.invalid("\(path()).operator", .string(value), "value must be empty when `operator` is 'Exists'"))
        }
        if toleration["tolerationSeconds"] != nil, toleration["effect"]?.stringValue != "NoExecute" {
            errors.append(
                .invalid(
                    "\(path()).effect", toleration["effect"] ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"))
        }
        return errors
    }

    private static func validateNetwork(_ spec: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, alias) in (spec["hostAliases"]?.arrayValue ?? []).enumerated() {
            let ip = alias["ip"]?.stringValue ?? ""
            if !IPFormat.isValid(ip) {
                errors.append(.invalid("\(path()).hostAliases[\(index)].ip", .string(ip), IPFormat.problem))
            }
            for (number, name) in (alias["hostnames"]?.arrayValue ?? []).enumerated() {
                if let problem = NameFormat.subdomainProblem(name.stringValue ?? "") {
                    errors.append(.invalid("\(path()).hostAliases[\(index)].hostnames[\(number)]", name, problem))
                }
            }
        }
        if spec["dnsPolicy"] == "None", (spec["dnsConfig"]?["nameservers"]?.arrayValue ?? []).isEmpty {
            errors.append(
                .required("\(path()).dnsConfig.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None"))
        }
        for (index, server) in (spec["dnsConfig"]?["nameservers"]?.arrayValue ?? []).enumerated()
        where !IPFormat.isValid(server.stringValue ?? "") {
            errors.append(.invalid("\(path()).dnsConfig.nameservers[\(index)]", server, IPFormat.problem))
        }
        return errors
    }
}
