// Small files of the kernel and of the runtime's state, without Foundation. Failures say what was being done.

import CLinux
import Glibc

enum HostFile {
    /// Records, profiles and config.json; anything larger is no such thing.
    static let maximumBytes = 16 << 20

    static func read(_ path: String) throws(OCIError) -> [UInt8] {
        guard let bytes = try readIfPresent(path) else { throw .system(stage: "open", errno: ENOENT, subject: path) }
        return bytes
    }

    /// What a caller names: a pipe too (`<(...)`, /dev/stdin), whose writer is waited for.
    static func readNamed(_ path: String) throws(OCIError) -> [UInt8] {
        let descriptor = clinux_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0)
        guard descriptor >= 0 else { throw .system("open", path) }
        defer { close(descriptor) }
        return try readAll(descriptor, path)
    }

    /// nil when it does not exist.
    static func readIfPresent(_ path: String) throws(OCIError) -> [UInt8]? {
        let descriptor = clinux_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .system("open", path)
        }
        defer { close(descriptor) }
        return try readAll(descriptor, path)
    }

    static func readAll(_ descriptor: Int32, _ path: String) throws(OCIError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            var code: Int32 = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
                let n = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                if n < 0 { code = errno }
                count = max(0, n)
            }
            if code == EINTR { continue }
            if code != 0 { throw .system(stage: "read", errno: code, subject: path) }
            if chunk.isEmpty { return bytes }
            bytes += chunk
            guard bytes.count <= maximumBytes else { throw .system(stage: "read", errno: EFBIG, subject: path) }
        }
    }

    static func text(_ path: String) -> String? {
        guard let bytes = try? readIfPresent(path) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// One write(2), as the kernel's files want it. Returns errno, 0 when all went.
    static func writeOnce(_ path: String, _ value: String) -> Int32 {
        let descriptor = clinux_open(path, O_WRONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var value = value
        return value.withUTF8 { write(descriptor, $0.baseAddress, $0.count) == $0.count ? 0 : errno }
    }

    static func writeAll(_ descriptor: Int32, _ bytes: [UInt8], _ path: String) throws(OCIError) {
        var done = 0
        while done < bytes.count {
            let n = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done) }
            if n < 0, errno == EINTR { continue }
            guard n > 0 else { throw .system("write", path) }
            done += n
        }
    }

    /// Appears whole or not at all: a temporary file beside it, then rename(2).
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o600) throws(OCIError) {
        let temporary = "\(path).tmp\(getpid())"
        let descriptor = clinux_open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw .system("create", temporary) }
        do {
            defer { close(descriptor) }
            try writeAll(descriptor, bytes, temporary)
        }
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw .system(stage: "rename", errno: code, subject: path)
        }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isDirectory(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a directory, without "." and ".."; only those of directories if asked.
    static func entries(_ path: String, onlyDirectories: Bool = false) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = Glibc.readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if onlyDirectories, entry.pointee.d_type != UInt8(DT_DIR) { continue }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// The path without symbolic links.
    static func resolved(_ path: String) throws(OCIError) -> String {
        guard let real = realpath(path, nil) else { throw .system("resolve", path) }
        defer { free(real) }
        return String(cString: real)
    }

    /// For somebody in another directory: the last component may not exist yet.
    static func absolute(_ path: String) throws(OCIError) -> String {
        let directory = try resolved(path.contains("/") ? String(path[...(path.lastIndex(of: "/") ?? path.startIndex)]) : ".")
        return ContainerPath.clean("\(directory)/\(path.split(separator: "/").last ?? "")")
    }

    static func linkTarget(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        // SAFETY: the buffer is never empty.
        let n = buffer.withUnsafeMutableBytes {
            readlink(path, $0.bindMemory(to: CChar.self).baseAddress.unsafelyUnwrapped, $0.count)
        }
        return n < 0 ? nil : String(decoding: buffer.prefix(n), as: UTF8.self)
    }
}
