// Where containers' logs lie on disk: making room for a run's log, compressing what was rotated. Everything here blocks.
import AgentCore
import CZlib
import Glibc

enum ContainerLogs {
    /// Removes the logs of runs that nobody can ask for any more: `--previous` is the run before this one. The directory comes with a
    /// log's first line.
    static func prepare(_ path: String, attempt: Int) throws {
        guard attempt > 1 else { return }
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
        for name in DiskFiles.names(in: directory) {
            guard let file = LogFileName(name), file.attempt < attempt - 1 else { continue }
            try DiskFiles.removeTree("\(directory)/\(name)")
        }
    }

    // MARK: Compression

    /// Fast rather than small: text shrinks to a tenth either way, and the node's processors belong to its tasks.
    private static let level = "3"
    private static let suffix = ".gz"
    private static let unfinished = ".gz.tmp"
    private static let chunk = 256 * 1024

    /// What a former agent was doing when it died.
    static func isUnfinished(_ name: String) -> Bool { name.hasSuffix(unfinished) }

    /// The file becomes `path`.gz. A supervisor that removes the oldest meanwhile removes either name, so afterwards a file that is
    /// no longer wanted goes: the number of files stays bounded whoever is first.
    static func compress(_ path: String) throws {
        let temporary = path + unfinished
        do {
            try writeCompressed(path, to: temporary)
        } catch {
            unlink(temporary)
            if case let error as FileError = error, error.code == ENOENT { return }
            throw error
        }
        guard rename(temporary, path + suffix) == 0 else { throw FileError.last("rename", temporary) }
        if unlink(path) != 0 { unlink(path + suffix) }
    }

    private static func writeCompressed(_ path: String, to temporary: String) throws {
        let source = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard source >= 0 else { throw FileError.last("open", path) }
        defer { close(source) }
        guard let target = gzopen(temporary, "wbe" + level) else { throw FileError.last("open", temporary) }
        var isOpen = true
        defer { if isOpen { gzclose(target) } }
        var buffer = [UInt8](repeating: 0, count: chunk)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileError.last("read", path) }
            if count == 0 { break }
            guard gzwrite(target, buffer, UInt32(count)) == Int32(count) else { throw FileError.last("write", temporary) }
        }
        isOpen = false
        guard gzclose(target) == Z_OK else { throw FileError.last("write", temporary) }
        try keepTime(of: source, on: temporary)
    }

    /// The age of the lines is what counts, not that of their compression.
    private static func keepTime(of source: Int32, on path: String) throws {
        var facts = stat()
        guard fstat(source, &facts) == 0 else { throw FileError.last("stat", path) }
        let times = [facts.st_atim, facts.st_mtim]
        guard utimensat(AT_FDCWD, path, times, 0) == 0, chmod(path, 0o640) == 0 else { throw FileError.last("utimensat", path) }
    }
}
