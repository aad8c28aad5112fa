// Groups that an ordinary user may use: those that were delegated to it (cgroup-v2.rst, "Delegation"; on v1 directories that it owns).

import Glibc

extension CgroupHost {
    /// The hierarchies below this process' own groups, those alone that it may write to; `layout` is `.none` where there are none.
    /// On v2 the own group must be `vacated` before groups below it can have limits.
    public static func delegated(_ machine: CgroupHost = CgroupHost()) -> CgroupHost {
        machine.delegated(ownGroups: CgroupFile.read("/proc/self/cgroup") ?? "", writable: { access($0, W_OK) == 0 })
    }

    /// `ownGroups`: the text of /proc/self/cgroup.
    func delegated(ownGroups: String, writable: (String) -> Bool) -> CgroupHost {
        let own = OwnGroups(ownGroups)
        var hierarchies: [CgroupController: CgroupHierarchy] = [:]
        var delegatedRoot: String?
        if let unified {
            let path = own.unified.map { $0 == "/" ? unified : unified + $0 } ?? unified
            if writable(path), writable("\(path)/cgroup.procs"), writable("\(path)/cgroup.subtree_control") {
                delegatedRoot = path
            }
        }
        // What a delegated group may hand on is in its own cgroup.controllers.
        let offered =
            delegatedRoot.flatMap { CgroupFile.read("\($0)/cgroup.controllers") }.map { $0.split(whereSeparator: \.isWhitespace) }
            ?? []
        for (controller, hierarchy) in self.hierarchies {
            if hierarchy.version == 2 {
                if let delegatedRoot, offered.contains(Substring(controller.rawValue)) {
                    hierarchies[controller] = CgroupHierarchy(version: 2, path: delegatedRoot)
                }
            } else {
                let group = own.version1[controller.version1Name] ?? "/"
                let path = group == "/" ? hierarchy.path : hierarchy.path + group
                if writable(path) { hierarchies[controller] = CgroupHierarchy(version: 1, path: path) }
            }
        }
        return CgroupHost(
            root: delegatedRoot ?? root, hierarchies: hierarchies, unified: delegatedRoot, features: features, cpus: cpus,
            memoryNodes: memoryNodes, hugePageSizes: hugePageSizes)
    }

    /// Moves the members of a delegated v2 group into a group `name` below it: a group with members cannot have controllers for its children.
    /// Costs the kernel's grace period; once at start, never before a launch.
    public func vacated(into name: String) throws(CgroupError) -> CgroupHost {
        guard let unified else { return self }
        let leaf = "\(unified)/\(name)"
        for _ in 0..<8 {
            let members = (CgroupFile.read("\(unified)/cgroup.procs") ?? "").split(separator: "\n")
            if members.isEmpty { return self }
            if mkdir(leaf, 0o755) != 0, errno != EEXIST { throw CgroupError(stage: "mkdir", path: leaf, errno: errno) }
            for member in members {
                do throws(CgroupError) { try CgroupFile.write(String(member), to: "\(leaf)/cgroup.procs") } catch {
                    if error.errno != ESRCH { throw error }  // it ended meanwhile
                }
            }
        }
        throw CgroupError(stage: "vacate", path: unified, errno: EBUSY, hint: "its members fork faster than they can be moved")
    }
}

/// /proc/self/cgroup: "0::/user.slice/x" for v2, "4:memory:/x" or "1:cpu,cpuacct:/x" for v1.
struct OwnGroups: Equatable {
    var unified: String?
    var version1: [String: String] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            if fields[0] == "0", fields[1].isEmpty {
                unified = String(fields[2])
            } else {
                for controller in fields[1].split(separator: ",") { version1[String(controller)] = String(fields[2]) }
            }
        }
    }
}
