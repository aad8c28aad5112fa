// Advisory locks on files, between tasks and between processes: each holder opens the file for himself.
import CLinux
import Glibc

/// Held until the last reference goes, or the process ends however it ends.
public final class FileLock: Sendable {
    public enum Mode: Sendable {
        case shared, exclusive
        fileprivate var operation: Int32 { self == .shared ? LOCK_SH : LOCK_EX }
    }

    private let file: Int32

    private init(owning file: Int32) { self.file = file }

    deinit { close(file) }

    /// nil when somebody else holds it in a way that excludes this one. Never waits.
    public static func take(_ path: String, _ mode: Mode) throws(ImageStoreError) -> FileLock? {
        let file = clinux_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard file >= 0 else { throw .inputOutput(file: path, operation: "open", errno: errno) }
        let lock = FileLock(owning: file)
        if clinux_flock(file, mode.operation | LOCK_NB) == 0 { return lock }
        guard errno == EWOULDBLOCK else { throw .inputOutput(file: path, operation: "flock", errno: errno) }
        return nil
    }

    /// Blocks for at most `milliseconds`, then throws `busy`: whoever holds it for longer hangs.
    public static func wait(_ path: String, _ mode: Mode, milliseconds: Int) throws(ImageStoreError) -> FileLock {
        // flock has no deadline, so it is asked for again and again; holders keep these locks for milliseconds.
        for _ in 0...max(0, milliseconds / 5) {
            if let lock = try take(path, mode) { return lock }
            usleep(5_000)
        }
        throw .busy(path)
    }
}
