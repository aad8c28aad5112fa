// Files that must not reach a disk (secrets, tokens), and volumes in memory: tmpfs mounts of the agent's own.
import CLinux
import Glibc
import Synchronization

enum MemoryFiles {
    /// Bound of all secrets of a node together. A Secret is 1 MiB at most; a full one fails the next pod, not the node.
    static let totalBytes: Int64 = 256 << 20
    /// One maker at a time: between look and mount another pod may have mounted it.
    private static let making = Mutex(())

    /// Makes sure that `directory` lies in memory: where it does not yet, a tmpfs is mounted there. Blocks.
    static func prepare(_ directory: String) throws {
        try making.withLock { _ in
            try DiskFiles.makeDirectory(directory, mode: 0o711)
            if clinux_is_in_memory(directory) == 1 { return }
            let size = "size=\(totalBytes),mode=0711"
            // Without noswap (before Linux 6.4) a secret could reach the swap device; a kubelet lives with that as well.
            if clinux_mount_tmpfs(directory, size + ",noswap", 1) == 0 || clinux_mount_tmpfs(directory, size, 1) == 0 { return }
            throw FileError.last("mount(tmpfs)", directory)
        }
    }

    /// Unmounts `directory` again when nothing is left in it; for the orderly end of an agent. Blocks.
    static func release(_ directory: String) {
        making.withLock { _ in
            guard DiskFiles.isMountPoint(directory), DiskFiles.names(in: directory).isEmpty else { return }
            if clinux_unmount(directory) == 0 { rmdir(directory) }
        }
    }

    /// A volume in memory. `bytes` nil: the kernel's own bound, half of the machine's memory. What the tasks store there is charged
    /// to their memory limit. Idempotent. Blocks.
    static func mount(_ directory: String, bytes: Int64?, mode: mode_t) throws {
        try DiskFiles.makeDirectory(directory, mode: mode)
        if DiskFiles.isMountPoint(directory) { return }
        let size = bytes.map { "size=\(max($0, 4096))," } ?? ""
        guard clinux_mount_tmpfs(directory, "\(size)mode=0\(String(mode, radix: 8))", 0) == 0 else {
            throw FileError.last("mount(tmpfs)", directory)
        }
    }

    /// Unmounts every volume directly below `directory`. Tasks that still see one keep it until they end. Blocks.
    static func unmountVolumes(below directory: String) throws {
        for name in DiskFiles.names(in: directory) where DiskFiles.isMountPoint("\(directory)/\(name)") {
            guard clinux_unmount("\(directory)/\(name)") == 0 || errno == EINVAL else {
                throw FileError.last("unmount", "\(directory)/\(name)")
            }
        }
    }
}
