// What a person asks `swiftlet run` for: values only, defaults as the command line promises them.

import SandboxPolicy

public struct RunOptions: Sendable, Hashable {
    public enum Root: Sendable, Hashable {
        /// A read-only selection of this machine: programs, libraries and what they need to start.
        case hostView
        case directory(String)
    }

    public struct Bind: Sendable, Hashable {
        public var source: String
        public var path: String
        public var readOnly = true
    }

    public struct Tmpfs: Sendable, Hashable {
        public var path: String
        public var bytes: Int64
    }

    public enum Network: Sendable, Hashable {
        case host
        case none
        /// A network of the machine's CNI configuration, by name.
        case cni(String)
    }

    public enum Seccomp: Sendable, Hashable {
        /// A profile of this name: RuntimeDefault, Strict, ...
        case named(String)
        /// A file in the OCI / Docker seccomp format.
        case file(String)
        case unconfined
    }

    public struct ResourceLimit: Sendable, Hashable {
        public var name: String
        public var soft: UInt64
        public var hard: UInt64
    }

    /// A rate limit of a block device, in bytes or operations a second.
    public struct DeviceLimit: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable, CaseIterable { case rbps, wbps, riops, wiops }
        public var kind: Kind
        /// A device node, or any path on the file system whose device is meant.
        public var device: String
        public var value: Int64
    }

    public enum Report: Sendable, Hashable {
        case none
        case descriptor(Int32)
        case file(String)
    }

    public var command: [String] = []

    // File system
    public var root: Root = .hostView
    public var writableRoot = false
    public var binds: [Bind] = []
    public var tmpfs: [Tmpfs] = []
    public var temporaryBytes: Int64 = 64 << 20
    public var sharedMemoryBytes: Int64 = 64 << 20
    public var workingDirectory: String?

    // Limits: nil is "not asked for"
    public var memoryBytes: Int64?
    /// Swap beside the memory; 0 unless asked for.
    public var swapBytes: Int64?
    /// How long the task may do nothing but thrash at its memory limit; nil: nobody watches.
    public var thrashMilliseconds: Int64?
    public var cpuMillis: Int64?
    public var cpuset: String?
    /// cgroup v2's scale, 1 to 10000; 100 is everybody's.
    public var cpuWeight: Int64?
    public var pids: Int64?
    /// 1 to 1000; 100 is everybody's.
    public var ioWeight: Int64?
    public var deviceLimits: [DeviceLimit] = []
    public var resourceLimits: [ResourceLimit] = []
    public var allowUnenforced = false

    // Isolation
    public var network: Network = .none
    public var ports: [UInt16] = []
    public var connectPorts: [UInt16] = []
    public var seccomp: Seccomp = .named("RuntimeDefault")
    /// Asked for, not the default.
    public var choosesSeccomp = false
    public var seccompLearn: String?
    public var landlock = true
    public var landlockPaths: [SandboxSpec.LandlockPath] = []
    public var capabilities: [Capability] = []
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    public var uidMaps: [IDMap] = []
    public var gidMaps: [IDMap] = []
    public var hostname = "sandbox"
    public var sysctls: [RunSetting] = []
    /// Seconds and nanoseconds that the task's monotonic and boot-time clocks are ahead; nil: no time namespace.
    public var timeOffsetMilliseconds: Int64?
    public var timeNamespace = false

    // Process
    public var environment: [RunSetting] = []
    /// Names that are taken over from the caller's environment.
    public var inheritedEnvironment: [String] = []
    /// The caller's whole environment.
    public var inheritEnvironment = false
    public var umask: UInt16 = 0o022
    /// A terminal of the task's own, served from the caller's.
    public var terminal = false
    public var nice: Int?
    public var oomScoreAdjustment: Int?

    // Supervision
    public var id: String?
    public var timeLimitMilliseconds: Int64?
    public var graceMilliseconds: Int64 = 10_000
    public var logPath: String?
    public var logBytes: Int64 = 10 << 20
    public var report: Report = .none
    public var explain = false

    public init() {}
}

/// NAME=VALUE.
public struct RunSetting: Sendable, Hashable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}
