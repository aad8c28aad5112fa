// Ids for one `swiftlet run` that no other has at the same time: a lock on one byte of a file that all of them know (fcntl(2), open file
// description locks). The kernel takes it back when the process ends, however it ends.
import Glibc

struct IDClaim {
    /// Root's alone.
    static let usualPath = "/run/swiftlet-run.ids"
    private static let setLock: Int32 = 37  // F_OFD_SETLK, which the C library shows with a feature macro only

    let slot: UInt32
    private let descriptor: Int32

    /// The first free one from `wish` on. nil where there is no such file, or all are taken: the caller's wish is as good then.
    init?(wish: UInt32, of count: UInt32, at path: String = usualPath) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0, count > 0 else { return nil }
        for step in 0..<count {
            let slot = (wish + step) % count
            var lock = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: Int(slot), l_len: 1, l_pid: 0)
            if fcntl(descriptor, Self.setLock, &lock) == 0 {
                self.slot = slot
                self.descriptor = Self.outOfTheWay(descriptor)
                return
            }
            guard errno == EAGAIN || errno == EACCES else { break }
        }
        close(descriptor)
        return nil
    }

    /// Above what a task may inherit by number (`--preserve-fds`).
    private static func outOfTheWay(_ descriptor: Int32) -> Int32 {
        let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 200)
        guard moved >= 0 else { return descriptor }
        close(descriptor)
        return moved
    }

    /// The launcher that this process becomes holds it on; no task inherits it, as the launcher closes all but what a plan names.
    func outliveExec() { _ = fcntl(descriptor, F_SETFD, 0) }

    func release() { close(descriptor) }
}
