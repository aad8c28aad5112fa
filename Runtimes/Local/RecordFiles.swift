// Files and directories of records: atomic writes, bounded reads, removal of trees that a task may have filled with
// anything. All of it blocks; it is called through `Blocking`.

import CLinux
import Glibc
import RuntimeInterface

package enum RecordFiles {
    /// Larger than any record; state.json is about a kilobyte, a container's config carries its environment.
    package static let maximumBytes = 4 << 20
    /// Directories deeper than this are moved up instead of descended into: a task may nest them without end.
    package static let maximumDepth = 64
    /// So often a tree is emptied again in which somebody makes something meanwhile.
    private static let maximumRounds = 100

    package static func failure(_ stage: String, _ path: String) -> RuntimeError {
        .unavailable(stage: "\(stage)(\(path))", reason: String(cString: strerror(errno)))
    }

    package static func read(_ path: String) -> [UInt8]? {
        let descriptor = clinux_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count < maximumBytes {
            let chunk = [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, count in
                count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { return bytes }
            bytes += chunk
        }
        return nil
    }

    /// A reader sees the former contents or these.
    package static func write(_ bytes: [UInt8], to path: String) throws(RuntimeError) {
        let temporary = path + ".tmp"
        let descriptor = clinux_open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("open", temporary) }
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                let error = failure("write", temporary)
                close(descriptor)
                throw error
            }
            done += count
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else { throw failure("rename", path) }
    }

    package static func makeDirectories(_ path: String, mode: mode_t = 0o700) throws(RuntimeError) {
        // Most are there, or only the last is missing: asking for each from the root on is what costs.
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw failure("mkdir", path) }
        try makeDirectories(String(path[..<slash]), mode: mode)
        if mkdir(path, mode) != 0, errno != EEXIST { throw failure("mkdir", path) }
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        return names(of: directory).sorted()
    }

    private static func names(of directory: OpaquePointer) -> [String] {
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a tree without following links out of it; nothing to do when it is gone.
    package static func removeTree(_ path: String) throws(RuntimeError) {
        for round in 1...maximumRounds {
            try empty(path)
            if rmdir(path) == 0 || errno == ENOENT { return }
            // Who follows a container that was removed meanwhile may still write how it ended.
            guard errno == ENOTEMPTY, round < maximumRounds else { throw failure("rmdir", path) }
        }
    }

    private static func empty(_ path: String) throws(RuntimeError) {
        var moved = 0
        // What was moved up from too deep lies beside its former ancestors and is taken by the next round.
        repeat {
            moved = 0
            let directory = clinux_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0)
            guard directory >= 0 else {
                if errno == ENOENT { return }
                throw failure("open", path)
            }
            empty(directory, top: directory, depth: 0, moved: &moved)
            close(directory)
        } while moved > 0
    }

    /// SAFETY: names go back to the kernel exactly as it gave them; a name that is not UTF-8 is removed by its bytes.
    private static func empty(_ descriptor: Int32, top: Int32, depth: Int, moved: inout Int) {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0, let directory = fdopendir(copy) else { return }
        defer { closedir(directory) }
        rewinddir(directory)
        while let entry = readdir(directory) {
            withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return }
                    if unlinkat(descriptor, name, 0) == 0 { return }
                    if depth >= maximumDepth {
                        moved += 1
                        _ = renameat(descriptor, name, top, ".moved-\(moved)-\(depth)")
                        return
                    }
                    let child = clinux_openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0)
                    guard child >= 0 else { return }
                    empty(child, top: top, depth: depth + 1, moved: &moved)
                    close(child)
                    _ = unlinkat(descriptor, name, AT_REMOVEDIR)
                }
            }
        }
    }
}
