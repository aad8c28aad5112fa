// A process that `swiftlet up` started: never by fork, in a session of its own so that Ctrl-C reaches only us.
import CLinux
import Dispatch
import Glibc

struct ChildProcess: Sendable {
    enum End: Sendable, Hashable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)

        var description: String {
            switch self {
            case .exited(let code): "exited with code \(code)"
            case .signalled(let number): "was ended by signal \(number)"
            }
        }
    }

    let identity: ProcessIdentity
    private let pidfd: Int32
    /// The child's standard input is the other end: when we vanish, however, the child reads its end and stops in order.
    private let lifeline: Int32

    /// `logPath` gets what the child writes, appended.
    static func start(executable: String, arguments: [String], logPath: String) throws -> ChildProcess {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure("pipe", errno, executable) }
        fcntl(ends[1], F_SETFD, FD_CLOEXEC)
        defer { close(ends[0]) }
        let log = open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard log >= 0 else {
            close(ends[1])
            throw failure("open \(logPath)", errno, executable)
        }
        defer { close(log) }
        var pid: pid_t = 0
        let error = withCStrings([executable] + arguments) { clinux_spawn(executable, $0, environ, ends[0], log, log, &pid) }
        guard error == 0 else {
            close(ends[1])
            throw failure("start", error, executable)
        }
        let pidfd = clinux_pidfd_open(pid, 0)
        // Not waited for yet, so /proc still has it even when it died at once; then 0 never matches a living process.
        let identity = ProcessIdentity.of(pid: pid) ?? ProcessIdentity(pid: pid, startTime: 0)
        return ChildProcess(identity: identity, pidfd: pidfd, lifeline: ends[1])
    }

    /// Suspends until the child ended, and reaps it. To be called once.
    func end() async -> End {
        let pid = identity.pid
        let lifeline = lifeline
        let pidfd = pidfd
        return await BlockingCall.run {
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            close(lifeline)
            close(pidfd)
            let signal = status & 0x7F
            return signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal)
        }
    }

    /// The child is ours and not reaped before `end` returns: its number is its own.
    func signal(_ number: Int32) { _ = identity.startTime == 0 ? kill(identity.pid, number) == 0 : identity.signal(number) }

    private static func failure(_ stage: String, _ error: Int32, _ executable: String) -> CommandFailure {
        CommandFailure("\(stage): \(String(cString: strerror(error)))", hint: "while starting \(executable)")
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = strings.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        return body(pointers)
    }
}
