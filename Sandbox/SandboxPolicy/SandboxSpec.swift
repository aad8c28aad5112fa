// What a task's sandbox shall be, before anyone thinks about system calls.

public struct SandboxSpec: Sendable, Hashable {
    /// Where the task's `/` comes from.
    public enum Root: Sendable, Hashable {
        /// Selected read-only directories of the host, and these absolute paths in addition.
        case hostView(additionalReadOnlyPaths: [String])
        /// An unpacked image.
        case directory(String)
    }

    /// A directory or file of the host, at a place in the task.
    public struct Mount: Sendable, Hashable {
        public var source: String
        public var path: String
        public var readOnly: Bool

        public init(source: String, path: String, readOnly: Bool) {
            self.source = source
            self.path = path
            self.readOnly = readOnly
        }
    }

    /// A small file that the sandbox brings along, owned by the task's root.
    public struct File: Sendable, Hashable {
        public var path: String
        public var mode: UInt16
        public var contents: String

        public init(path: String, mode: UInt16 = 0o644, contents: String) {
            self.path = path
            self.mode = mode
            self.contents = contents
        }
    }

    public enum Temporary: Sendable, Hashable {
        /// A directory on the host's disk that belongs to the task alone.
        case directory(String)
        /// tmpfs of this size, charged to the task's memory.
        case memory(bytes: Int64)
    }

    public enum Network: Sendable, Hashable {
        /// The host's own network.
        case host
        /// Loopback only.
        case none
    }

    public struct CgroupJoin: Sendable, Hashable {
        public var version: Int
        public var controller: String
        public var path: String

        public init(version: Int, controller: String, path: String) {
            self.version = version
            self.controller = controller
            self.path = path
        }
    }

    public struct ResourceLimit: Sendable, Hashable {
        public var name: String
        public var soft: UInt64
        public var hard: UInt64

        public init(name: String, soft: UInt64, hard: UInt64) {
            self.name = name
            self.soft = soft
            self.hard = hard
        }
    }

    public var id: String
    public var arguments: [String]
    /// "NAME=VALUE", the whole environment.
    public var environment: [String]
    public var workingDirectory = "/"
    public var hostname: String
    public var root: Root = .hostView(additionalReadOnlyPaths: [])
    /// An empty directory of the host on which the root is put together; seen by nobody but the launcher.
    public var rootMountPoint: String
    public var readOnlyRoot = true
    public var mounts: [Mount] = []
    public var files: [File] = []
    public var temporary: Temporary
    /// Size of /dev/shm, charged to the task's memory. Object stores of engines live there.
    public var sharedMemoryBytes: Int64 = 64 << 20
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    public var groups: [UInt32] = []
    /// First of 65536 host ids that this task's ids are mapped to; nil: no user namespace.
    public var idRangeStart: UInt32?
    public var network: Network = .host
    public var cgroups: [CgroupJoin] = []
    public var resourceLimits: [ResourceLimit] = SandboxSpec.defaultResourceLimits
    public var oomScoreAdjustment: Int?
    public var umask: UInt16 = 0o022
    /// A compiled filter; nil: unconfined.
    public var seccomp: [UInt8]?
    public var logPath: String
    /// Of one file; two are kept.
    public var logBytes: Int64 = 10 << 20
    public var graceMilliseconds: Int64 = 30_000

    public init(
        id: String, arguments: [String], environment: [String], hostname: String, rootMountPoint: String, temporary: Temporary,
        logPath: String
    ) {
        self.id = id
        self.arguments = arguments
        self.environment = environment
        self.hostname = hostname
        self.rootMountPoint = rootMountPoint
        self.temporary = temporary
        self.logPath = logPath
    }

    /// No core files (they would hold a party's data); descriptors as container runtimes give them, below what a machine
    /// without CAP_SYS_RESOURCE can raise.
    public static let defaultResourceLimits = [
        ResourceLimit(name: "core", soft: 0, hard: 0),
        ResourceLimit(name: "nofile", soft: 16_384, hard: 16_384),
    ]
}

public enum SandboxPolicyError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A field of the spec that cannot become a plan.
    case invalid(field: String, found: String, expected: String)
    case profile(String)

    public var description: String {
        switch self {
        case .invalid(let field, let found, let expected): "\(field): found \(found), expected \(expected)"
        case .profile(let reason): "seccomp profile: \(reason)"
        }
    }
}
