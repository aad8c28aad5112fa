// Looks at this machine once, a few small files: no process is started for it.
import CLinux
import Cgroups
import Glibc
import SandboxPolicy

extension Machine {
    public static func probe() -> Machine {
        let uid = getuid()
        let capabilities = SmallFile.value("/proc/self/status", key: "CapEff:").flatMap { UInt64($0, radix: 16) } ?? 0
        let privileged = isPrivileged(uid: uid, capabilities: capabilities)
        var machine = Machine(
            rootless: privileged
                ? nil : Rootless(uid: uid, gid: getgid(), ranges: SubordinateIDs.ranges(uid: uid, gid: getgid())),
            processID: getpid(), cgroups: CgroupHost(root: "/sys/fs/cgroup", hierarchies: [:]),
            landlockABI: LandlockKernel.abi, capabilities: capabilities, environment: environmentOfCaller())
        machine.mayRaiseLimits = privileged && capabilities & Capability.sysResource.mask != 0
        if !machine.mayRaiseLimits { machine.resourceCeilings = ResourceCeilings.own() }
        machine.oomScoreMinimum = machine.mayRaiseLimits ? -1000 : Int(SmallFile.number("/proc/self/oom_score_adj") ?? 0)
        machine.niceMinimum =
            privileged && capabilities & Capability.sysNice.mask != 0
            ? -20 : Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
        machine.hasTimeNamespace = RunPath.exists("/proc/self/ns/time")
        machine.nameservers = nameservers()
        machine.mountPoints = ["/mnt", "/media", "/srv", "/opt", "/var/empty", "/home", "/run", "/tmp"].filter(
            RunPath.isDirectory)
        if !privileged { machine.userNamespaceObstacle = UserNamespaces.obstacle() }
        machine.takeCgroups()
        return machine
    }

    /// The launcher's rootful set-up mounts, changes ids and owns what it makes; each needs its capability.
    private static func isPrivileged(uid: uid_t, capabilities: UInt64) -> Bool {
        let needed = [Capability.sysAdmin, .setuid, .setgid, .chown, .dacOverride, .setpcap].reduce(0) { $0 | $1.mask }
        guard uid == 0, capabilities & needed == needed else { return false }
        // Root of a user namespace has the same bits and far less power: the initial one maps every id to itself.
        let map = (SmallFile.line("/proc/self/uid_map") ?? "").split(separator: " ")
        return map.count == 3 && map[0] == "0" && map[1] == "0" && (UInt64(map[2]) ?? 0) >= 4_294_967_295
    }

    private static func environmentOfCaller() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let setting = String(cString: text)
            if let equals = setting.firstIndex(of: "=") {
                variables[String(setting[..<equals])] = String(setting[setting.index(after: equals)...])
            }
            entry += 1
        }
        return variables
    }

    private static func nameservers() -> [String] {
        (SmallFile.read("/etc/resolv.conf") ?? "").split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            return words.count >= 2 && words[0] == "nameserver" ? String(words[1]) : nil
        }
    }
}

enum ResourceCeilings {
    private static let kinds: [(String, Int32)] = [
        ("cpu", 0), ("fsize", 1), ("data", 2), ("stack", 3), ("core", 4), ("rss", 5), ("nproc", 6), ("nofile", 7), ("memlock", 8),
        ("as", 9), ("locks", 10), ("sigpending", 11), ("msgqueue", 12), ("nice", 13), ("rtprio", 14), ("rttime", 15),
    ]

    static func own() -> [String: UInt64] {
        var ceilings: [String: UInt64] = [:]
        for (name, kind) in kinds {
            var limit = rlimit()
            let resource = __rlimit_resource_t(kind)
            if getrlimit(resource, &limit) == 0, limit.rlim_max != UInt.max { ceilings[name] = UInt64(limit.rlim_max) }
        }
        return ceilings
    }
}

enum SubordinateIDs {
    /// The first range of each kind that this user was granted (subuid(5)), with the set-uid programs that map it.
    static func ranges(uid: UInt32, gid: UInt32) -> Machine.Rootless.Ranges? {
        guard let newuidmap = program("newuidmap"), let newgidmap = program("newgidmap") else { return nil }
        let names = ["\(uid)"] + (accountName(uid).map { [$0] } ?? [])
        guard let users = granted("/etc/subuid", names), let groups = granted("/etc/subgid", names) else { return nil }
        return .init(
            uidStart: users.start, uidCount: users.count, gidStart: groups.start, gidCount: groups.count, newuidmap: newuidmap,
            newgidmap: newgidmap)
    }

    /// Set-uid, or carrying file capabilities: without either it maps nothing.
    static func program(_ name: String) -> String? {
        ["/usr/bin/\(name)", "/bin/\(name)", "/usr/local/bin/\(name)"].first { path in
            var info = stat()
            guard stat(path, &info) == 0, access(path, X_OK) == 0 else { return false }
            return info.st_mode & S_ISUID != 0 || clinux_has_attribute(path, "security.capability") == 1
        }
    }

    static func granted(_ path: String, _ names: [String]) -> (start: UInt32, count: UInt32)? {
        for line in (SmallFile.read(path) ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 3, names.contains(String(parts[0])), let start = UInt32(parts[1]), let count = UInt32(parts[2]),
                start > 0, count > 0
            else { continue }
            return (start, min(count, 65_536))
        }
        return nil
    }

    private static func accountName(_ uid: UInt32) -> String? {
        for line in (SmallFile.read("/etc/passwd") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", omittingEmptySubsequences: false)
            if parts.count > 2, parts[2] == "\(uid)" { return String(parts[0]) }
        }
        return nil
    }
}

enum UserNamespaces {
    /// What the kernel's settings say against an ordinary user's namespaces; nil: nothing. (`doctor` really makes one.)
    static func obstacle() -> String? {
        if !RunPath.exists("/proc/self/ns/user") { return "the kernel has no user namespaces (CONFIG_USER_NS)" }
        if SmallFile.number("/proc/sys/user/max_user_namespaces") == 0 { return "user.max_user_namespaces is 0" }
        if SmallFile.number("/proc/sys/kernel/unprivileged_userns_clone") == 0 { return "kernel.unprivileged_userns_clone is 0" }
        return nil
    }
}

enum LandlockKernel {
    /// 0: the kernel has none.
    static var abi: Int { Int(clinux_landlock_abi()) }
}

extension Capability {
    /// Its bit in the kernel's sets (/proc/PID/status).
    var mask: UInt64 { Self.allCases.firstIndex(of: self).map { 1 << UInt64($0) } ?? 0 }
}
