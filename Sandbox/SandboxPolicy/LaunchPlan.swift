// The launch plan: what `swiftlet-sandbox` does, line by line. Sandbox/README.md has the format; this is its Swift side.

/// One operation. The cases stand in the order in which the launcher accepts them.
public enum LaunchOperation: Sendable, Hashable {
    case id(String)
    case log(path: String, maximumBytes: Int64)
    case grace(milliseconds: Int64)
    case cgroup(version: Int, controller: String, path: String)
    case namespace(Namespace)
    case uidMap(inside: UInt32, host: UInt32, count: UInt32)
    case gidMap(inside: UInt32, host: UInt32, count: UInt32)
    /// Host ids that own the directories and files which the launcher makes in the root.
    case owner(uid: UInt32, gid: UInt32)
    case rootTmpfs(at: String, options: TmpfsOptions)
    case rootBind(source: String, at: String, flags: MountFlags)
    case makeDirectory(path: String, mode: UInt16)
    case symlink(target: String, path: String)
    case file(path: String, mode: UInt16, contents: [UInt8])
    case bind(source: String, path: String, flags: MountFlags)
    case tmpfs(path: String, options: TmpfsOptions, flags: MountFlags)
    case proc(path: String)
    case device(String)
    case mask(String)
    case readOnly(String)
    case rootReadOnly
    case pivot
    case hostname(String)
    case loopback
    case resourceLimit(name: String, soft: UInt64, hard: UInt64)
    case oomScoreAdjustment(Int)
    case umask(UInt16)
    case enterUserNamespace
    case dropBoundingSet
    case user(uid: UInt32, gid: UInt32, groups: [UInt32])
    case dropCapabilities
    case noNewPrivileges
    case workingDirectory(String)
    case environment(String)
    case argument(String)
    /// A compiled BPF program, 8 bytes an instruction.
    case seccomp([UInt8])

    public enum Namespace: String, Sendable, Hashable, CaseIterable {
        case user, mount, pid, ipc, uts, cgroup, net
    }
}

public struct MountFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let readOnly = MountFlags(rawValue: 1)
    public static let noSuid = MountFlags(rawValue: 2)
    public static let noDev = MountFlags(rawValue: 4)
    public static let noExec = MountFlags(rawValue: 8)
    /// What is mounted below the source comes along.
    public static let recursive = MountFlags(rawValue: 16)
    /// Files of the host's root belong to the task's root, both ways.
    public static let idMapped = MountFlags(rawValue: 32)
    /// A source that does not exist is passed over.
    public static let optional = MountFlags(rawValue: 64)
    /// A source that is a symbolic link is copied as a link.
    public static let copyLink = MountFlags(rawValue: 128)

    var text: String {
        var words = [contains(.readOnly) ? "ro" : "rw"]
        for (flag, word) in [
            (MountFlags.noSuid, "nosuid"), (.noDev, "nodev"), (.noExec, "noexec"), (.recursive, "rec"), (.idMapped, "idmap"),
            (.optional, "optional"), (.copyLink, "link"),
        ] where contains(flag) { words.append(word) }
        return words.joined(separator: ",")
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

public struct LaunchPlan: Sendable, Hashable {
    public static let header = "swiftlet-plan 1"
    /// The launcher's own bound (plan.h); a larger plan is refused here already, with a reason.
    public static let maximumBytes = 1 << 20

    public var operations: [LaunchOperation]

    public init(operations: [LaunchOperation]) { self.operations = operations }

    /// The file's bytes.
    public func encoded() -> [UInt8] {
        var bytes = Array(Self.header.utf8)
        bytes.append(UInt8(ascii: "\n"))
        for operation in operations {
            let words = operation.words
            for (index, word) in words.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: " ")) }
                PlanWord.append(word, to: &bytes)
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    /// The same as text, for people and golden files; every byte of a plan is printable ASCII.
    public var text: String { String(decoding: encoded(), as: UTF8.self) }
}
