// Where a task's cgroup goes: on v1 below our own group of each hierarchy, on v2 below the highest group on our path that
// we may write. An ordinary user has such a group only where it was delegated to him.
import Cgroups
import Glibc

extension Machine {
    mutating func takeCgroups() {
        let host = CgroupHost()
        guard host.layout != .none else {
            cgroupReason = "no cgroup file system is mounted"
            cgroupFix = "mount cgroup2 at /sys/fs/cgroup"
            return
        }
        allCgroups = host
        cpus = host.cpus
        let own = CgroupPaths(SmallFile.read("/proc/self/cgroup") ?? "")
        cgroups = host.delegated(own) { access($0, W_OK) == 0 }
        if cgroups.hierarchies.isEmpty {
            cgroupReason = "no cgroup is delegated to uid \(getuid())"
            cgroupFix =
                host.layout == .version2
                ? "run below `systemd-run --user --scope -p Delegate=yes`, or as root"
                : "give this user groups of its own (mkdir, chown, in the hierarchies that are to limit), or run as root"
        }
    }
}

/// /proc/self/cgroup: one's own group in each hierarchy.
struct CgroupPaths: Sendable, Hashable {
    var version1: [String: String] = [:]
    var unified: String?

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[1].isEmpty {
                unified = String(parts[2])
            } else {
                for controller in parts[1].split(separator: ",") { version1[String(controller)] = String(parts[2]) }
            }
        }
    }
}

extension CgroupHost {
    /// The same machine, seen from a process in `own`: each hierarchy begins at the group below which we may make others.
    func delegated(_ own: CgroupPaths, mayWrite: (String) -> Bool) -> CgroupHost {
        var hierarchies: [CgroupController: CgroupHierarchy] = [:]
        let unifiedBase = unified.flatMap { Self.highestWritable(mount: $0, own: own.unified ?? "/", mayWrite: mayWrite) }
        for (controller, hierarchy) in self.hierarchies {
            if hierarchy.version == 2 {
                if let unifiedBase, Self.offers(unifiedBase, controller) {
                    hierarchies[controller] = CgroupHierarchy(version: 2, path: unifiedBase)
                }
            } else {
                let path = Self.joined(hierarchy.path, own.version1[controller.version1Name] ?? "/")
                // Inside a container /proc/self/cgroup may name a path that is not mounted here.
                let base = RunPath.isDirectory(path) ? path : hierarchy.path
                if mayWrite(base) { hierarchies[controller] = CgroupHierarchy(version: 1, path: base) }
            }
        }
        return CgroupHost(
            root: root, hierarchies: hierarchies, unified: layout == .version2 ? unifiedBase : nil, features: features,
            cpus: cpus,
            memoryNodes: memoryNodes, hugePageSizes: hugePageSizes)
    }

    private static func joined(_ mount: String, _ path: String) -> String { path == "/" ? mount : mount + path }

    /// Moving into a new group needs the right to write into the nearest common ancestor of the old and the new one, so
    /// the way goes up from our own group for as long as that holds.
    private static func highestWritable(mount: String, own: String, mayWrite: (String) -> Bool) -> String? {
        var path = joined(mount, own)
        if !RunPath.isDirectory(path) { path = mount }
        var found: String?
        while RunPath.below(path, mount), mayWrite(path), mayWrite(path + "/cgroup.procs") {
            found = path
            guard path != mount, let slash = path.lastIndex(of: "/") else { break }
            path = String(path[..<slash])
        }
        return found
    }

    /// v2: what the group may give to its children.
    private static func offers(_ group: String, _ controller: CgroupController) -> Bool {
        (SmallFile.line(group + "/cgroup.controllers") ?? "").split(separator: " ").contains { $0 == controller.rawValue }
    }
}
