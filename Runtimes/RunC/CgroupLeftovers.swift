// Groups that an OCI runtime makes in hierarchies which we do not use ourselves (devices, blkio, net_cls, ...): it removes a container's,
// not those above it.

import Glibc
import LocalRuntime

enum CgroupLeftovers {
    /// Removes the group of this name, when it is empty, from whatever is mounted below the root. Blocks.
    static func remove(_ name: String, below root: String) {
        for hierarchy in RecordFiles.names(in: root) { rmdir("\(root)/\(hierarchy)/\(name)") }
    }
}
