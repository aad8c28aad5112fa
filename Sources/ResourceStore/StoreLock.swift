// One owner per store file: a lock that the kernel gives back when its holder dies.
import Glibc

/// Held from its making until it is released from memory. Beside the database lies `PATH.lock`; it stays, empty.
final class StoreLock: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws(StoreError) {
        descriptor = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unavailable("\(path).lock: \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
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

    deinit { Glibc.close(descriptor) }
}
