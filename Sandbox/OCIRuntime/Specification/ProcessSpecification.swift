// The `process` section: what runs, as whom, with which powers. Also what `exec --process` reads.

import JSON
import SandboxPolicy

public struct ProcessSpecification: Sendable {
    public var terminal = false
    public var consoleSize: (height: UInt16, width: UInt16)?
    public var user = User()
    public var environment: [String] = []
    public var arguments: [String] = []
    public var workingDirectory = "/"
    /// nil: not configured; the process then has none beyond what its user gives it.
    public var capabilities: Capabilities?
    public var resourceLimits: [ResourceLimit] = []
    public var noNewPrivileges = false
    public var oomScoreAdjustment: Int?
    public var scheduler: SchedulerPolicy?
    public var ioPriority: (ioClass: IOPriorityClass, level: Int)?
    public var execCPUAffinity: String?

    public struct User: Sendable, Hashable {
        public var uid: UInt32 = 0
        public var gid: UInt32 = 0
        public var umask: UInt16?
        public var additionalGroups: [UInt32] = []
        public init(uid: UInt32 = 0, gid: UInt32 = 0) {
            self.uid = uid
            self.gid = gid
        }
    }

    public struct ResourceLimit: Sendable, Hashable {
        /// As the launcher names it: `nofile`.
        public var name: String
        public var soft: UInt64
        public var hard: UInt64
    }

    public struct Capabilities: Sendable, Hashable {
        public var bounding: [Capability] = []
        public var sets = CapabilitySets()
    }

    /// A field that the caller logs: asked for, and not known to this kernel's interface.
    public internal(set) var warnings: [String] = []

    public init() {}

    init(_ field: ConfigField) throws(OCIError) {
        terminal = try field["terminal"].bool() ?? false
        let hasSize = try field["consoleSize"].isObject()
        if terminal, hasSize {
            consoleSize = (
                try field["consoleSize"]["height"].required(UInt16.self), try field["consoleSize"]["width"].required(UInt16.self)
            )
        }
        user = try Self.user(field["user"])
        environment = try Self.environment(field["env"])
        arguments = try field["args"].strings()
        guard let program = arguments.first, !program.isEmpty else {
            throw field["args"].invalid("at least one argument is required")
        }
        workingDirectory = try Self.directory(field["cwd"])
        let hasCapabilities = try field["capabilities"].isObject()
        if hasCapabilities { capabilities = try capabilitySets(field["capabilities"]) }
        resourceLimits = try Self.limits(field["rlimits"])
        noNewPrivileges = try field["noNewPrivileges"].bool() ?? false
        oomScoreAdjustment = try Self.oomScore(field["oomScoreAdj"])
        scheduler = try Self.scheduler(field["scheduler"])
        ioPriority = try Self.ioPriority(field["ioPriority"])
        let affinity = (
            first: try field["execCPUAffinity"]["initial"].string(), last: try field["execCPUAffinity"]["final"].string()
        )
        execCPUAffinity = affinity.last ?? affinity.first
        try Self.refuseLabels(field)
    }

    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let tape: JSONTape
        do { tape = try JSONTape(parsing: bytes) } catch { throw .invalid(field: "process", reason: "not JSON: \(error)") }
        let field = ConfigField(tape: tape)
        try field.isObject()
        try self.init(field)
    }

    private static func user(_ field: ConfigField) throws(OCIError) -> User {
        try field.isObject()
        if let name = try field["username"].string(), !name.isEmpty {
            throw field["username"].unsupported("names are resolved by the caller; uid and gid are needed")
        }
        var user = User()
        user.uid = try field["uid"].integer(UInt32.self) ?? 0
        user.gid = try field["gid"].integer(UInt32.self) ?? 0
        user.additionalGroups = try integers(field["additionalGids"])
        if let umask = try field["umask"].integer(UInt32.self) {
            guard umask <= 0o777 else { throw field["umask"].invalid("expected at most 511 (octal 777), found \(umask)") }
            user.umask = UInt16(umask)
        }
        for id in [user.uid, user.gid] + user.additionalGroups where id == .max {
            throw field.invalid("id \(id) means \"unchanged\" to the kernel")
        }
        return user
    }

    private static func integers(_ field: ConfigField) throws(OCIError) -> [UInt32] {
        var values: [UInt32] = []
        for element in try field.elements() { values.append(try element.required(UInt32.self)) }
        return values
    }

    private static func environment(_ field: ConfigField) throws(OCIError) -> [String] {
        let entries = try field.strings()
        for (index, entry) in entries.enumerated() {
            guard let equals = entry.firstIndex(of: "="), equals > entry.startIndex else {
                throw .invalid(field: "\(field.path)[\(index)]", reason: "expected NAME=VALUE, found \"\(entry)\"")
            }
        }
        return entries
    }

    private static func directory(_ field: ConfigField) throws(OCIError) -> String {
        let path = try field.absolutePath()
        // Lexically clean, so that the launcher's grammar accepts it; what it leads to is checked after chdir.
        return ContainerPath.clean(path)
    }

    private static func oomScore(_ field: ConfigField) throws(OCIError) -> Int? {
        guard let value = try field.integer(Int.self) else { return nil }
        guard (-1000...1000).contains(value) else { throw field.invalid("expected -1000 to 1000, found \(value)") }
        return value
    }

    /// Mandatory access control that this runtime does not apply must not be believed to hold.
    private static func refuseLabels(_ field: ConfigField) throws(OCIError) {
        if let profile = try field["apparmorProfile"].string(), !profile.isEmpty, profile != "unconfined" {
            guard !KernelFeature.hasAppArmor else {
                throw field["apparmorProfile"].unsupported("AppArmor profiles are not applied by this runtime")
            }
            throw field["apparmorProfile"].unsupported("apparmor failed to apply profile: this kernel has no AppArmor")
        }
        if let label = try field["selinuxLabel"].string(), !label.isEmpty {
            throw field["selinuxLabel"].unsupported(
                "selinux label is specified in config, but selinux is disabled or not supported")
        }
    }
}
