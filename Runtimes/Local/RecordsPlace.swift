// Where the records of pods lie that need not outlive a restart of the machine: in memory, where the machine has a place for
// it. A disk has a dozen files and directories of each task to make, sync and free again otherwise; of none does it keep
// anything of use, as a record names the boot that it is of.

import CLinux
import Glibc
import RuntimeInterface
import SandboxPolicy

package struct RecordsPlace: Sendable {
    /// FHS's place for such things; where that lies on a disk (as in many containers), POSIX' memory.
    private static let candidates = ["/run", "/dev/shm"]

    /// The directory, or the link to it. Absolute path.
    package let path: String

    package init(path: String) { self.path = path }

    /// The directory of the records: where this path leads to, in memory, or itself on the disk; nil where it is neither yet, as the
    /// machine has no memory for it. Records that an agent had on the disk stay there until an agent begins without any. Blocks.
    package func prepare() throws(RuntimeError) -> String? {
        if let target {
            // After a restart of the machine the link leads nowhere.
            if makeOwn(target) { return "\(target)/\(name)" }
            unlink(path)
        } else if !RecordFiles.names(in: path).isEmpty {
            return path
        }
        let places = Self.candidates.lazy.filter { clinux_is_in_memory($0) == 1 }.map { "\($0)/\(ownName)" }
        guard let target = places.first(where: makeOwn) else { return nil }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try RecordFiles.makeDirectories(String(path[..<slash])) }
        rmdir(path)
        guard symlink("\(target)/\(name)", path) == 0 else { throw RecordFiles.failure("symlink", path) }
        return "\(target)/\(name)"
    }

    /// At an orderly end, when no pod has a record. Blocks.
    package func release() {
        guard let target, rmdir("\(target)/\(name)") == 0 || errno == ENOENT else { return }
        rmdir(target)
        unlink(path)
    }

    /// Ours alone: whoever else may write in the directory above could have made it.
    private func makeOwn(_ directory: String) -> Bool {
        if mkdir(directory, 0o700) != 0, errno != EEXIST { return false }
        var facts = stat()
        guard lstat(directory, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == geteuid(),
            facts.st_mode & 0o077 == 0
        else { return false }
        return mkdir("\(directory)/\(name)", 0o700) == 0 || errno == EEXIST
    }

    /// "pods"
    private var name: String { String(path.split(separator: "/").last ?? "") }

    /// Without the name; nil when it is no link of ours.
    private var target: String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { room in
            room.withMemoryRebound(to: CChar.self) { room in room.baseAddress.map { readlink(path, $0, room.count) } ?? -1 }
        }
        bytes.removeLast(bytes.count - max(0, count))
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasSuffix("/\(name)"), text.split(separator: "/").dropLast().last?.hasPrefix(Self.prefix) == true else {
            return nil
        }
        return String(text.dropLast(name.count + 1))
    }

    /// Whether what lies there can be mounted with other ids: tmpfs can since Linux 6.3 (FS_ALLOW_IDMAP).
    package static var mapsIDs: Bool { KernelVersion.running >= KernelVersion(major: 6, minor: 3) }

    private static let prefix = "swiftlet-"

    /// The same for the same directory: what a killed agent left is found again.
    private var ownName: String {
        // FNV-1a
        let hash = path.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return Self.prefix + String(hash, radix: 16)
    }
}
