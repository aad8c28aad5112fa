// Every limit that a group of processes may have, in one value for cgroup v1 and v2.

/// nil is "no limit of its own"; `CgroupLimits.unlimited` (-1) takes a limit away that an earlier value set. Units stand in the names.
public struct CgroupLimits: Sendable, Hashable {
    public static let unlimited: Int64 = -1

    /// `memory.max`; v1 `memory.limit_in_bytes`.
    public var memoryBytes: Int64?
    /// Above it the kernel slows the group and reclaims: `memory.high`. v1 has only the soft limit, which acts when the *machine* is short.
    public var memoryHighBytes: Int64?
    /// Protected from reclaim (OCI's reservation): `memory.low`; v1 the soft limit, unless `memoryHighBytes` takes that place.
    public var memoryReservationBytes: Int64?
    /// Swap alone, as `memory.swap.max`. nil with a memory limit is 0: a task over its limit is ended, not slowed down by swapping.
    public var swapBytes: Int64?
    /// 0-100, v1 only.
    public var swappiness: Int64?
    /// An OOM kill takes the whole group: `memory.oom.group`, v2 only.
    public var oomGroup: Bool?
    /// The group waits instead of being killed: v1's `memory.oom_control`. v2 has none.
    public var oomKillDisabled: Bool?

    /// Thousandths of a CPU, enforced once a period.
    public var cpuMillis: Int64?
    /// The same as time a period, where thousandths are too coarse (OCI's quota); goes before `cpuMillis`.
    public var cpuQuotaMicroseconds: Int64?
    /// 1,000 to 1,000,000; nil is the kernel's 100,000.
    public var cpuPeriodMicroseconds: Int64?
    /// What an idle period may save up for later ones; at most the quota.
    public var cpuBurstMicroseconds: Int64?
    /// 1-10000, v2's scale, default 100; on v1 it becomes shares.
    public var cpuWeight: Int64?
    /// 2-262144, v1's scale, default 1024; on v2 it becomes a weight. Goes before `cpuWeight`.
    public var cpuShares: Int64?
    /// SCHED_IDLE for the whole group.
    public var cpuIdle: Bool?
    /// "0-3,6"
    public var cpusetCPUs: String?
    public var cpusetMemoryNodes: String?

    public var pids: Int64?

    /// 1-10000, v2's scale, default 100.
    public var ioWeight: Int64?
    public var ioDevices: [IODeviceLimit] = []

    public var hugePages: [HugePageLimit] = []

    /// Applied in their order to "everything allowed"; empty: no device controller is used.
    public var devices: [DeviceRule] = []

    /// v1 freezes only members of a freezer group, so it has to be wished for beforehand; on v2 every group can be frozen.
    public var freezable = false

    /// Further v2 files by name (OCI's `unified`), written as they are.
    public var unified: [String: String] = [:]

    public init(memoryBytes: Int64? = nil, cpuMillis: Int64? = nil, pids: Int64? = nil) {
        self.memoryBytes = memoryBytes
        self.cpuMillis = cpuMillis
        self.pids = pids
    }

    /// What a pod's group gets: the containers' sums of memory, swap, CPU and processes. A container without one of these limits leaves the
    /// pod without it too. The pod's own value, where there is one, goes before the sum.
    public static func podSum(_ containers: [CgroupLimits], pod: CgroupLimits = CgroupLimits()) -> CgroupLimits {
        func sum(_ path: KeyPath<CgroupLimits, Int64?>) -> Int64? {
            if let own = pod[keyPath: path] { return own }
            var total: Int64 = 0
            for container in containers {
                guard let value = container[keyPath: path], value >= 0 else { return nil }
                let (next, overflow) = total.addingReportingOverflow(value)
                if overflow { return nil }
                total = next
            }
            return containers.isEmpty ? nil : total
        }
        var limits = pod
        limits.memoryBytes = sum(\.memoryBytes)
        limits.swapBytes = sum(\.swapBytes)
        limits.cpuMillis = pod.cpuQuotaMicroseconds == nil ? sum(\.cpuMillis) : nil
        limits.cpuShares = pod.cpuWeight == nil ? sum(\.cpuShares) : nil
        limits.pids = sum(\.pids)
        return limits
    }
}

/// Bounds of one block device; nil is none, `CgroupLimits.unlimited` takes one away. On v1 only direct and synchronous writes are attributed
/// to their writer.
public struct IODeviceLimit: Sendable, Hashable {
    public var major: UInt32
    public var minor: UInt32
    public var readBytesPerSecond: Int64?
    public var writeBytesPerSecond: Int64?
    public var readOperationsPerSecond: Int64?
    public var writeOperationsPerSecond: Int64?

    public init(
        major: UInt32, minor: UInt32, readBytesPerSecond: Int64? = nil, writeBytesPerSecond: Int64? = nil,
        readOperationsPerSecond: Int64? = nil, writeOperationsPerSecond: Int64? = nil
    ) {
        self.major = major
        self.minor = minor
        self.readBytesPerSecond = readBytesPerSecond
        self.writeBytesPerSecond = writeBytesPerSecond
        self.readOperationsPerSecond = readOperationsPerSecond
        self.writeOperationsPerSecond = writeOperationsPerSecond
    }
}

public struct HugePageLimit: Sendable, Hashable {
    /// As the kernel's files name it: "2MB", "1GB".
    public var pageSize: String
    public var bytes: Int64

    public init(pageSize: String, bytes: Int64) {
        self.pageSize = pageSize
        self.bytes = bytes
    }
}

/// One rule of the device list; nil numbers are "any".
public struct DeviceRule: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case all = "a"
        case character = "c"
        case block = "b"
    }

    public struct Access: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        // The bits of BPF_DEVCG_ACC_*.
        public static let makeNode = Access(rawValue: 1)
        public static let read = Access(rawValue: 2)
        public static let write = Access(rawValue: 4)
        public static let all: Access = [.makeNode, .read, .write]

        /// From letters of "rwm"; nil for any other letter.
        public init?(_ letters: String) {
            var access: Access = []
            for letter in letters {
                switch letter {
                case "r": access.insert(.read)
                case "w": access.insert(.write)
                case "m": access.insert(.makeNode)
                default: return nil
                }
            }
            self = access
        }

        var letters: String {
            (contains(.read) ? "r" : "") + (contains(.write) ? "w" : "") + (contains(.makeNode) ? "m" : "")
        }
    }

    public var allow: Bool
    public var kind: Kind
    public var major: UInt32?
    public var minor: UInt32?
    public var access: Access

    public init(allow: Bool, kind: Kind = .all, major: UInt32? = nil, minor: UInt32? = nil, access: Access = .all) {
        self.allow = allow
        self.kind = kind
        self.major = major
        self.minor = minor
        self.access = access
    }
}
