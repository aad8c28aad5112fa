// Stops every member where it is, and lets it go on. v2's groups do so by themselves; on v1 only members of a freezer group
// (`CgroupLimits.freezable`), and SIGKILL waits there until the thaw.

import Glibc

extension Cgroup {
    static let freezeDeadlineMilliseconds = 2_000

    /// Returns once all members stand still; throws ETIMEDOUT, and lets them go on, when one sits in an uninterruptible call for too long.
    public func freeze() throws(CgroupError) {
        guard let file = freezeFile else {
            throw CgroupError(stage: "freeze", path: name, errno: ENOTSUP, hint: "neither cgroup v2 nor a freezer")
        }
        try CgroupFile.write(file.frozen, to: file.path)
        var waited = 0
        while !isFrozen {
            if waited >= Self.freezeDeadlineMilliseconds {
                try thaw()
                throw CgroupError(stage: "freeze", path: file.path, errno: ETIMEDOUT)
            }
            usleep(2_000)
            waited += 2
            // v1 may miss a task that was just forked; the state is asked for again.
            if host.hierarchies[.freezer] != nil { try CgroupFile.write(file.frozen, to: file.path) }
        }
    }

    public func thaw() throws(CgroupError) {
        guard let file = freezeFile, CgroupFile.exists(file.path) else { return }
        try CgroupFile.write(file.thawed, to: file.path)
    }

    public var isFrozen: Bool {
        guard let file = freezeFile else { return false }
        if host.hierarchies[.freezer] != nil { return (CgroupFile.read(file.path) ?? "").hasPrefix("FROZEN") }
        guard let directory = host.directory(name, nil) else { return false }
        return CgroupFile.table("\(directory)/cgroup.events")["frozen"] == 1
    }

    private var freezeFile: (path: String, frozen: String, thawed: String)? {
        if let path = host.hierarchies[.freezer].map({ "\($0.path)/\(name)/freezer.state" }) { return (path, "FROZEN", "THAWED") }
        guard host.layout == .version2, let directory = host.directory(name, nil) else { return nil }
        return ("\(directory)/cgroup.freeze", "1", "0")
    }
}
