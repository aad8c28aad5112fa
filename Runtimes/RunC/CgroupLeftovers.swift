// Groups that an OCI runtime makes in hierarchies which we do not use ourselves (devices, blkio, net_cls, ...): it removes a container's,
// not those above it.

import Glibc
import LocalRuntime

public enum CgroupLeftovers {
    /// A node's own, a pod's, a container's, a command's.
    private static let maximumDepth = 4

    /// Removes the group of this name, with the empty ones below it, from whatever is mounted below the root. Blocks.
    public static func remove(_ name: String, below root: String) {
        for hierarchy in RecordFiles.names(in: root) { remove("\(root)/\(hierarchy)/\(name)", depth: 0) }
    }

    private static func remove(_ path: String, depth: Int) {
        if rmdir(path) == 0 || errno == ENOENT || depth == maximumDepth { return }
        for name in RecordFiles.names(in: path) {
            var facts = stat()
            if lstat("\(path)/\(name)", &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR {
                remove("\(path)/\(name)", depth: depth + 1)
            }
        }
        rmdir(path)
    }
}
