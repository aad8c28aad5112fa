// A thread that looks at something now and then: file system calls may block, so they have no place on the cooperative pool.

import Glibc
import Synchronization

/// Calls `look` every `milliseconds` on a thread of its own, until it is released. The thread holds nothing but `look`.
final class SamplingThread: Sendable {
    private let stop: Int32

    /// nil, with errno, when the process has no descriptor or thread left.
    init?(milliseconds: Int32, look: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let work = Unmanaged.passRetained(Work(stopped: ends[0], milliseconds: milliseconds, look: look))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, work.toOpaque())
        guard failure == 0 else {
            work.release()
            close(ends[0])
            close(ends[1])
            errno = failure
            return nil
        }
        pthread_detach(thread)
        stop = ends[1]
    }

    deinit { close(stop) }

    private final class Work: Sendable {
        let stopped: Int32
        let milliseconds: Int32
        let look: @Sendable () -> Void

        init(stopped: Int32, milliseconds: Int32, look: @escaping @Sendable () -> Void) {
            self.stopped = stopped
            self.milliseconds = milliseconds
            self.look = look
        }

        func run() {
            while true {
                var watched = pollfd(fd: stopped, events: 0, revents: 0)
                let result = poll(&watched, 1, milliseconds)
                if result > 0 { break }
                if result == 0 { look() }
            }
            close(stopped)
        }
    }
}
