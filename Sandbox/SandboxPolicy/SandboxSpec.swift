// What a task's sandbox shall be, before anyone thinks about system calls.

public struct SandboxSpec: Sendable, Hashable {
    /// Where the task's `/` comes from.
    public enum Root: Sendable, Hashable {
        /// Selected read-only directories of the host, and these absolute paths in addition.
        case hostView(additionalReadOnlyPaths: [String])
        /// An unpacked image.
        case directory(String)
        /// An image's layers, shared, with a writable one of the task's own above them, which goes with the task. It has the task's host
        /// ids as they are, the layers are id-mapped.
        case layers(lower: [String], upper: String, work: String)
    }

    /// A directory or file of the host, at a place in the task.
    public struct Mount: Sendable, Hashable {
        public var source: String
        public var path: String
        public var readOnly: Bool
        /// `source` is a path without links, in a place where tasks write: a link found there at the mount is an attack.
        public var refusesLinks: Bool

        public init(source: String, path: String, readOnly: Bool, refusesLinks: Bool = false) {
            self.source = source
            self.path = path
            self.readOnly = readOnly
            self.refusesLinks = refusesLinks
        }
    }

    /// A device node of the host, at a path below /dev in the task. Who may open it, its own mode says.
    public struct Device: Sendable, Hashable {
        public var source: String
        public var path: String

        public init(source: String, path: String) {
            self.source = source
            self.path = path
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
        /// Loopback only, in a network namespace of the task's own.
        case none
        /// A network namespace that was made before: a pod's, which its containers share, or one with a CNI network.
        case joined(path: String)
    }

    /// TCP ports that the task may use, held by Landlock; nil is any. Means most in network `host`.
    public struct TCPPorts: Sendable, Hashable {
        public var bind: [UInt16]?
        public var connect: [UInt16]?

        public init(bind: [UInt16]? = nil, connect: [UInt16]? = nil) {
            self.bind = bind
            self.connect = connect
        }
    }

    /// The second wall behind the namespaces (landlock(7)).
    public enum SecondWall: Sendable, Hashable {
        case off
        /// What this kernel can hold; nothing where it has no Landlock.
        case bestEffort
        /// A kernel that cannot hold all of it is an error.
        case required
    }

    /// Where the task's output goes.
    public enum Output: Sendable, Hashable {
        /// CRI lines into this file and older ones, `files` in all. `late`: made with the first line, the directory too.
        case log(path: String, maximumBytes: Int64, files: Int64 = 2, maximumAgeSeconds: Int64 = 0, late: Bool = false)
        /// The launcher's own standard streams.
        case inherit
        /// A pseudo terminal, in a file system of terminals that is the task's own; its master goes over this unix socket. A size
        /// in characters of 0 is none.
        case terminal(socketPath: String, rows: UInt16 = 0, columns: UInt16 = 0)
    }

    /// Who may look at the task while it runs and type into it, beside its log.
    public struct Attach: Sendable, Hashable {
        /// It has a standard input that clients type into; else /dev/null.
        public var stdin: Bool
        /// Which ends with the first client that typed.
        public var once: Bool
        /// A terminal of its own takes the place of its three streams.
        public var terminal: Bool

        public init(stdin: Bool, once: Bool = false, terminal: Bool = false) {
            self.stdin = stdin
            self.once = once
            self.terminal = terminal
        }
    }

    /// How an ordinary user's ids are mapped; the task's set-up runs inside the user namespace then.
    public enum Rootless: Sendable, Hashable {
        /// One id, the user's own, as `uid`/`gid` inside.
        case singleID(hostUID: UInt32, hostGID: UInt32)
        /// Ranges granted in /etc/subuid and /etc/subgid, mapped by newuidmap(1) and newgidmap(1).
        case subordinateIDs(
            hostUID: UInt32, hostGID: UInt32, uidStart: UInt32, uidCount: UInt32, gidStart: UInt32, gidCount: UInt32,
            newuidmap: String, newgidmap: String)
    }

    /// What the machine's clock is ahead of the task's, by seconds (time_namespaces(7)).
    public struct TimeOffset: Sendable, Hashable {
        public var clock: NamespaceClock
        public var seconds: Int64
        public var nanoseconds: Int64

        public init(clock: NamespaceClock, seconds: Int64, nanoseconds: Int64 = 0) {
            self.clock = clock
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    /// One line of a user namespace's map.
    public struct IDMap: Sendable, Hashable {
        public var inside: UInt32
        public var host: UInt32
        public var count: UInt32

        public init(inside: UInt32, host: UInt32, count: UInt32) {
            self.inside = inside
            self.host = host
            self.count = count
        }
    }

    /// A path inside, and what Landlock leaves of it.
    public struct LandlockPath: Sendable, Hashable {
        public enum Access: String, Sendable, Hashable { case readOnly, readWrite, execute }
        public var path: String
        public var access: Access

        public init(path: String, access: Access) {
            self.path = path
            self.access = access
        }
    }

    public struct Sysctl: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A file of a cgroup directory that the launcher writes before the task joins.
    public struct CgroupSetting: Sendable, Hashable {
        public var directory: String
        public var file: String
        public var value: String

        public init(directory: String, file: String, value: String) {
            self.directory = directory
            self.file = file
            self.value = value
        }
    }

    public struct CgroupJoin: Sendable, Hashable {
        public var version: Int
        public var controller: String
        /// On v1: those of its hierarchy, of which it is one.
        public var controllers: [String]
        public var path: String

        public init(version: Int, controller: String, controllers: [String]? = nil, path: String) {
            self.version = version
            self.controller = controller
            self.controllers = controllers ?? [controller]
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
    /// The root is the task's alone: a working directory that it lacks is made, as every container runtime does.
    public var makesWorkingDirectory = false
    public var mounts: [Mount] = []
    public var files: [File] = []
    /// Beside the nodes that every task has.
    public var devices: [Device] = []
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
    /// The task may read its own groups below /sys/fs/cgroup: runtimes that choose their heap and threads by their limits look there.
    public var showsCgroups = false
    public var resourceLimits: [ResourceLimit] = SandboxSpec.defaultResourceLimits
    public var oomScoreAdjustment: Int?
    public var umask: UInt16 = 0o022
    /// A compiled filter; nil: unconfined.
    public var seccomp: [UInt8]?
    public var output: Output
    /// nil: nobody.
    public var attach: Attach?
    public var graceMilliseconds: Int64 = 30_000
    /// What asks the task to stop before it is killed, 1 to 64; nil: SIGTERM.
    public var stopSignal: Int32?
    /// Wall-clock time after which the task is stopped; nil: none.
    public var deadlineMilliseconds: Int64?
    public var tcpPorts = TCPPorts()
    public var secondWall = SecondWall.bestEffort
    /// Capabilities that the task keeps; in its own user namespace when it has one.
    public var capabilities: [Capability] = []
    /// Every capability, no filter, /proc and the root as they are.
    public var privileged = false
    /// /proc without masks and read-only paths.
    public var unmaskedProc = false
    public var sysctls: [Sysctl] = []
    public var domainName: String?
    /// Empty: no time namespace.
    public var timeOffsets: [TimeOffset] = []
    public var niceness: Int?
    /// At most this many refused system calls are counted as evidence; nil: the filter refuses by itself and nothing is counted.
    public var countedDenials: Int?
    /// The system calls that the task makes are written here at its end, and none is refused (learning a profile).
    public var learnPath: String?
    public var rootless: Rootless?
    /// Maps of the user namespace instead of `idRangeStart` or what `rootless` would map; both or neither.
    public var uidMaps: [IDMap] = []
    public var gidMaps: [IDMap] = []
    /// Rules of the second wall instead of those that follow from the mounts: other paths are closed.
    public var landlockPaths: [LandlockPath] = []
    /// Directories that the launcher makes (before it joins any) and removes at the end, outermost first, with their version.
    public var madeCgroups: [CgroupJoin] = []
    public var cgroupSettings: [CgroupSetting] = []
    /// Further private tmpfs, e.g. /run.
    public var temporaryFileSystems: [TemporaryFileSystem] = []

    public struct TemporaryFileSystem: Sendable, Hashable {
        public var path: String
        public var bytes: Int64

        public init(path: String, bytes: Int64) {
            self.path = path
            self.bytes = bytes
        }
    }

    public init(
        id: String, arguments: [String], environment: [String], hostname: String, rootMountPoint: String, temporary: Temporary,
        output: Output
    ) {
        self.id = id
        self.arguments = arguments
        self.environment = environment
        self.hostname = hostname
        self.rootMountPoint = rootMountPoint
        self.temporary = temporary
        self.output = output
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
