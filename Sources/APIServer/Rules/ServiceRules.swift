// Defaults and rules of a Service.
import JSON

enum ServiceRules {
    @Sendable static func applyDefaults(_ service: inout JSONValue) {
        guard var spec = service["spec"] else { return }
        service["spec"] = .null
        let type = spec["type"]?.stringValue ?? "ClusterIP"
        spec.changeElements(of: "ports") { port in
            if port["targetPort"] == nil || port["targetPort"] == 0, let number = port["port"] { port["targetPort"] = number }
        }
        if spec["sessionAffinity"] == "ClientIP", spec["sessionAffinityConfig"]?["clientIP"]?["timeoutSeconds"] == nil {
            spec.set(["sessionAffinityConfig", "clientIP", "timeoutSeconds"], to: 10800)
        }
        switch type {
        case "ExternalName":
            // No traffic goes through the cluster.
            spec["internalTrafficPolicy"] = nil
        case "NodePort", "LoadBalancer":
            spec.setDefault("externalTrafficPolicy", "Cluster")
            if type == "LoadBalancer" { spec.setDefault("allocateLoadBalancerNodePorts", true) }
        default: break
        }
        if let address = spec["clusterIP"]?.stringValue, !address.isEmpty { spec.setDefault("clusterIPs", [.string(address)]) }
        service["spec"] = spec
    }

    @Sendable static func validate(_ service: JSONValue) -> [FieldError] {
        let spec = service["spec"] ?? [:]
        let isHeadless = spec["clusterIP"] == "None"
        let type = spec["type"]?.stringValue ?? "ClusterIP"
        let ports = spec["ports"]?.arrayValue ?? []
        var errors: [FieldError] = []
        if ports.isEmpty, !isHeadless, type != "ExternalName" { errors.append(.required("spec.ports")) }
        if type == "ExternalName" {
            let name = spec["externalName"]?.stringValue ?? ""
            if name.isEmpty {
                errors.append(.required("spec.externalName"))
            } else if let problem = NameFormat.subdomainProblem(name.lowercased()) {
                errors.append(.invalid("spec.externalName", .string(name), problem))
            }
        }
        errors += validate(ports: ports)
        errors += SelectorRules.labels(spec["selector"], at: "spec.selector")
        if let address = spec["clusterIP"]?.stringValue, !address.isEmpty, address != "None", !IPFormat.isValid(address) {
            errors.append(
                .invalid("spec.clusterIPs", [.string(address)], IPFormat.problem))
        }
        for (index, address) in (spec["externalIPs"]?.arrayValue ?? []).enumerated()
        where !IPFormat.isValid(address.stringValue ?? "") {
            errors.append(.invalid("spec.externalIPs[\(index)]", address, IPFormat.problem))
        }
        return errors
    }

    private static func validate(ports: [JSONValue]) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        var taken: Set<String> = []
        for (index, port) in ports.enumerated() {
            let place = "spec.ports[\(index)]"
            let name = port["name"]?.stringValue ?? ""
            if name.isEmpty {
                if ports.count > 1 { errors.append(.required("\(place).name")) }
            } else if let problem = NameFormat.labelProblem(name) {
                errors.append(.invalid("\(place).name", .string(name), problem))
            } else if !names.insert(name).inserted {
                errors.append(.duplicate("\(place).name", .string(name)))
            }
            errors += PortRules.number(port["port"], at: "\(place).port")
            errors += PortRules.reference(port["targetPort"], at: "\(place).targetPort")
            let key = "\(port["protocol"]?.stringValue ?? "TCP")/\(port["port"]?.intValue ?? 0)"
            if !taken.insert(key).inserted {
                errors.append(.duplicate(place, ["protocol": port["protocol"] ?? "TCP", "port": port["port"] ?? 0]))
            }
        }
        return errors
    }

    /// An address once given stays.
    @Sendable static func validateUpdate(_ old: JSONValue, _ new: JSONValue) -> [FieldError] {
        let before = old["spec"]?["clusterIP"]?.stringValue ?? ""
        if before.isEmpty || new["spec"]?["type"] == "ExternalName" { return [] }
        let after = new["spec"]?["clusterIP"]?.stringValue ?? ""
        if after == before { return [] }
        return [.invalid("spec.clusterIPs[0]", .string(after), "may not change once set")]
    }
}

/// Addresses, version 4 and 6.
enum IPFormat {
    static let problem = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

    static func isValid(_ text: String) -> Bool { text.contains(":") ? isVersion6(text) : isVersion4(Substring(text)) }

    private static func isVersion4(_ text: Substring) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                let hasForm = !part.isEmpty && part.utf8.count <= 3 && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                // A leading zero would be octal to some readers.
                return hasForm && (part == "0" || part.utf8.first != 0x30) && (Int(part) ?? 256) < 256
            }
    }

    /// Eight groups of up to four hexadecimal digits, one run of zero groups written "::", the last two groups perhaps as
    /// a version 4 address.
    private static func isVersion6(_ text: String) -> Bool {
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard text.utf8.count <= 45, halves.count <= 2 else { return false }
        var groups = 0
        for (index, half) in halves.enumerated() where !half.isEmpty {
            let parts = half.split(separator: ":", omittingEmptySubsequences: false)
            for (place, part) in parts.enumerated() {
                let isLast = index == halves.count - 1 && place == parts.count - 1
                if isLast, part.contains(".") {
                    guard isVersion4(part) else { return false }
                    groups += 2
                } else {
                    guard !part.isEmpty, part.utf8.count <= 4, part.allSatisfy(\.isHexDigit) else { return false }
                    groups += 1
                }
            }
        }
        return halves.count == 2 ? groups < 8 : groups == 8
    }
}
