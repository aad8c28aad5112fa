// What a task sees of its control groups: its own ones, bound below /sys/fs/cgroup. They are the root of its cgroup namespace, so its mount table
// tells of no path above them either (cgroup_namespaces(7)). A mount of the file system itself would show the same, and costs a launch
// half a millisecond where many are under way: it waits for the kernel's one lock of all groups.

enum CgroupView {
    private static let root = "/sys/fs/cgroup"
    private static let flags: MountFlags = [.readOnly, .noSuid, .noDev, .noExec]
    /// What says how much memory and processor time there is. Of the rest nobody makes a decision, and each is a mount.
    private static let telling: Set<String> = ["memory", "cpu", "cpuset"]

    static func operations(_ joined: [SandboxSpec.CgroupJoin]) -> [LaunchOperation] {
        // The places are made in a file system of its own, not in an image's. Its owner is nobody inside.
        let place = LaunchOperation.tmpfs(
            path: "/sys", options: TmpfsOptions(bytes: 65_536, inodes: 64, mode: 0o755, uid: 0, gid: 0), flags: [.noSuid, .noDev, .noExec])
        if joined.contains(where: { $0.version == 2 }), joined.allSatisfy({ $0.version == 2 }) {
            return [place] + joined.prefix(1).map { .bind(source: $0.path, path: root, flags: flags) }
        }
        let shown = joined.filter { $0.version == 1 && !telling.isDisjoint(with: $0.controllers) }
        return shown.isEmpty ? [] : [place] + shown.flatMap(hierarchy)
    }

    /// Under the name of the mount as the distributions have it ("cpu,cpuacct"), and each controller's own.
    private static func hierarchy(_ join: SandboxSpec.CgroupJoin) -> [LaunchOperation] {
        let name = join.controllers.joined(separator: ",")
        let mount = LaunchOperation.bind(source: join.path, path: "\(root)/\(name)", flags: flags)
        let links = join.controllers.filter { $0 != name }.map { LaunchOperation.symlink(target: name, path: "\(root)/\($0)") }
        return [mount] + links
    }
}
