// The verbs by which people and probes reach into what runs: exec, attach and port-forward, in CRI's words (ExecSync, Exec,
// Attach, PortForward). Streams are bounded on every runtime: a reader that is behind makes the writer wait.

/// What CRI's ExecSync answers.
public struct ExecResult: Sendable, Hashable, Codable {
    /// 0-255; 128 + signal when a signal ended the command. 137 when `timedOut`.
    public var exitCode: Int
    /// At most `maximumOutputBytes` each; what came after is dropped.
    public var stdout: [UInt8]
    public var stderr: [UInt8]
    /// The time was over: the command's whole tree was killed.
    public var timedOut: Bool

    public init(exitCode: Int, stdout: [UInt8] = [], stderr: [UInt8] = [], timedOut: Bool = false) {
        self.exitCode = exitCode
        self.stdout = stdout
        self.stderr = stderr
        self.timedOut = timedOut
    }
}

/// A command to run inside a container, or (attach) the container's own process to look at.
public struct ExecRequest: Sendable, Hashable, Codable {
    /// Program and arguments, looked up in the container; empty for attach.
    public var command: [String]
    /// One terminal for all three streams: `stderr` is then never sent.
    public var tty: Bool
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool

    public init(command: [String], tty: Bool = false, stdin: Bool = false, stdout: Bool = true, stderr: Bool = true) {
        self.command = command
        self.tty = tty
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
    }
}

/// Columns and rows of the caller's terminal.
public struct TerminalSize: Sendable, Hashable, Codable {
    public var width: UInt16
    public var height: UInt16

    public init(width: UInt16, height: UInt16) {
        self.width = width
        self.height = height
    }
}

/// A piece of what a command wrote.
public enum ExecOutput: Sendable, Hashable {
    case stdout([UInt8])
    case stderr([UInt8])
}

/// A command that runs with its streams. One reader and one writer at a time; `resize`, `wait` and `close` from anywhere.
public protocol ExecSession: Sendable {
    /// The next piece, never empty; nil once every output stream has ended. Suspends while there is none.
    func nextOutput() async throws -> ExecOutput?
    /// Suspends while the command does not read; throws when it never will again.
    func write(_ bytes: [UInt8]) async throws
    /// The command reads end of file. With a terminal: the terminal's end-of-file character.
    func finishInput() async
    /// Of no effect without a terminal.
    func resize(_ size: TerminalSize) async
    /// The exit code as in `ExecResult`; for attach 0 when the caller left. Any number of waiters.
    func wait() async throws -> Int
    /// Lets go. A command's whole tree is killed if it still runs; an attached container runs on. Idempotent.
    func close() async
}

/// A connection into a pod's network namespace, or any two-way stream of bytes. One reader and one writer at a time.
public protocol ByteStream: Sendable {
    /// What has come, never empty; nil at the other side's end.
    func read() async throws -> [UInt8]?
    /// Suspends while the other side does not take it; throws when it never will again.
    func write(_ bytes: [UInt8]) async throws
    /// This side's end: the other reads end of file and may go on writing.
    func finishWriting() async
    /// Both directions end at once. Idempotent.
    func close() async
}

extension ContainerRuntime {
    public func execSync(
        _ id: ContainerID, command: [String], timeoutSeconds: Int, maximumOutputBytes: Int
    ) async throws -> ExecResult {
        throw RuntimeError.unenforceable("exec: runtime \"\(name)\" has none")
    }

    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        throw RuntimeError.unenforceable("exec: runtime \"\(name)\" has none")
    }

    public func attach(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        throw RuntimeError.unenforceable("attach: runtime \"\(name)\" has none")
    }

    public func portForward(podUID: String, port: UInt16) async throws -> any ByteStream {
        throw RuntimeError.unenforceable("port-forward: runtime \"\(name)\" has none")
    }
}
