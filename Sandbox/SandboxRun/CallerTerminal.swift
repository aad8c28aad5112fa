// The terminal at which `swiftlet run --tty` was called: raw while it is served, as it was before afterwards.
import CLinux
import Glibc
import Synchronization

/// One at a time: signals are the process's.
final class CallerTerminal {
    /// Readable when the size changed; -1 where it cannot be told.
    let resizes: Int32
    private let settings: termios?
    private let writeEnd: Int32
    private static let resizeTeller = Atomic<Int32>(-1)

    /// Whatever standard input is: only a terminal has a mode and a size.
    init() {
        var settings = termios()
        self.settings = tcgetattr(STDIN_FILENO, &settings) == 0 ? settings : nil
        var ends: [Int32] = [-1, -1]
        let made = clinux_pipe(&ends) == 0
        resizes = made ? ends[0] : -1
        writeEnd = made ? ends[1] : -1
        Self.resizeTeller.store(writeEnd, ordering: .sequentiallyConsistent)
        signal(SIGWINCH) { _ in
            let teller = CallerTerminal.resizeTeller.load(ordering: .sequentiallyConsistent)
            if teller >= 0 { _ = write(teller, "s", 1) }
        }
        // Neither may end or stop us with the terminal raw: what standard output does not take is dropped, and keys are the task's.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGTSTP, SIG_IGN)
        if self.settings != nil {
            cfmakeraw(&settings)
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        }
    }

    func restore() {
        if var settings { tcsetattr(STDIN_FILENO, TCSANOW, &settings) }
        for number in [SIGWINCH, SIGPIPE, SIGTSTP] { signal(number, SIG_DFL) }
        Self.resizeTeller.store(-1, ordering: .sequentiallyConsistent)
        for end in [resizes, writeEnd] where end >= 0 { close(end) }
    }

    func copySize(to master: Int32) {
        var byte: UInt8 = 0
        var ready = pollfd(fd: resizes, events: Int16(POLLIN), revents: 0)
        while resizes >= 0, poll(&ready, 1, 0) > 0, read(resizes, &byte, 1) == 1 {}
        _ = clinux_copy_window_size(STDIN_FILENO, master)
    }

    /// On standard output; what cannot be written there is lost, as nobody reads it.
    func show(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var ready = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, 1000)
            } else if errno != EINTR {
                return
            }
        }
    }
}
