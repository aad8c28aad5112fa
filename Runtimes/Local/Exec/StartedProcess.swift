// A command that became this process' child, and descriptors out of the way of those that a child gets.

import CLinux
import Glibc
import RuntimeInterface

package struct StartedProcess: Sendable {
    package let pid: Int32
    /// Its pidfd. Owned by whoever gets this.
    package let descriptor: Int32

    package init(pid: Int32, descriptor: Int32) {
        self.pid = pid
        self.descriptor = descriptor
    }

    /// Ends and reaps it. Blocks for a moment.
    package func abandon() {
        _ = clinux_pidfd_send_signal(descriptor, SIGKILL)
        var status: Int32 = 0
        var rounds = 0
        while clinux_wait_pidfd(descriptor, &status) == 0, rounds < 1_000 {
            usleep(1_000)  // killed already: gone in a moment, a second at most, on a thread of `Blocking`
            rounds += 1
        }
        close(descriptor)
    }
}

package enum Descriptor {
    /// Out of the way of the numbers that the launcher gets descriptors under. Takes the descriptor over.
    package static func high(_ descriptor: Int32, _ what: String) throws -> Int32 {
        guard descriptor >= 0 else { throw RecordFiles.failure("open", what) }
        if descriptor >= 16 { return descriptor }
        let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 16)
        close(descriptor)
        guard moved >= 0 else { throw RecordFiles.failure("dup", what) }
        return moved
    }
}
