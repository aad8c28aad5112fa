// The descriptors between this process and a command: three pipes, or one terminal.

import CLinux
import Glibc
import RuntimeInterface

/// Both sides of each pipe, while the command is started.
package struct ExecStreams {
    /// The command's 0, 1, 2; -1 for what it has not.
    package var theirs: [Int32] = [-1, -1, -1]
    package var input: AsyncDescriptor?
    package var output: AsyncDescriptor?
    package var errors: AsyncDescriptor?

    /// Pipes for what is wanted.
    package init(_ request: ExecRequest) throws {
        if request.stdin { input = AsyncDescriptor(try pipe(0, writing: true)) }
        if request.stdout { output = AsyncDescriptor(try pipe(1, writing: false)) }
        if request.stderr { errors = AsyncDescriptor(try pipe(2, writing: false)) }
    }

    /// Returns our end.
    private mutating func pipe(_ place: Int, writing: Bool) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else {
            closeTheirs()
            throw RecordFiles.failure("pipe", "exec")
        }
        theirs[place] = try Descriptor.high(ends[writing ? 0 : 1], "pipe")
        return ends[writing ? 1 : 0]
    }

    package mutating func closeTheirs() {
        for descriptor in theirs where descriptor >= 0 { close(descriptor) }
        theirs = [-1, -1, -1]
    }
}

/// Receives a terminal's master from the launcher, which connects while it sets the command up.
package struct TerminalSocket {
    package let path: String
    private let listener: Int32

    package init(path: String) throws {
        self.path = path
        unlink(path)
        listener = clinux_unix_listen(path)
        guard listener >= 0 else { throw RecordFiles.failure("listen", path) }
        chmod(path, 0o600)
    }

    /// To be called behind the command's start: the terminal was sent before.
    package func receive() throws -> Int32 {
        var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 5_000) == 1 else { throw RuntimeError.unavailable(stage: "terminal", reason: "none was sent") }
        let connection = clinux_unix_accept(listener)
        guard connection >= 0 else { throw RecordFiles.failure("accept", path) }
        defer { close(connection) }
        let master = clinux_receive_descriptor(connection)
        guard master >= 0 else { throw RecordFiles.failure("receive", "terminal") }
        return master
    }

    package func remove() {
        close(listener)
        unlink(path)
    }
}
