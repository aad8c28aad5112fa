// File operations that volumes and logs need: owners, links, mounts, times. All block.
import Glibc

extension DiskFiles {
    /// A file with its owner, as the container counts. The mode comes last: a change of owner takes bits away.
    static func create(_ path: String, _ bytes: [UInt8], mode: mode_t, owner: uid_t, group: gid_t) throws(FileError) {
        try replace(path, with: bytes, durable: false)
        if owner != geteuid() || group != getegid(), lchown(path, owner, group) != 0 { throw .last("chown", path) }
        guard chmod(path, mode) == 0 else { throw .last("chmod", path) }
    }

    /// Where a symbolic link leads, as it is written there.
    static func linkTarget(_ path: String) throws(FileError) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { room in
            room.withMemoryRebound(to: CChar.self) { room in room.baseAddress.map { readlink(path, $0, room.count) } ?? -1 }
        }
        guard count >= 0 else { throw .last("readlink", path) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Made beside and renamed, so that there is a link at every moment.
    static func replaceLink(_ path: String, to target: String, by temporary: String) throws(FileError) {
        if symlink(target, temporary) != 0 {
            // An agent died here.
            guard errno == EEXIST, unlink(temporary) == 0, symlink(target, temporary) == 0 else {
                throw .last("symlink", temporary)
            }
        }
        guard rename(temporary, path) == 0 else { throw .last("rename", path) }
    }

    /// Whether another file system begins here.
    static func isMountPoint(_ path: String) -> Bool {
        var (own, parent) = (stat(), stat())
        return lstat(path, &own) == 0 && lstat(path + "/..", &parent) == 0 && own.st_dev != parent.st_dev
    }

    /// Time of the last change in Unix nanoseconds; 0 when there is no such file.
    static func modified(_ path: String) -> Int64 {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return 0 }
        return Int64(facts.st_mtim.tv_sec) * 1_000_000_000 + Int64(facts.st_mtim.tv_nsec)
    }

    /// Sets the time of the last change to now; that there is no such file is fine.
    static func touch(_ path: String) { utimensat(AT_FDCWD, path, nil, 0) }

    /// Files below a directory, without the directories.
    static func fileCount(below directory: String) -> Int {
        names(in: directory).reduce(0) { count, name in
            var facts = stat()
            guard lstat("\(directory)/\(name)", &facts) == 0 else { return count }
            return count + (facts.st_mode & S_IFMT == S_IFDIR ? fileCount(below: "\(directory)/\(name)") : 1)
        }
    }

    /// Permissions of a directory; nil: it is none.
    static func modeOfDirectory(_ path: String) -> mode_t? {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR ? facts.st_mode & 0o7777 : nil
    }

    /// S_IFDIR and the like; 0 when there is nothing. Links are followed.
    static func kind(_ path: String) -> mode_t {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mode & S_IFMT : 0
    }
}
