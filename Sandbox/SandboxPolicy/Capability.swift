// Linux capabilities by their names in the plan: the kernel's, in lower case without `CAP_` (capabilities(7)).

public enum Capability: String, Sendable, Hashable, CaseIterable {
    case chown
    case dacOverride = "dac_override"
    case dacReadSearch = "dac_read_search"
    case fowner, fsetid, kill, setgid, setuid, setpcap
    case linuxImmutable = "linux_immutable"
    case netBindService = "net_bind_service"
    case netBroadcast = "net_broadcast"
    case netAdmin = "net_admin"
    case netRaw = "net_raw"
    case ipcLock = "ipc_lock"
    case ipcOwner = "ipc_owner"
    case sysModule = "sys_module"
    case sysRawIO = "sys_rawio"
    case sysChroot = "sys_chroot"
    case sysPtrace = "sys_ptrace"
    case sysPacct = "sys_pacct"
    case sysAdmin = "sys_admin"
    case sysBoot = "sys_boot"
    case sysNice = "sys_nice"
    case sysResource = "sys_resource"
    case sysTime = "sys_time"
    case sysTTYConfig = "sys_tty_config"
    case mknod, lease
    case auditWrite = "audit_write"
    case auditControl = "audit_control"
    case setfcap
    case macOverride = "mac_override"
    case macAdmin = "mac_admin"
    case syslog
    case wakeAlarm = "wake_alarm"
    case blockSuspend = "block_suspend"
    case auditRead = "audit_read"
    case perfmon, bpf
    case checkpointRestore = "checkpoint_restore"

    /// `CAP_NET_RAW`, `NET_RAW` or `net_raw`, as Kubernetes and the OCI write it; nil when there is none of that name.
    public init?(name: String) {
        let lower = name.lowercased()
        self.init(rawValue: lower.hasPrefix("cap_") ? String(lower.dropFirst(4)) : lower)
    }
}

/// The sets of a process beside the bounding set. Effective is a part of permitted; ambient of permitted and inheritable.
public struct CapabilitySets: Sendable, Hashable {
    public var effective: [Capability]
    public var permitted: [Capability]
    public var inheritable: [Capability]
    public var ambient: [Capability]

    public init(
        effective: [Capability] = [], permitted: [Capability] = [], inheritable: [Capability] = [], ambient: [Capability] = []
    ) {
        self.effective = effective
        self.permitted = permitted
        self.inheritable = inheritable
        self.ambient = ambient
    }

    var words: [String] { [effective, permitted, inheritable, ambient].map(Self.list) }

    static func list(_ capabilities: [Capability]) -> String {
        capabilities.isEmpty ? "none" : capabilities.map(\.rawValue).joined(separator: ",")
    }
}
