// What a task sees of its control groups: its own ones, bound below /sys/fs/cgroup. They are the root of its cgroup namespace, so its mount table
// tells of no path above them either (cgroup_namespaces(7)). A mount of the file system itself would show the same, and costs a launch
// half a millisecond where many are under way: it waits for the kernel's one lock of all groups.

extension SandboxSpec {
    /// Nothing where the task has other things in its place. `inRoot`: the root is no image's, so the places are made in it.
    func cgroupView(inRoot: Bool) -> [LaunchOperation] {
        guard showsCgroups, rootless == nil else { return [] }
        var others = temporaryFileSystems.map(\.path)
        if case .hostView(let additional) = root { others += additional }
        let reserved = inRoot ? CgroupView.root : "/sys"
        if others.contains(where: { $0.isAtOrBelow(reserved) || reserved.isAtOrBelow($0) }) { return [] }
        let binds = CgroupView.binds(cgroups)
        return inRoot || binds.isEmpty ? binds : [CgroupView.place] + binds + [.readOnly("/sys")]
    }
}

enum CgroupView {
    static let root = "/sys/fs/cgroup"
    private static let flags: MountFlags = [.readOnly, .noSuid, .noDev, .noExec]
    /// What says how much memory and processor time there is. Of the rest nobody makes a decision, and each is a mount.
    private static let telling: Set<String> = ["memory", "cpu", "cpuset"]

    /// Of an image: the places are made in a file system of the task's own.
    static let place = LaunchOperation.tmpfs(
        path: "/sys", options: TmpfsOptions(bytes: 65_536, inodes: 64, mode: 0o755), flags: [.noSuid, .noDev, .noExec])

    /// Version 2 alone is at the root; beside hierarchies of version 1 it is "unified", as on the host.
    static func binds(_ joined: [SandboxSpec.CgroupJoin]) -> [LaunchOperation] {
        let first = joined.filter { $0.version == 1 }
        let second = joined.first { $0.version == 2 }.map { join in
            LaunchOperation.bind(source: join.path, path: first.isEmpty ? root : "\(root)/unified", flags: flags)
        }
        return first.filter { !telling.isDisjoint(with: $0.controllers) }.flatMap(hierarchy) + (second.map { [$0] } ?? [])
    }

    /// Under the name of the mount as the distributions have it ("cpu,cpuacct"), and each controller's own.
    private static func hierarchy(_ join: SandboxSpec.CgroupJoin) -> [LaunchOperation] {
        let name = join.controllers.joined(separator: ",")
        let mount = LaunchOperation.bind(source: join.path, path: "\(root)/\(name)", flags: flags)
        let links = join.controllers.filter { $0 != name }.map { LaunchOperation.symlink(target: name, path: "\(root)/\($0)") }
        return [mount] + links
    }
}

extension String {
    fileprivate func isAtOrBelow(_ directory: String) -> Bool { self == directory || hasPrefix(directory + "/") }
}
