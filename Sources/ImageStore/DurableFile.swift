// Small files that a crash leaves old or new, never half: written beside, synced, renamed, and the directory synced.
import CLinux
import Glibc

enum DurableFile {
    /// Readers see the old content or the new one. Unless `temporary` (on the same file system) is the caller's alone, nobody else may
    /// replace the same file meanwhile.
    static func replace(_ path: String, with bytes: [UInt8], temporary: String? = nil) throws(ImageStoreError) {
        let temporary = temporary ?? path + ".tmp"
        guard let file = fopen(temporary, "we") else { throw .inputOutput(file: temporary, operation: "open", errno: errno) }
        let written = fwrite(bytes, 1, bytes.count, file) == bytes.count && fflush(file) == 0 && fsync(fileno(file)) == 0
        let code = errno
        fclose(file)
        guard written else {
            unlink(temporary)
            throw .inputOutput(file: temporary, operation: "write", errno: code)
        }
        guard rename(temporary, path) == 0 else { throw .inputOutput(file: path, operation: "rename", errno: errno) }
        try synchronizeDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    }

    /// A rename is durable only when its directory is.
    static func synchronizeDirectory(_ path: String) throws(ImageStoreError) {
        let directory = clinux_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard directory >= 0 else { throw .inputOutput(file: path, operation: "open", errno: errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw .inputOutput(file: path, operation: "fsync", errno: errno) }
    }

    /// nil when there is no such file. Throws `tooLarge` beyond `maximumBytes`.
    static func contents(_ path: String, maximumBytes: Int) throws(ImageStoreError) -> [UInt8]? {
        guard let file = fopen(path, "re") else {
            if errno == ENOENT { return nil }
            throw .inputOutput(file: path, operation: "open", errno: errno)
        }
        defer { fclose(file) }
        var facts = stat()
        guard fstat(fileno(file), &facts) == 0 else { throw .inputOutput(file: path, operation: "stat", errno: errno) }
        guard facts.st_size <= maximumBytes else { throw .tooLarge(subject: path, limit: "\(maximumBytes) bytes") }
        let size = Int(facts.st_size)
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = fread(buffer.baseAddress, 1, size, file)
            failed = ferror(file) != 0
        }
        guard !failed else { throw .inputOutput(file: path, operation: "read", errno: errno) }
        return bytes
    }

    /// Directories from the first to the last, made where they are missing.
    static func makeDirectories(_ paths: [String], mode: mode_t = 0o755) throws(ImageStoreError) {
        for path in paths where mkdir(path, mode) != 0 && errno != EEXIST {
            throw .inputOutput(file: path, operation: "mkdir", errno: errno)
        }
    }
}
