// A cgroup of a command's own below its container's, in one hierarchy: whoever is in it came from this command, however it forked.

import Cgroups
import Glibc
import RuntimeInterface
import Synchronization

package struct ExecGroup: Sendable {
    /// In order of preference; limits stay with the container's groups in every other hierarchy, and are inherited in this one.
    private static let hierarchies = ["pids", "freezer", "memory", "cpu"]
    private static let killRounds = 1_000

    package let container: CgroupDirectory
    package let group: Cgroup
    private let name: String

    /// nil where the machine has no hierarchy for it: the command is then in the container's own groups alone.
    package init?(_ container: Cgroup, number: Int) {
        let found =
            container.directories.first { $0.version == 2 }
            ?? Self.hierarchies.lazy.compactMap { name in
                container.directories.first { $0.controller.split(separator: ",").contains(Substring(name)) }
            }.first
        guard let found else { return nil }
        self.container = found
        name = "exec-\(number)"
        group = container.host.group("\(container.name)/\(name)")
    }

    package var path: String { "\(container.path)/\(name)" }

    package func make() throws(RuntimeError) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw RecordFiles.failure("mkdir", path) }
    }

    /// The whole tree; returns when nobody is left, or after some seconds.
    package func kill() {
        var rounds = 0
        while group.kill() > 0, rounds < Self.killRounds {
            usleep(5_000)  // the kernel tells nobody that a version 1 group is empty; on a thread of `Blocking`, five seconds at most
            rounds += 1
        }
    }

    /// What the command left running stays, with its group, until it ends: then the end of the container's next command takes the group
    /// along, or that of the container.
    package func removeIfEmpty() {
        Self.left.withLock { left in
            var groups = left[container.path] ?? []
            groups.insert(path)
            groups = groups.filter { rmdir($0) != 0 && errno == EBUSY }
            left[container.path] = groups.isEmpty ? nil : groups
            // Of containers that are gone nobody asks again.
            if left.count > Self.leftMaximum { left = left.filter { RecordFiles.exists($0.key) } }
        }
    }

    private static let leftMaximum = 256
    /// Groups that were not empty at their command's end, by their container's.
    private static let left = Mutex<[String: Set<String>]>([:])
}
