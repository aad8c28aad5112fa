// The `linux` section: namespaces, id maps, devices, cgroups, filters and paths.

import JSON

public struct LinuxSpecification: Sendable {
    public var namespaces: [Namespace] = []
    public var uidMappings: [IDMapping] = []
    public var gidMappings: [IDMapping] = []
    public var timeOffsets: [TimeOffset] = []
    public var devices: [Device] = []
    public var cgroupsPath: String?
    public var resources = ResourceSpecification()
    public var sysctl: [(key: String, value: String)] = []
    public var seccomp: SeccompSpecification?
    public var rootfsPropagation: String?
    public var maskedPaths: [String] = []
    public var readonlyPaths: [String] = []
    public var personality: UInt32?
    /// In the launcher's words.
    public var memoryPolicy: (mode: String, flags: [String], nodes: String?)?

    public struct Namespace: Sendable, Hashable {
        /// As config.json names it: `network`.
        public var type: String
        /// nil: a new one.
        public var path: String?
    }

    public struct TimeOffset: Sendable, Hashable {
        public var clock: String
        public var seconds: Int64
        public var nanoseconds: UInt32
    }

    public struct Device: Sendable, Hashable {
        public var path: String
        public var type: String
        public var major: UInt32
        public var minor: UInt32
        public var mode: UInt16
        public var uid: UInt32
        public var gid: UInt32
    }

    static let namespaceTypes = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]

    init(_ field: ConfigField) throws(OCIError) {
        guard try field.isObject() else { return }
        namespaces = try Self.namespaces(field["namespaces"])
        uidMappings = try IDMapping.list(field["uidMappings"])
        gidMappings = try IDMapping.list(field["gidMappings"])
        timeOffsets = try Self.timeOffsets(field["timeOffsets"])
        for element in try field["devices"].elements() { devices.append(try Self.device(element)) }
        cgroupsPath = try field["cgroupsPath"].string().flatMap { $0.isEmpty ? nil : $0 }
        resources = try ResourceSpecification(field["resources"])
        sysctl = try field["sysctl"].stringMap()
        if try field["seccomp"].isObject() { seccomp = try SeccompSpecification(field["seccomp"]) }
        rootfsPropagation = try Self.propagation(field["rootfsPropagation"])
        maskedPaths = try Self.paths(field["maskedPaths"])
        readonlyPaths = try Self.paths(field["readonlyPaths"])
        personality = try Self.personality(field["personality"])
        memoryPolicy = try Self.memoryPolicy(field["memoryPolicy"])
        try Self.refuseUnenforceable(field)
        try checkTogether(field)
    }

    private static func namespaces(_ field: ConfigField) throws(OCIError) -> [Namespace] {
        var list: [Namespace] = []
        for element in try field.elements() {
            let type = try element["type"].requiredString()
            guard namespaceTypes.contains(type) else {
                throw element["type"].invalid(
                    "unknown namespace \"\(type)\"; expected one of \(namespaceTypes.joined(separator: ", "))")
            }
            guard !list.contains(where: { $0.type == type }) else { throw element["type"].invalid("\(type) stands twice") }
            var path = try element["path"].string()
            if path == "" { path = nil }
            if path != nil { _ = try element["path"].absolutePath() }
            list.append(Namespace(type: type, path: path))
        }
        return list
    }

    private static func timeOffsets(_ field: ConfigField) throws(OCIError) -> [TimeOffset] {
        var list: [TimeOffset] = []
        for (clock, element) in try field.members() {
            guard clock == "monotonic" || clock == "boottime" else { throw element.invalid("expected monotonic or boottime") }
            let nanoseconds = try element["nanosecs"].integer(UInt32.self) ?? 0
            guard nanoseconds < 1_000_000_000 else { throw element["nanosecs"].invalid("expected less than a second") }
            list.append(TimeOffset(clock: clock, seconds: try element["secs"].integer() ?? 0, nanoseconds: nanoseconds))
        }
        return list
    }

    private static func device(_ field: ConfigField) throws(OCIError) -> Device {
        let type = try field["type"].requiredString()
        guard ["c", "b", "u", "p"].contains(type) else { throw field["type"].invalid("expected c, b, u or p, found \"\(type)\"") }
        func number(_ key: String) throws(OCIError) -> UInt32 {
            if type == "p" { return 0 }
            return try field[key].required(UInt32.self)
        }
        let mode = try field["fileMode"].integer(UInt32.self) ?? 0o666
        // Go's os.FileMode may carry type bits above the permissions; the launcher sets the permissions.
        return Device(
            path: ContainerPath.clean(try field["path"].absolutePath()), type: type, major: try number("major"),
            minor: try number("minor"), mode: UInt16(mode & 0o7777), uid: try field["uid"].integer(UInt32.self) ?? 0,
            gid: try field["gid"].integer(UInt32.self) ?? 0)
    }

    private static func propagation(_ field: ConfigField) throws(OCIError) -> String? {
        guard let text = try field.string(), !text.isEmpty else { return nil }
        // runc accepts the recursive words too.
        let word = text.hasPrefix("r") ? String(text.dropFirst()) : text
        guard ["private", "slave", "shared", "unbindable"].contains(word) else {
            throw field.invalid("expected private, slave, shared or unbindable, found \"\(text)\"")
        }
        return word
    }

    private static func paths(_ field: ConfigField) throws(OCIError) -> [String] {
        var list: [String] = []
        for element in try field.elements() { list.append(ContainerPath.clean(try element.absolutePath())) }
        return list
    }

    private static func personality(_ field: ConfigField) throws(OCIError) -> UInt32? {
        guard try field.isObject() else { return nil }
        if let flag = try field["flags"].strings().first { throw field["flags"].unsupported("\(flag): no flag is defined") }
        let domain = try field["domain"].requiredString()
        switch domain {
        case "LINUX": return 0
        case "LINUX32": return 8
        default: throw field["domain"].invalid("expected LINUX or LINUX32, found \"\(domain)\"")
        }
    }

    /// config-linux.md, "Memory Policy" (specification 1.3); which mode goes with which nodes is the kernel's to say, but for two words.
    private static func memoryPolicy(_ field: ConfigField) throws(OCIError) -> (mode: String, flags: [String], nodes: String?)? {
        guard try field.isObject() else { return nil }
        let modes = ["DEFAULT", "BIND", "INTERLEAVE", "WEIGHTED_INTERLEAVE", "PREFERRED", "PREFERRED_MANY", "LOCAL"]
        func word(_ key: String, _ text: String, _ prefix: String, _ known: [String]) throws(OCIError) -> String {
            guard text.hasPrefix(prefix), known.contains(String(text.dropFirst(prefix.count))) else {
                throw field[key].invalid(
                    "invalid memory policy \(key == "flags" ? "flag" : key) \"\(text)\"; expected one of "
                        + known.map { prefix + $0 }.joined(separator: ", "))
            }
            return text.dropFirst(prefix.count).lowercased().split(separator: "_").joined(separator: "-")
        }
        let mode = try word("mode", try field["mode"].string() ?? "", "MPOL_", modes)
        var flags: [String] = []
        for text in try field["flags"].strings() {
            flags.append(try word("flags", text, "MPOL_F_", ["NUMA_BALANCING", "RELATIVE_NODES", "STATIC_NODES"]))
        }
        guard let text = try field["nodes"].string(), !text.isEmpty else { return (mode, flags, nil) }
        let nodes = try count(of: text, field["nodes"])
        guard nodes == 0 || mode != "default" && mode != "local" else {
            throw field["nodes"].invalid("memory policy \(mode): mode requires 0 nodes but got \(nodes)")
        }
        return (mode, flags, text)
    }

    /// Of a list such as "0-3,7".
    private static func count(of list: String, _ field: ConfigField) throws(OCIError) -> Int {
        var numbers: Set<Int> = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends.first ?? nil, let last = ends.last ?? nil,
                (0...last).contains(first), last < 1024
            else {
                throw field.invalid("invalid memory policy node list \"\(list)\"; expected numbers below 1024 such as \"0-3,7\"")
            }
            numbers.formUnion(first...last)
        }
        return numbers.count
    }

    /// Well-formed wishes that nothing here fulfils.
    private static func refuseUnenforceable(_ field: ConfigField) throws(OCIError) {
        if let label = try field["mountLabel"].string(), !label.isEmpty {
            throw field["mountLabel"].unsupported("SELinux labels are not applied by this runtime")
        }
        if try field["intelRdt"].isObject() { throw field["intelRdt"].unsupported("resctrl is not used by this runtime") }
        if let device = try field["netDevices"].members().first {
            throw device.value.unsupported("devices are moved by the network plugin")
        }
    }

    private func checkTogether(_ field: ConfigField) throws(OCIError) {
        guard uidMappings.isEmpty == gidMappings.isEmpty else {
            throw field.invalid("uidMappings and gidMappings are needed together")
        }
        let user = namespaces.first { $0.type == "user" }
        if !uidMappings.isEmpty, user == nil { throw field["uidMappings"].invalid("needs a user namespace") }
        if user != nil, user?.path == nil, uidMappings.isEmpty {
            throw field["uidMappings"].invalid("a new user namespace needs mappings")
        }
        let time = namespaces.first { $0.type == "time" }
        if !timeOffsets.isEmpty, time == nil || time?.path != nil {
            throw field["timeOffsets"].invalid("needs a new time namespace")
        }
    }

    /// A namespace of this type of the container's own, or joined.
    func has(_ type: String) -> Bool { namespaces.contains { $0.type == type } }
    /// A new namespace of this type.
    func makes(_ type: String) -> Bool { namespaces.contains { $0.type == type && $0.path == nil } }
}
