// The device list: what the configuration allows, and the nodes that every container has.

extension ResourceSpecification {
    /// Allowed after the configuration's own rules: making any node (mknod is harmless without opening), the default devices,
    /// pseudo terminals. runtime-spec, "Default Devices".
    static let defaultDeviceRules: [DeviceRule] =
        [("c", nil, nil, "m"), ("b", nil, nil, "m")].map {
            DeviceRule(allow: true, type: $0.0, major: $0.1, minor: $0.2, access: $0.3)
        }
        + [(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (5, 1), (5, 2)].map {
            DeviceRule(allow: true, type: "c", major: $0.0, minor: $0.1, access: "rwm")
        }
        + [DeviceRule(allow: true, type: "c", major: 136, minor: nil, access: "rwm")]

    /// From nothing: everything denied, then the configured rules in their order, then the defaults.
    func effectiveDeviceRules() -> [DeviceRule] {
        let everything = DeviceRule(allow: false, type: "a", major: nil, minor: nil, access: "rwm")
        var rules = [everything]
        for rule in devices {
            // A rule for all devices replaces what stands before it.
            if rule.isForEverything { rules = [rule] } else { rules.append(rule) }
        }
        // After "allow everything" the defaults are allowed already.
        return rules.first?.allow == true ? rules : rules + Self.defaultDeviceRules
    }
}

extension ResourceSpecification.DeviceRule {
    /// All devices and every kind of access.
    var isForEverything: Bool { type == "a" && major == nil && minor == nil && Set(access) == Set("rwm") }

    /// v1's file and lines (kernel: admin-guide/cgroup-v1/devices). To the kernel "a" means everything, whatever stands behind it: a rule
    /// of both types that names a device or an access is one line for each type.
    func version1(field: String) -> CgroupSetting {
        func number(_ value: Int64?) -> String { value.map { "\($0)" } ?? "*" }
        let types = type == "a" ? ["c", "b"] : [type]
        let lines = types.map { "\($0) \(number(major)):\(number(minor)) \(access)" }
        return CgroupSetting(
            controller: "devices", file: allow ? "devices.allow" : "devices.deny",
            value: isForEverything ? "a" : lines.joined(separator: "\n"), field: field)
    }
}
