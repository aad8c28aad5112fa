// What this machine and this user give a sandbox: the facts that a plan depends on, as a value, so that plans for other
// machines can be tested here.
import Cgroups
import SandboxPolicy

public struct Machine: Sendable, Hashable {
    /// How a process without the host's root powers gets ids.
    public struct Rootless: Sendable, Hashable {
        /// From /etc/subuid and /etc/subgid; nil: the own id alone.
        public struct Ranges: Sendable, Hashable {
            public var uidStart: UInt32
            public var uidCount: UInt32
            public var gidStart: UInt32
            public var gidCount: UInt32
            public var newuidmap: String
            public var newgidmap: String
        }

        public var uid: UInt32
        public var gid: UInt32
        public var ranges: Ranges?
    }

    /// nil: we have the host's powers (CAP_SYS_ADMIN and ids of our choice in the initial user namespace).
    public var rootless: Rootless?
    /// Why an ordinary user cannot make user namespaces here; nil when he can, or is not one.
    public var userNamespaceObstacle: String?
    /// For the default name: distinguishes runs of this moment.
    public var processID: Int32
    /// Which of the commands' ranges of ids the task gets, if somebody made sure that no other has it (IDClaim); nil: by the process id.
    var claimedSlot: UInt32?
    var idSlot: UInt32 { claimedSlot ?? UInt32(max(0, processID)) % HostIDs.slots(HostIDs.commands) }
    /// Where a task's cgroup is made; `layout == .none` where we may make none.
    public var cgroups: CgroupHost
    /// The machine with all its groups: what is there but not ours to use was not delegated.
    public var allCgroups: CgroupHost
    /// Those that cpusets may have, "0-3,6"; empty where that is not known.
    public var cpus = ""
    /// Why there is no cgroup of ours, and what would change that.
    public var cgroupObstacle: (reason: String, fix: String)? {
        cgroupReason.map { ($0, cgroupFix) }
    }
    public var cgroupReason: String?
    public var cgroupFix = ""
    /// Landlock's ABI; 0: the kernel has none.
    public var landlockABI: Int
    /// The highest hard limits that we may set; absent: no bound.
    public var resourceCeilings: [String: UInt64]
    /// CAP_SYS_RESOURCE's powers.
    public var mayRaiseLimits: Bool
    /// The least oom_score_adj that we may set.
    public var oomScoreMinimum: Int
    /// Lowest niceness that we may set.
    public var niceMinimum: Int
    /// The mask of our effective capabilities.
    public var capabilities: UInt64
    public var hasTimeNamespace: Bool
    public var nameservers: [String]
    /// Directories on which the root can be put together (in the task's own mount namespace; nothing is seen outside).
    public var mountPoints: [String]
    /// The caller's environment.
    public var environment: [String: String]

    public init(
        rootless: Rootless?, processID: Int32, cgroups: CgroupHost, landlockABI: Int = 0,
        resourceCeilings: [String: UInt64] = [:],
        mayRaiseLimits: Bool = true, oomScoreMinimum: Int = -1000, niceMinimum: Int = -20, capabilities: UInt64 = .max,
        hasTimeNamespace: Bool = true, nameservers: [String] = [], mountPoints: [String] = ["/mnt"],
        environment: [String: String] = [:]
    ) {
        self.rootless = rootless
        self.processID = processID
        self.cgroups = cgroups
        allCgroups = cgroups
        self.landlockABI = landlockABI
        self.resourceCeilings = resourceCeilings
        self.mayRaiseLimits = mayRaiseLimits
        self.oomScoreMinimum = oomScoreMinimum
        self.niceMinimum = niceMinimum
        self.capabilities = capabilities
        self.hasTimeNamespace = hasTimeNamespace
        self.nameservers = nameservers
        self.mountPoints = mountPoints
        self.environment = environment
    }

    /// What of these limits is not held here, in this user's words: a controller that is there but not his is to be delegated.
    func unenforceable(_ limits: CgroupLimits) -> [UnenforceableLimit] {
        let elsewhere = Set(allCgroups.unenforceable(limits).map(\.field))
        return cgroups.unenforceable(limits).map { limit in
            if let cgroupReason { return UnenforceableLimit(field: limit.field, reason: cgroupReason, fix: cgroupFix) }
            if elsewhere.contains(limit.field) { return limit }
            return UnenforceableLimit(
                field: limit.field, reason: "its controller is not delegated to this user",
                fix: "give this user a group of it too, or run as root")
        }
    }
}
