// The agent's file operations, each off the cooperative thread pool: a slow disk must not hold the agent's threads.
import CLinux
import Glibc
import RuntimeInterface

/// A file operation that failed: what was tried, on which path, and the kernel's reason.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    public var operation: String
    public var path: String
    public var code: Int32

    public var description: String { "\(operation) \(path): \(String(cString: strerror(code)))" }

    static func last(_ operation: String, _ path: String) -> FileError {
        FileError(operation: operation, path: path, code: errno)
    }
}

enum DiskFiles {
    /// Runs blocking work on a thread of its own kind.
    static func perform<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        try await WorkThreads.perform(work)
    }

    static func perform<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
        await WorkThreads.perform(work)
    }

    /// The same, for work whose end another thread may tell: it calls `done` once.
    static func performHandingOn<T: Sendable>(
        _ work: @escaping @Sendable (_ done: @escaping @Sendable (Result<T, any Error>) -> Void) -> Void
    ) async throws -> T {
        let isHere = WorkThreads.isHere
        return try await withCheckedThrowingContinuation { continuation in
            if isHere {
                work { continuation.resume(with: $0) }
            } else {
                WorkThreads.hand { work { continuation.resume(with: $0) } }
            }
        }
    }

    // MARK: The operations; all block

    /// Makes the directory and those above it. The mode is set even against the umask.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(FileError) {
        // Most are there, or only the last is missing: asking for each from the root on is what costs.
        if mkdir(path, mode) != 0 {
            if errno == EEXIST { return }
            guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
                throw .last("mkdir", path)
            }
            try makeDirectory(String(path[..<slash]))
            if mkdir(path, mode) != 0 {
                guard errno == EEXIST else { throw .last("mkdir", path) }
                return
            }
        }
        if chmod(path, mode) != 0 { throw .last("chmod", path) }
    }

    /// Makes what is missing of `path` in `directory`, step by step from descriptor to descriptor: whoever writes there may put a
    /// link in the way at any time, and nothing is made behind one. What is not a directory is left to the caller to find.
    static func makeDirectories(_ path: String, below directory: String, mode: mode_t) throws(FileError) {
        var parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw .last("open", directory) }
        defer { close(parent) }
        for part in path.split(separator: "/").map(String.init) where part != "." {
            let made = mkdirat(parent, part, mode) == 0
            if !made, errno != EEXIST { throw .last("mkdir", "\(directory)/\(path)") }
            let next = openat(parent, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            guard next >= 0 else {
                if errno == ELOOP || errno == ENOTDIR { return }
                throw .last("open", "\(directory)/\(path)")
            }
            close(parent)
            parent = next
            // The umask took bits away.
            if made, fchmod(parent, mode) != 0 { throw .last("chmod", "\(directory)/\(path)") }
        }
    }

    static func exists(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0
    }

    static func isDirectory(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }

    /// The path without links; it must exist.
    static func realPath(_ path: String) throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else { throw .last("realpath", path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Written beside, flushed and renamed, so that a reader or a crash sees the old file or the new one.
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o600, durable: Bool = true) throws(FileError) {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .last("open", temporary) }
        try fill(descriptor, bytes, mode, durable, temporary)
        guard rename(temporary, path) == 0 else { throw .last("rename", path) }
    }

    /// As `replace`, for a file that is written again and again: the two names swap, and what was there becomes the place of the next
    /// contents. Making and freeing an inode costs more than writing one.
    static func alternate(_ path: String, with bytes: [UInt8], mode: mode_t = 0o600, durable: Bool) throws(FileError) {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .last("open", temporary) }
        try fill(descriptor, bytes, mode, durable, temporary)
        if clinux_exchange(temporary, path) == 0 { return }
        // The first time there is nothing to swap with; a file system that cannot swap replaces.
        guard rename(temporary, path) == 0 else { throw .last("rename", path) }
    }

    /// Closes the descriptor too.
    private static func fill(
        _ descriptor: Int32, _ bytes: [UInt8], _ mode: mode_t, _ durable: Bool, _ path: String
    ) throws(FileError) {
        defer { close(descriptor) }
        try write(bytes, to: descriptor, path)
        // Over older contents, whose blocks are used again.
        guard ftruncate(descriptor, off_t(bytes.count)) == 0 else { throw .last("ftruncate", path) }
        // fchmod, because the umask took bits away from `mode`.
        guard fchmod(descriptor, mode) == 0 else { throw .last("fchmod", path) }
        if durable, fdatasync(descriptor) != 0 { throw .last("fdatasync", path) }
    }

    /// What was written to the file, or in the directory, lasts.
    static func flush(_ path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .last("write", path) }
            done += count
        }
    }

    /// The whole file; larger than `limit` is an error (EFBIG).
    static func read(_ path: String, limit: Int = 16 << 20) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open", path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw FileError(operation: "read", path: path, code: EFBIG) }
        }
    }

    /// Names in the directory, without "." and ".."; empty when there is no such directory.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // SAFETY: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a tree without following links or crossing into a mounted file system; that it is gone already is fine.
    static func removeTree(_ path: String) throws(FileError) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else {
            if errno == ENOENT { return }
            throw .last("lstat", path)
        }
        try removeTree(path, device: facts.st_dev)
    }

    private static func removeTree(_ path: String, device: dev_t) throws(FileError) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return }
        guard facts.st_mode & S_IFMT == S_IFDIR else {
            if unlink(path) != 0 && errno != ENOENT { throw .last("unlink", path) }
            return
        }
        guard facts.st_dev == device else { throw FileError(operation: "remove mount point", path: path, code: EBUSY) }
        // A task may have taken its own permissions away; the agent owns the tree and gives them back.
        if facts.st_mode & 0o700 != 0o700 { chmod(path, 0o700) }
        for name in names(in: path) { try removeTree(path + "/" + name, device: device) }
        if rmdir(path) != 0 && errno != ENOENT { throw .last("rmdir", path) }
    }
}
