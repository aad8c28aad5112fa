// One owner per store file: a lock that the kernel gives back when its holder dies.
import Glibc

/// Held from its making until it is released from memory. Beside the database lies `PATH.lock`; it stays, empty.
final class StoreLock: Sendable {
    private let descriptor: Int32
    /// A program that another thread starts holds a copy of the last owner's descriptor until it has become that program.
    private static let patience = (attempts: 200, microseconds: UInt32(5000))

    init(_ path: String) throws(StoreError) {
        descriptor = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unavailable("\(path).lock: \(String(cString: strerror(errno)))") }
        guard Self.lock(descriptor) else {
            Glibc.close(descriptor)
            throw .unavailable("\(path): the database is in use by another process")
        }
        // A private database from its first byte: SQLite gives its other files the same mode. Only under the lock, because closing
        // a file gives back every POSIX lock that this process holds on it, SQLite's too.
        let database = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard database >= 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw .unavailable("\(path): \(reason)")
        }
        Glibc.close(database)
    }

    private static func lock(_ descriptor: Int32) -> Bool {
        for _ in 0..<patience.attempts {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK || errno == EINTR else { return false }
            usleep(patience.microseconds)
        }
        return false
    }

    deinit { Glibc.close(descriptor) }
}
