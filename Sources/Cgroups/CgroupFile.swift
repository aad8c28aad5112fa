// Reading and writing the small text files of a cgroup file system.

import Glibc

/// A cgroup operation that the kernel refused: where, on what, why.
public struct CgroupError: Error, Sendable, Hashable, CustomStringConvertible {
    /// "mkdir", "open", "write VALUE", "rmdir", "bpf", "unenforceable".
    public var stage: String
    public var path: String
    public var errno: Int32
    /// What to do about it; empty when the kernel's word says enough.
    public var hint: String

    public init(stage: String, path: String, errno: Int32, hint: String = "") {
        self.stage = stage
        self.path = path
        self.errno = errno
        self.hint = hint
    }

    public var description: String {
        "cgroup \(stage)(\(path)): \(String(cString: strerror(errno)))" + (hint.isEmpty ? "" : "; \(hint)")
    }
}

enum CgroupFile {
    /// Largest file that is read: memory.stat of today's kernels has 4 KiB, cgroup.procs of a 4096-process group 32 KiB.
    static let maximumBytes = 65_536

    static func read(_ path: String, maximumBytes: Int = maximumBytes) -> String? {
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

    /// A file of "key value" lines.
    static func table(_ path: String) -> [Substring: Int64] {
        guard let text = read(path) else { return [:] }
        var table: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2, let value = Int64(words[1]) { table[words[0]] = value }
        }
        return table
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Names in `path`, sorted, without "." and "..".
    static func entries(_ path: String) -> [String] { list(path) { _ in true } }

    /// Names of the directories in `path`, sorted. The entry tells its type on every file system that is listed here.
    static func subdirectories(_ path: String) -> [String] { list(path) { $0 == UInt8(DT_DIR) } }

    private static func list(_ path: String, where isWanted: (UInt8) -> Bool) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            guard isWanted(entry.pointee.d_type) else { continue }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
