// The runtime's root directory: one directory per container, whose name is its id.

import CLinux
import Glibc

public struct StateDirectory: Sendable {
    public let root: String

    public init(root: String) { self.root = root }

    /// /run/swiftlet-oci; below $XDG_RUNTIME_DIR for an ordinary user.
    public static func standard(isRoot: Bool = geteuid() == 0) -> String {
        if !isRoot, let directory = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), directory.hasPrefix("/") {
            return "\(directory)/swiftlet-oci"
        }
        return isRoot ? "/run/swiftlet-oci" : "/tmp/swiftlet-oci-\(geteuid())"
    }

    /// The id names a directory and stands in records and logs, so that its letters are few (runc's rule).
    public static func check(id: String) throws(OCIError) {
        let isPlain = id.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [43, 45, 46, 95].contains($0)
        }
        guard !id.isEmpty, id.utf8.count <= 200, isPlain, id != ".", id != ".." else {
            throw .invalid(field: "container id", reason: "invalid container ID format: \"\(id)\"")
        }
    }

    func directory(_ id: String) -> String { "\(root)/\(id)" }
    func record(_ id: String) -> String { "\(root)/\(id)/state.json" }
    func configuration(_ id: String) -> String { "\(root)/\(id)/config.json" }
    func gate(_ id: String) -> String { "\(root)/\(id)/start.sock" }

    /// mkdir(2) decides who gets the id when two ask at once.
    func reserve(_ id: String) throws(OCIError) {
        try Self.check(id: id)
        try makeRoot()
        guard mkdir(directory(id), 0o700) == 0 else {
            if errno == EEXIST { throw .alreadyExists }
            throw .system("mkdir", directory(id))
        }
    }

    private func makeRoot() throws(OCIError) {
        if !HostFile.isDirectory(root) {
            var path = ""
            for part in root.split(separator: "/") {
                path += "/\(part)"
                guard mkdir(path, path == root ? 0o700 : 0o755) == 0 || errno == EEXIST else { throw .system("mkdir", path) }
            }
        }
        try checkRoot()
    }

    /// What lies here says which programs run as we do (hooks): nobody else may have made it or may write there. Below a directory that
    /// all may write to (/tmp) its name is known, and anybody may be there first.
    private func checkRoot() throws(OCIError) {
        var info = stat()
        guard lstat(root, &info) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return }
            throw .system("look at", root)
        }
        let found: String
        switch info.st_mode & S_IFMT {
        case S_IFLNK: found = "a symbolic link"
        case S_IFDIR where info.st_uid != geteuid(): found = "a directory of user \(info.st_uid)"
        case S_IFDIR where info.st_mode & 0o022 != 0: found = "a directory of mode \(String(info.st_mode & 0o7777, radix: 8))"
        case S_IFDIR: return
        default: found = "no directory"
        }
        throw .invalid(
            field: "state directory \(root)",
            reason: "found \(found), expected a directory of user \(geteuid()) that nobody else may write to (mode 700); "
                + "XDG_RUNTIME_DIR or --root names another")
    }

    /// Throws `notFound` for an id without a directory.
    func load(_ id: String) throws(OCIError) -> ContainerRecord {
        try Self.check(id: id)
        try checkRoot()
        guard let bytes = try HostFile.readIfPresent(record(id)) else { throw .notFound }
        return try ContainerRecord(parsing: bytes, id: id)
    }

    func save(_ container: ContainerRecord) throws(OCIError) {
        try HostFile.replace(record(container.id), with: container.encoded())
    }

    func loadConfiguration(_ id: String) throws(OCIError) -> ContainerSpecification {
        try ContainerSpecification(parsing: HostFile.read(configuration(id)))
    }

    /// The files of a container, the record last: what is half removed is still found.
    func remove(_ id: String) throws(OCIError) {
        let directory = directory(id)
        for name in HostFile.entries(directory) where name != "state.json" { unlink("\(directory)/\(name)") }
        unlink(record(id))
        guard rmdir(directory) == 0 || errno == ENOENT else { throw .system("rmdir", directory) }
    }

    /// The customary one is made with the first container; another one that is not there is a mistake of the caller's.
    func checkIsThere() throws(OCIError) {
        guard root == Self.standard() || HostFile.isDirectory(root) else {
            throw .system(stage: "list", errno: ENOENT, subject: root)
        }
    }

    func ids() throws(OCIError) -> [String] {
        try checkRoot()
        return HostFile.entries(root).filter { (try? Self.check(id: $0)) != nil }.sorted()
    }

    /// The name of the user who made the container, "#1000" for one without a name.
    func owner(_ id: String) -> String {
        var info = stat()
        guard lstat(directory(id), &info) == 0 else { return "" }
        for line in (HostFile.text("/etc/passwd") ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count > 2, UInt32(fields[2]) == info.st_uid { return String(fields[0]) }
        }
        return "#\(info.st_uid)"
    }

    func exists(_ id: String) -> Bool { HostFile.isDirectory(directory(id)) }

    /// Verbs that change a container exclude each other; the kernel releases the lock with the process. Another verb holds it for
    /// milliseconds, or for as long as its hooks take.
    func lock(_ id: String, milliseconds: Int = 10_000) throws(OCIError) -> StateLock {
        try Self.check(id: id)
        try checkRoot()
        let descriptor = clinux_open(directory(id), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw .notFound }
            throw .system("open", directory(id))
        }
        let lock = StateLock(descriptor: descriptor)
        guard try lock.take(milliseconds: milliseconds, subject: directory(id)) else {
            let holder = lock.holder() ?? "another process"
            throw .conflict("container \(id) is busy: \(holder) holds its lock, and did not give it up within \(milliseconds) ms")
        }
        return lock
    }
}
