// Small files, read and written whole: private ones with mode 0600 from their first byte, all replaced atomically.
import Glibc

enum FileText {
    /// Bytes of the largest file that is read: configuration, records, keys.
    static let sizeLimit = 16 << 20

    static func read(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }

    static func bytes(_ path: String) -> [UInt8]? { try? contents(path) }

    /// Why a file was not read, in the system's words: "No such file or directory".
    struct Unreadable: Error, Hashable {
        var reason: String
        /// Nothing of that name is there.
        var isMissing = false
    }

    static func contents(_ path: String) throws(Unreadable) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Unreadable(reason: String(cString: strerror(errno)), isMissing: errno == ENOENT) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= sizeLimit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Unreadable(reason: String(cString: strerror(errno))) }
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
        throw Unreadable(reason: "it is larger than \(sizeLimit >> 20) MiB")
    }

    /// Written beside the target and renamed over it: a reader sees the old file or the new one, never a part.
    static func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        try write(bytes: Array(text.utf8), to: path, mode: mode)
    }

    static func write(bytes: [UInt8], to path: String, mode: mode_t = 0o644) throws {
        let partial = path + ".partial"
        unlink(partial)
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("create", partial) }
        defer { close(descriptor) }
        guard fchmod(descriptor, mode) == 0 else { throw failure("set the mode of", partial) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", partial) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw failure("sync", partial) }
        guard rename(partial, path) == 0 else { throw failure("replace", path) }
    }

    /// Makes a directory and those above it. One that is there stays as it is.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws {
        if path.isEmpty || mkdir(path, mode) == 0 || isDirectory(path) { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw failure("make the directory", path)
        }
        try makeDirectory(String(path[..<slash]), mode: mode)
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw failure("make the directory", path) }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func remove(_ path: String) { unlink(path) }

    static func isDirectory(_ path: String) -> Bool {
        var information = stat()
        return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }

    /// "/a/b" -> "/a".
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    static func absolute(_ path: String, relativeTo directory: String? = nil) -> String {
        if path.hasPrefix("/") { return path }
        let base = directory ?? workingDirectory
        var trimmed = path[...]
        while trimmed.hasPrefix("./") { trimmed = trimmed.dropFirst(2) }
        return trimmed.isEmpty || trimmed == "." ? base : "\(base)/\(trimmed)"
    }

    private static var workingDirectory: String {
        guard let pointer = getcwd(nil, 0) else { return "/" }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    private static func failure(_ verb: String, _ path: String) -> CommandFailure {
        let reason = String(cString: strerror(errno))
        return CommandFailure("cannot \(verb) \(path): \(reason)", hint: "is the directory writable, and the disk not full?")
    }
}
