// run and exec without --detach: signals go on to the container's process, its end is ours.

import CLinux
import Glibc

struct ForegroundProcess {
    /// Those that cannot be passed on (KILL, STOP), that are ours (CHLD, PIPE, URG) or mean the terminal's size stay.
    private static let kept: Set<Int32> = [
        SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT,
    ]

    let pid: Int32
    /// The terminal's proxy, where this process holds the master.
    var terminal: TerminalProxy?

    /// Blocks every signal that is to be waited for; before the container's process exists, so that none is lost.
    static func prepare() {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in 1..<Int32(32) where !kept.contains(signal) || signal == SIGCHLD { sigaddset(&set, signal) }
        sigprocmask(SIG_BLOCK, &set, nil)
    }

    /// The exit code as a shell counts.
    func wait() -> Int32 {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in 1..<Int32(32) where !Self.kept.contains(signal) || signal == SIGCHLD { sigaddset(&set, signal) }
        terminal?.start()
        defer { terminal?.finish() }
        var status: Int32 = 0
        while true {
            let ended = waitpid(pid, &status, WNOHANG)
            if ended == pid { return ChildProcess.exitCode(status) }
            if ended < 0, errno == ECHILD { return 255 }
            let signal = sigwaitinfo(&set, nil)
            guard signal > 0, signal != SIGCHLD else { continue }
            if signal == SIGWINCH, let terminal { terminal.resize() } else { kill(pid, signal) }
        }
    }
}
