// Two Lites over one state directory would both run its tasks: the second does not start. The kernel releases the lock when
// its process ends, however it ends.
import Glibc

final class StateLock {
    private let descriptor: Int32

    init(directory: String) throws {
        let path = "\(directory)/lock"
        // Not inherited: a task's supervisor outlives this process and must not hold its lock.
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure("cannot open \(path): \(String(cString: strerror(errno)))", hint: nil)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CommandFailure(
                "another Lite runs with the state directory \(directory)",
                hint: "stop it first, or give this one another swiftlet.stateDirectory and swiftlet.nodeName")
        }
    }

    func release() { close(descriptor) }
}
