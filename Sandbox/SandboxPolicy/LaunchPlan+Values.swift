// What launch operations carry: namespaces, flags of mounts, options of file systems, scheduling. Raw values are the plan's words.

extension LaunchOperation {
    public enum Namespace: String, Sendable, Hashable, CaseIterable {
        case user, mount, pid, ipc, uts, cgroup, net, time
    }
}

/// Short inside this module only: elsewhere `Namespace` is Kubernetes'.
typealias Namespace = LaunchOperation.Namespace

/// Where in the set-up a hook of the OCI kind runs: before the root is entered, or right before exec.
public enum HookPoint: String, Sendable, Hashable, CaseIterable {
    case createContainer = "create-container"
    case startContainer = "start-container"
}

public enum RootChange: String, Sendable, Hashable, CaseIterable { case move, detached }

public enum NamespaceClock: String, Sendable, Hashable, CaseIterable { case monotonic, boottime }

/// Who writes the maps of a rootless user namespace.
public enum IDMapWriter: Sendable, Hashable {
    /// The launcher itself: one line, the caller's own id.
    case direct
    /// The set-uid programs that hold /etc/subuid and /etc/subgid against the wish.
    case helpers(newuidmap: String, newgidmap: String)
}

public enum MountPropagation: String, Sendable, Hashable, CaseIterable {
    case `private`, slave, shared, unbindable
    case recursivePrivate = "rprivate"
    case recursiveSlave = "rslave"
    case recursiveShared = "rshared"
    case recursiveUnbindable = "runbindable"
}

public struct MountFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readOnly = MountFlags(rawValue: 1)
    public static let noSuid = MountFlags(rawValue: 2)
    public static let noDev = MountFlags(rawValue: 4)
    public static let noExec = MountFlags(rawValue: 8)
    /// What is mounted below the source comes along; the other flags hold for it too.
    public static let recursive = MountFlags(rawValue: 16)
    /// Files of the host's root belong to the task's root, both ways.
    public static let idMapped = MountFlags(rawValue: 32)
    /// A source that does not exist is passed over.
    public static let optional = MountFlags(rawValue: 64)
    /// A source that is a symbolic link is copied as a link.
    public static let copyLink = MountFlags(rawValue: 128)
    public static let recursiveReadOnly = MountFlags(rawValue: 1 << 8)
    public static let relativeAccessTime = MountFlags(rawValue: 1 << 9)
    public static let noAccessTime = MountFlags(rawValue: 1 << 10)
    public static let strictAccessTime = MountFlags(rawValue: 1 << 11)
    public static let noDirectoryAccessTime = MountFlags(rawValue: 1 << 12)
    public static let noSymlinkFollow = MountFlags(rawValue: 1 << 13)
    public static let synchronous = MountFlags(rawValue: 1 << 14)
    /// A new tmpfs gets what the root has at its place.
    public static let copyUp = MountFlags(rawValue: 1 << 15)
    public static let `private` = MountFlags(rawValue: 1 << 16)
    public static let slave = MountFlags(rawValue: 1 << 17)
    public static let shared = MountFlags(rawValue: 1 << 18)
    public static let unbindable = MountFlags(rawValue: 1 << 19)
    public static let recursivePrivate = MountFlags(rawValue: 1 << 20)
    public static let recursiveSlave = MountFlags(rawValue: 1 << 21)
    public static let recursiveShared = MountFlags(rawValue: 1 << 22)
    public static let recursiveUnbindable = MountFlags(rawValue: 1 << 23)
    /// With `recursive`: the attributes hold for the mount itself only, as mount(8) has it.
    public static let topOnly = MountFlags(rawValue: 1 << 24)
    /// No symbolic link on the way to the source: what a path was found to be when it was checked, it is when it is mounted.
    public static let noFollow = MountFlags(rawValue: 1 << 25)
    /// With `recursive` and `idMapped`: the ids are those of the mount itself only.
    public static let topMapping = MountFlags(rawValue: 1 << 26)

    private static let words: [(MountFlags, String)] = [
        (.noSuid, "nosuid"), (.noDev, "nodev"), (.noExec, "noexec"), (.recursive, "rec"), (.idMapped, "idmap"),
        (.topMapping, "topmap"),
        (.optional, "optional"), (.copyLink, "link"), (.noFollow, "nofollow"), (.topOnly, "top"), (.recursiveReadOnly, "rro"),
        (.relativeAccessTime, "relatime"),
        (.noAccessTime, "noatime"), (.strictAccessTime, "strictatime"), (.noDirectoryAccessTime, "nodiratime"),
        (.noSymlinkFollow, "nosymfollow"), (.synchronous, "sync"), (.copyUp, "tmpcopyup"), (.private, "private"),
        (.slave, "slave"),
        (.shared, "shared"), (.unbindable, "unbindable"), (.recursivePrivate, "rprivate"), (.recursiveSlave, "rslave"),
        (.recursiveShared, "rshared"), (.recursiveUnbindable, "runbindable"),
    ]

    var text: String {
        var text = contains(.readOnly) ? "ro" : "rw"
        for (flag, word) in Self.words where contains(flag) {
            text += ","
            text += word
        }
        return text
    }
}

public struct TmpfsOptions: Sendable, Hashable {
    public var bytes: Int64
    public var inodes: Int64
    public var mode: UInt16
    public var uid: UInt32
    public var gid: UInt32

    public init(bytes: Int64, inodes: Int64, mode: UInt16, uid: UInt32 = 0, gid: UInt32 = 0) {
        self.bytes = bytes
        self.inodes = inodes
        self.mode = mode
        self.uid = uid
        self.gid = gid
    }

    var text: String { "size=\(bytes),nr_inodes=\(inodes),mode=\(String(mode, radix: 8)),uid=\(uid),gid=\(gid)" }
}

/// Layers of an overlay file system, the uppermost first. Without `upper` and `work` it is read-only and needs two layers.
public struct OverlayOptions: Sendable, Hashable {
    public var lower: [String]
    public var upper: String?
    public var work: String?
    /// Nothing is synchronised: right for a layer that goes with its task.
    public var volatile: Bool
    /// Extended attributes of ordinary users, for an overlay mounted inside a user namespace.
    public var userAttributes: Bool

    public init(lower: [String], upper: String? = nil, work: String? = nil, volatile: Bool = false, userAttributes: Bool = false)
    {
        self.lower = lower
        self.upper = upper
        self.work = work
        self.volatile = volatile
        self.userAttributes = userAttributes
    }

    private static func escaped(_ path: String) -> String {
        String(path.flatMap { [":", ",", "\\"].contains($0) ? ["\\", $0] : [$0] })
    }

    var text: String {
        var options = ["lowerdir=" + lower.map(Self.escaped).joined(separator: ":")]
        if let upper { options.append("upperdir=" + Self.escaped(upper)) }
        if let work { options.append("workdir=" + Self.escaped(work)) }
        if volatile { options.append("volatile") }
        if userAttributes { options.append("userxattr") }
        return options.joined(separator: ",")
    }
}

public struct ProcOptions: Sendable, Hashable {
    public enum HidePID: String, Sendable, Hashable { case off, noaccess, invisible, ptraceable }
    /// Whose processes are shown; nil leaves the kernel's default.
    public var hidePID: HidePID?
    /// Members of this group see everything.
    public var group: UInt32?
    /// Only the directories of processes: nothing of the machine.
    public var onlyProcesses: Bool

    public init(hidePID: HidePID? = nil, group: UInt32? = nil, onlyProcesses: Bool = false) {
        self.hidePID = hidePID
        self.group = group
        self.onlyProcesses = onlyProcesses
    }

    /// Nil when nothing is wished.
    var text: String? {
        var options: [String] = []
        if let hidePID { options.append("hidepid=\(hidePID.rawValue)") }
        if let group { options.append("gid=\(group)") }
        if onlyProcesses { options.append("subset=pid") }
        return options.isEmpty ? nil : options.joined(separator: ",")
    }
}

/// mknod(1)'s letters.
public enum DeviceType: String, Sendable, Hashable, CaseIterable {
    case character = "c"
    case block = "b"
    case unbuffered = "u"
    case pipe = "p"
}

public enum IOPriorityClass: String, Sendable, Hashable, CaseIterable {
    case realtime = "rt"
    case bestEffort = "be"
    case idle
}

/// sched_setattr(2). Priority counts for `fifo` and `rr` (1...99), as a nice value for `other` and `batch`.
public struct SchedulerPolicy: Sendable, Hashable {
    public enum Policy: String, Sendable, Hashable, CaseIterable { case other, fifo, rr, batch, idle, deadline }
    public enum Flag: String, Sendable, Hashable, CaseIterable {
        case resetOnFork = "reset-on-fork"
        case reclaim
        case deadlineOverrun = "dl-overrun"
        case keepPolicy = "keep-policy"
        case keepParameters = "keep-params"
        case utilizationClampMinimum = "util-clamp-min"
        case utilizationClampMaximum = "util-clamp-max"
    }
    public var policy: Policy
    public var priority: Int
    public var flags: [Flag]
    /// Of policy `deadline`, in nanoseconds.
    public var runtime: UInt64, deadline: UInt64, period: UInt64

    public init(
        policy: Policy, priority: Int = 0, flags: [Flag] = [], runtime: UInt64 = 0, deadline: UInt64 = 0, period: UInt64 = 0
    ) {
        self.policy = policy
        self.priority = priority
        self.flags = flags
        self.runtime = runtime
        self.deadline = deadline
        self.period = period
    }

    var words: [String] {
        var words = [policy.rawValue, "\(priority)"]
        let times = policy == .deadline
        if !flags.isEmpty || times { words.append(flags.isEmpty ? "none" : flags.map(\.rawValue).joined(separator: ",")) }
        if times { words += ["\(runtime)", "\(deadline)", "\(period)"] }
        return words
    }
}

public enum SecureBit: String, Sendable, Hashable, CaseIterable {
    case noRoot = "noroot"
    case noRootLocked = "noroot-locked"
    case noSetuidFixup = "no-setuid-fixup"
    case noSetuidFixupLocked = "no-setuid-fixup-locked"
    case keepCapabilities = "keep-caps"
    case keepCapabilitiesLocked = "keep-caps-locked"
    case noAmbientRaise = "no-cap-ambient-raise"
    case noAmbientRaiseLocked = "no-cap-ambient-raise-locked"
}

public enum SeccompFlag: String, Sendable, Hashable, CaseIterable {
    case threadSync = "tsync"
    case log
    case speculationAllowed = "spec-allow"
    case waitKillable = "wait-killable"
    /// For plans without `noNewPrivileges`: loaded with CAP_SYS_ADMIN, so that `capset` and `exec` stand behind the filter.
    case beforeCapabilities = "before-capabilities"
}

/// Whether a kernel without what the rules need ends the start (`required`) or is taken as it is (`best`).
public enum LandlockSupport: String, Sendable, Hashable, CaseIterable { case required, best }

public enum LandlockDirection: String, Sendable, Hashable, CaseIterable { case bind, connect }

public enum LandlockScope: String, Sendable, Hashable, CaseIterable {
    case abstractUnixSocket = "abstract-unix"
    case signal
}

/// Coarse words first, then the kernel's own (landlock(7)). On a path that is no directory only those of files count.
public enum LandlockRight: String, Sendable, Hashable, CaseIterable {
    case read, execute, write, make, remove, refer, truncate, ioctl
    case makeDevice = "make-device"
    case readFile = "read-file"
    case readDirectory = "read-dir"
    case writeFile = "write-file"
    case removeFile = "remove-file"
    case removeDirectory = "remove-dir"
    case makeCharacterDevice = "make-char"
    case makeBlockDevice = "make-block"
    case makeDirectory = "make-dir"
    case makeRegular = "make-reg"
    case makeSocket = "make-sock"
    case makeFIFO = "make-fifo"
    case makeSymlink = "make-sym"
    /// Not a right: a path that does not exist is passed over.
    case optional
}
