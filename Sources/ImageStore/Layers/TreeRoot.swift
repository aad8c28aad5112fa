// A directory as the root of a tree that others wrote: every path is resolved below it by the kernel, wherever symbolic links point.
import CLinux
import Glibc

/// Serves one thread. Descriptors of directories are for paths only (O_PATH).
final class TreeRoot {
    let fd: Int32
    let subject: String
    /// The directory of the entry before, which is mostly that of the next one too.
    private var recent: (path: EntryPath, fd: Int32)?

    /// Takes the descriptor over. `subject` is named in errors.
    init(fd: Int32, subject: String) {
        self.fd = fd
        self.subject = subject
    }

    convenience init(path: String, subject: String) throws(ImageStoreError) {
        let fd = clinux_open(path, clinux_o_path | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        guard fd >= 0 else { throw .inputOutput(file: path, operation: "open", errno: errno) }
        self.init(fd: fd, subject: subject)
    }

    deinit {
        forgetRecent()
        close(fd)
    }

    /// After a directory was removed or replaced: its descriptor leads to what is no longer there.
    func forgetRecent() {
        if let recent { close(recent.fd) }
        recent = nil
    }

    /// What stands at the path, its last component not followed; nil when nothing does.
    func facts(_ path: EntryPath) throws(ImageStoreError) -> stat? {
        guard let parent = try directory(path.parent) else { return nil }
        var facts = stat()
        if fstatat(parent, path.kernelName, &facts, AT_SYMLINK_NOFOLLOW) == 0 { return facts }
        guard errno == ENOENT || errno == ENOTDIR else { throw failure("stat", path) }
        return nil
    }

    /// A directory's descriptor, which stays this object's; nil when there is none. Links on the way are followed, below the root.
    func directory(_ path: EntryPath) throws(ImageStoreError) -> Int32? {
        if let recent, recent.path == path { return recent.fd }
        let opened = clinux_open_below(fd, path.kernelPath, clinux_o_path | O_DIRECTORY, 0)
        guard opened >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw failure("open", path)
        }
        forgetRecent()
        recent = (path, opened)
        return opened
    }

    /// The same, made with what is missing on the way (mode 0755, the root's). `made` is told of each.
    func makeDirectory(_ path: EntryPath, made: (EntryPath) -> Void) throws(ImageStoreError) -> Int32 {
        if let opened = try directory(path) { return opened }
        guard !path.isRoot else { throw .inputOutput(file: subject, operation: "open", errno: ENOENT) }
        let parent = try makeDirectory(path.parent, made: made)
        if mkdirat(parent, path.kernelName, 0o755) == 0 {
            made(path)
        } else if errno == EEXIST {
            // What is there is no directory, and no link to one (`directory` would have found it).
            throw .invalid(file: subject, field: path.text, reason: "something lies below it, but it is no directory")
        } else {
            throw failure("mkdir", path)
        }
        guard let opened = try directory(path) else { throw .inputOutput(file: path.text, operation: "open", errno: ENOENT) }
        return opened
    }

    func failure(_ operation: String, _ path: EntryPath) -> ImageStoreError {
        .inputOutput(file: "\(subject): \(path.text)", operation: operation, errno: errno)
    }
}
