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

    /// `logPath` gets what the child writes, appended.
    static func start(executable: String, arguments: [String], logPath: String) throws -> ChildProcess {
        let log = open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard log >= 0 else { throw failure("open \(logPath)", errno, executable) }
        defer { close(log) }
        var pid: pid_t = 0
        let error = withCStrings([executable] + arguments) { clinux_spawn(&pid, executable, $0, environ, log, log) }
        guard error == 0 else { throw failure("start", error, executable) }
        // Not waited for yet, so /proc still has it even when it died at once; then 0 never matches a living process.
        let identity = ProcessIdentity.of(pid: pid) ?? ProcessIdentity(pid: pid, startTime: 0)
        return ChildProcess(identity: identity)
    }

    /// Suspends until the child ended, and reaps it. To be called once.
    func end() async -> End {
        let pid = identity.pid
        return await BlockingCall.run {
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
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
