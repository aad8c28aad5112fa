// Trees that others wrote are removed by descriptors: no link is followed, no path grows, however deep the tree is.
import CLinux
import Glibc

enum TreeRemoval {
    /// Levels that are open at once; what lies deeper is first moved up.
    private static let maximumOpen = 64

    /// Removes the path with all that is in it; what is not there is no error.
    static func remove(_ path: String) throws(ImageStoreError) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let parent = clinux_open(
            slash == path.startIndex ? "/" : String(path[..<slash]), clinux_o_path | O_DIRECTORY | O_CLOEXEC, 0)
        guard parent >= 0 else {
            if errno == ENOENT { return }
            throw .inputOutput(file: path, operation: "open", errno: errno)
        }
        defer { close(parent) }
        try remove(Array(String(path[path.index(after: slash)...]).utf8CString), in: parent, subject: path)
    }

    /// The same by the name in an open directory, NUL-terminated.
    static func remove(_ name: [CChar], in directory: Int32, subject: String) throws(ImageStoreError) {
        guard try !removePlain(name, in: directory, subject) else { return }
        guard let tree = try Level(name, in: directory, subject) else { return }
        defer { closedir(tree.stream) }
        while let child = tree.nextName() {
            guard try !removePlain(child, in: tree.descriptor, subject) else { continue }
            try removeTree(child, in: tree, subject)
        }
        try tree.removeDirectory(from: directory, subject)
    }

    /// The names in an open directory, NUL-terminated.
    static func names(in directory: Int32, subject: String) throws(ImageStoreError) -> [[CChar]] {
        guard let level = try Level([46, 0], in: directory, subject) else { return [] }
        defer { closedir(level.stream) }
        var names: [[CChar]] = []
        while let name = level.nextName() { names.append(name) }
        return names
    }

    private static func removeTree(_ name: [CChar], in top: Level, _ subject: String) throws(ImageStoreError) {
        var pending = [name]
        var moved = 0
        while let next = pending.popLast() {
            guard let first = try Level(next, in: top.descriptor, subject) else { continue }
            var levels = [first]
            defer { for level in levels { closedir(level.stream) } }
            while let level = levels.last {
                guard let child = level.nextName() else {
                    levels.removeLast()
                    defer { closedir(level.stream) }
                    try level.removeDirectory(from: levels.last?.descriptor ?? top.descriptor, subject)
                    continue
                }
                guard try !removePlain(child, in: level.descriptor, subject) else { continue }
                if levels.count < maximumOpen {
                    if let opened = try Level(child, in: level.descriptor, subject) { levels.append(opened) }
                } else {
                    // Within the tree that is removed, under a name that no archive chose.
                    moved += 1
                    let aside = Array(".swiftlet-deep-\(getpid())-\(moved)".utf8CString)
                    guard renameat(level.descriptor, child, top.descriptor, aside) == 0 else {
                        throw .inputOutput(file: subject, operation: "rename", errno: errno)
                    }
                    pending.append(aside)
                }
            }
        }
    }

    /// Whether it is gone: what is no directory, or an empty one.
    private static func removePlain(_ name: [CChar], in directory: Int32, _ subject: String) throws(ImageStoreError) -> Bool {
        if unlinkat(directory, name, 0) == 0 || errno == ENOENT { return true }
        guard errno == EISDIR || errno == EPERM else { throw .inputOutput(file: subject, operation: "unlink", errno: errno) }
        if unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return true }
        guard errno == ENOTEMPTY || errno == EEXIST else { throw .inputOutput(file: subject, operation: "rmdir", errno: errno) }
        return false
    }

    private struct Level {
        let name: [CChar]
        let stream: OpaquePointer
        var descriptor: Int32 { dirfd(stream) }

        /// nil when it is gone meanwhile.
        init?(_ name: [CChar], in directory: Int32, _ subject: String) throws(ImageStoreError) {
            let opened = clinux_openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
            guard opened >= 0 else {
                if errno == ENOENT { return nil }
                throw .inputOutput(file: subject, operation: "open", errno: errno)
            }
            guard let stream = fdopendir(opened) else {
                let code = errno
                close(opened)
                throw .inputOutput(file: subject, operation: "opendir", errno: code)
            }
            (self.name, self.stream) = (name, stream)
        }

        func removeDirectory(from parent: Int32, _ subject: String) throws(ImageStoreError) {
            guard unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
                throw .inputOutput(file: subject, operation: "rmdir", errno: errno)
            }
        }

        /// Without "." and "..".
        func nextName() -> [CChar]? {
            while let entry = readdir(stream) {
                // SAFETY: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                        Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
                    }
                }
                if name != [46, 0], name != [46, 46, 0] { return name }
            }
            return nil
        }
    }
}
