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
            if rule.type == "a", rule.major == nil, rule.minor == nil { rules = [rule] } else { rules.append(rule) }
        }
        // After "allow everything" the defaults are allowed already.
        return rules.first?.allow == true ? rules : rules + Self.defaultDeviceRules
    }
}

extension ResourceSpecification.DeviceRule {
    /// v1's file and line (kernel: admin-guide/cgroup-v1/devices).
    func version1(field: String) -> CgroupSetting {
        let all = type == "a" && major == nil && minor == nil
        func number(_ value: Int64?) -> String { value.map { "\($0)" } ?? "*" }
        return CgroupSetting(
            controller: "devices", file: allow ? "devices.allow" : "devices.deny",
            value: all ? "a" : "\(type) \(number(major)):\(number(minor)) \(access)", field: field)
    }
}
