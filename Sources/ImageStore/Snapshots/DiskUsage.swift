// What a tree takes on the disk.
import CLinux
import Glibc

enum DiskUsage {
    static func of(_ path: String) throws(ImageStoreError) -> (bytes: Int64, inodes: Int64) {
        var (bytes, inodes): (Int64, Int64) = (0, 0)
        guard clinux_tree_usage(path, &bytes, &inodes) == 0 else {
            throw .inputOutput(file: path, operation: "walk", errno: errno)
        }
        return (bytes, inodes)
    }
}
