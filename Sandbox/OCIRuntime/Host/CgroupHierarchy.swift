// The cgroup hierarchies that this process sees: each v1 controller its own, or v2, or both beside each other.

/// One mounted hierarchy. Found by /proc/self/cgroup and the customary mount points, not by the mount table: a node may
/// have thousands of mounts, and every create would read them all.
struct CgroupHierarchy: Sendable, Hashable {
    var version: Int
    /// v1: what it carries ("cpu", "cpuacct"). v2: what its root offers to groups below.
    var controllers: [String]
    /// Where it is mounted: "/sys/fs/cgroup/memory".
    var mount: String
    /// This process's own group below the mount: "/" or "/user.slice".
    var ownGroup: String

    static let root = "/sys/fs/cgroup"

    static func all(root: String = root, membership: String? = HostFile.text("/proc/self/cgroup")) -> [CgroupHierarchy] {
        var found: [CgroupHierarchy] = []
        for line in (membership ?? "").split(separator: "\n") {
            // "4:memory:/system.slice": hierarchy, controllers, path (cgroups(7)).
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let names = fields[1].split(separator: ",").map(String.init)
            let group = String(fields[2])
            if fields[1].isEmpty {
                if let unified = unified(root: root, group: group) { found.append(unified) }
            } else if let mount = mountPoint(root: root, names: names, joined: String(fields[1])) {
                found.append(CgroupHierarchy(version: 1, controllers: names, mount: mount, ownGroup: group))
            }
        }
        return found
    }

    private static func mountPoint(root: String, names: [String], joined: String) -> String? {
        for name in [joined] + names {
            let directory = name.hasPrefix("name=") ? String(name.dropFirst(5)) : name
            if HostFile.exists("\(root)/\(directory)/cgroup.procs") { return "\(root)/\(directory)" }
        }
        return nil
    }

    private static func unified(root: String, group: String) -> CgroupHierarchy? {
        for mount in [root, "\(root)/unified"] {
            guard let text = HostFile.text("\(mount)/cgroup.controllers") else { continue }
            return CgroupHierarchy(
                version: 2, controllers: text.split(whereSeparator: \.isWhitespace).map(String.init), mount: mount,
                ownGroup: group)
        }
        return nil
    }
}

extension [CgroupHierarchy] {
    func holding(_ controller: String) -> CgroupHierarchy? {
        first { $0.version == 1 && $0.controllers.contains(controller) }
            ?? first { $0.version == 2 && $0.controllers.contains(controller) }
    }

    var unified: CgroupHierarchy? { first { $0.version == 2 } }
    /// Every controller sits on v2.
    var isPureVersion2: Bool {
        !contains { $0.version == 1 && !$0.controllers.allSatisfy { $0.hasPrefix("name=") } } && unified != nil
    }
}
