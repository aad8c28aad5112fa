// What a task sees of its control groups: below /sys/fs/cgroup its own ones and what it made in them, which is nothing. Mounted inside its cgroup
// namespace, whose root they are (cgroup_namespaces(7)): neither the host's path nor another task's name is in sight.

enum CgroupView {
    private static let root = "/sys/fs/cgroup"
    private static let flags: MountFlags = [.readOnly, .noSuid, .noDev, .noExec]
    /// What says how much memory and processor time there is. Of the rest nobody makes a decision, and each is a mount.
    private static let telling: Set<String> = ["memory", "cpu", "cpuacct", "cpuset"]

    static func operations(_ joined: [SandboxSpec.CgroupJoin]) -> [LaunchOperation] {
        // The places are made in a file system of its own, not in an image's. Its owner is nobody inside.
        let place = LaunchOperation.tmpfs(
            path: "/sys", options: TmpfsOptions(bytes: 65_536, inodes: 64, mode: 0o755, uid: 0, gid: 0), flags: [.noSuid, .noDev, .noExec])
        if joined.contains(where: { $0.version == 2 }), joined.allSatisfy({ $0.version == 2 }) {
            return [place, .mount(type: "cgroup2", source: "cgroup", path: root, flags: flags, data: "")]
        }
        let shown = joined.filter { $0.version == 1 && !telling.isDisjoint(with: $0.controllers) }
        return shown.isEmpty ? [] : [place] + shown.flatMap(hierarchy)
    }

    /// Under the name of the mount as the distributions have it ("cpu,cpuacct"), and each controller's own.
    private static func hierarchy(_ join: SandboxSpec.CgroupJoin) -> [LaunchOperation] {
        let name = join.controllers.joined(separator: ",")
        let mount = LaunchOperation.mount(type: "cgroup", source: "cgroup", path: "\(root)/\(name)", flags: flags, data: name)
        let links = join.controllers.filter { $0 != name }.map { LaunchOperation.symlink(target: name, path: "\(root)/\($0)") }
        return [mount] + links
    }
}
