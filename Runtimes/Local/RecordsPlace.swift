// Where the records of pods lie that need not outlive a restart of the machine: in memory, where the machine has a place for
// it. A disk has a dozen files and directories of each task to make, sync and free again otherwise; of none does it keep
// anything of use, as a record names the boot that it is of.

import CLinux
import Glibc
import Logging
import RuntimeInterface

enum RecordsPlace {
    /// FHS's place for such things; where that lies on a disk (as in many containers), POSIX' memory.
    private static let candidates = ["/run", "/dev/shm"]

    /// The directory of the pods' records: `<state>/pods`, or, in memory, what this name leads to. Records of an agent that
    /// had them on the disk stay there until an agent begins without any. Blocks.
    static func prepare(_ configuration: LocalConfiguration, _ logger: Logger) throws(RuntimeError) -> String {
        let pods = RecordPaths(root: configuration.stateDirectory).pods
        guard configuration.keepsRecordsInMemory else {
            try RecordFiles.makeDirectories(pods)
            return pods
        }
        if let target = target(of: pods) {
            // After a restart of the machine the link leads nowhere.
            if makeOwn(target) { return "\(target)/pods" }
            unlink(pods)
        } else if !RecordFiles.names(in: pods).isEmpty {
            return pods
        }
        let places = candidates.lazy.filter { clinux_is_in_memory($0) == 1 }.map { "\($0)/\(name(of: pods))" }
        guard let target = places.first(where: makeOwn) else {
            logger.notice("records lie on disk: neither /run nor /dev/shm is in memory and ours to write")
            try RecordFiles.makeDirectories(pods)
            return pods
        }
        try RecordFiles.makeDirectories(configuration.stateDirectory)
        rmdir(pods)
        guard symlink("\(target)/pods", pods) == 0 else { throw RecordFiles.failure("symlink", pods) }
        return "\(target)/pods"
    }

    /// At an orderly end, when no pod has a record. Blocks.
    static func release(_ configuration: LocalConfiguration) {
        let pods = RecordPaths(root: configuration.stateDirectory).pods
        guard let target = target(of: pods), rmdir("\(target)/pods") == 0 || errno == ENOENT else { return }
        rmdir(target)
        unlink(pods)
    }

    /// Ours alone: whoever else may write in the directory above could have made it.
    private static func makeOwn(_ directory: String) -> Bool {
        if mkdir(directory, 0o700) != 0, errno != EEXIST { return false }
        var facts = stat()
        guard lstat(directory, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == geteuid(),
            facts.st_mode & 0o077 == 0
        else { return false }
        return mkdir("\(directory)/pods", 0o700) == 0 || errno == EEXIST
    }

    /// Without "/pods"; nil when it is no link of ours.
    private static func target(of pods: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { room in
            room.withMemoryRebound(to: CChar.self) { room in room.baseAddress.map { readlink(pods, $0, room.count) } ?? -1 }
        }
        bytes.removeLast(bytes.count - max(0, count))
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasSuffix("/pods"), text.split(separator: "/").dropLast().last?.hasPrefix(prefix) == true else { return nil }
        return String(text.dropLast("/pods".count))
    }

    private static let prefix = "swiftlet-"

    /// The same for the same directory: what a killed agent left is found again.
    private static func name(of pods: String) -> String {
        // FNV-1a
        let hash = pods.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return prefix + String(hash, radix: 16)
    }
}
