// Reading and writing the small text files of a cgroup file system.

import Glibc

/// A cgroup operation that the kernel refused: where, on what, why.
public struct CgroupError: Error, Sendable, Hashable, CustomStringConvertible {
    /// "mkdir", "write", "rmdir", "unenforceable".
    public var stage: String
    public var path: String
    public var errno: Int32

    public init(stage: String, path: String, errno: Int32) {
        self.stage = stage
        self.path = path
        self.errno = errno
    }

    public var description: String { "cgroup \(stage)(\(path)): \(String(cString: strerror(errno)))" }
}

enum CgroupFile {
    /// Largest file that is read: memory.stat of today's kernels has 4 KiB, cgroup.procs of a 4096-process group 32 KiB.
    static let maximumBytes = 65_536

    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        while text.count < maximumBytes {
            let chunk = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
                count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { break }
            text += chunk
        }
        return String(decoding: text, as: UTF8.self)
    }

    static func write(_ value: String, to path: String) throws(CgroupError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CgroupError(stage: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, value, value.utf8.count) == value.utf8.count else {
            throw CgroupError(stage: "write \(value)", path: path, errno: errno)
        }
    }

    static func number(_ path: String) -> Int64? {
        guard let text = read(path) else { return nil }
        return Int64(text.prefix { $0 != "\n" })
    }

    /// The number after `key ` in a file of "key value" lines.
    static func number(_ path: String, key: String) -> Int64? {
        guard let text = read(path) else { return nil }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count >= 2, words[0] == key { return Int64(words[1]) }
        }
        return nil
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Names of the directories in `path`, sorted.
    static func subdirectories(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            var info = stat()
            if lstat("\(path)/\(name)", &info) == 0, info.st_mode & S_IFMT == S_IFDIR { names.append(name) }
        }
        return names.sorted()
    }
}
