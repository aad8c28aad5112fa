// What every command in a running container has, whatever program starts it: a number, a group, streams or a terminal.

import Glibc
import RuntimeInterface
import Synchronization

/// A command that is about to be started.
package struct CommandStart: Sendable {
    package let request: ExecRequest
    package let container: SupervisedContainer
    package let sandbox: SandboxRecord
    /// Names its files and its group apart from other commands'.
    package let number: Int
    /// Where the command's own group is, if the machine has a hierarchy for it.
    package let group: ExecGroup?
    /// A socket that takes the terminal; nil: three streams.
    package let terminalSocket: String?
    /// The command's 0, 1 and 2; -1 for what it has not. They stay open here.
    package let streams: [Int32]
}

extension LocalPods {
    /// Those of a former life of the agent are other ones by its start time.
    private static let nextCommand = Atomic<Int>(Int(time(nil)) % 1_000_000 * 1_000)

    /// `start` may block. Throws `notFound` when the container does not run, `invalid` for an empty command, and whatever `start` throws,
    /// behind which nothing of the command is left.
    package func exec(
        _ id: ContainerID, _ request: ExecRequest, start: @escaping @Sendable (CommandStart) throws -> StartedProcess
    ) async throws -> ProcessExecSession {
        guard let container = container(id) else { throw RuntimeError.notFound("container \(id)") }
        guard case .running = await container.phase else { throw RuntimeError.notFound("running container \(id)") }
        guard !request.command.isEmpty else { throw RuntimeError.invalid(field: "command", reason: "is empty") }
        guard let sandbox = sandbox(id.podUID) else { throw RuntimeError.notFound("pod sandbox \(id.podUID)") }
        let number = Self.nextCommand.add(1, ordering: .relaxed).oldValue
        return try await Blocking.run {
            try Self.begin(request, number, container, sandbox, start)
        }
    }

    private static func begin(
        _ request: ExecRequest, _ number: Int, _ container: SupervisedContainer, _ sandbox: SandboxRecord,
        _ start: (CommandStart) throws -> StartedProcess
    ) throws -> ProcessExecSession {
        let group = ExecGroup(container.cgroup, number: number)
        try group?.make()
        do {
            let terminal = request.tty ? try TerminalSocket(path: "\(container.paths.directory)/terminal-\(number)") : nil
            defer { terminal?.remove() }
            var streams = try ExecStreams(request.tty ? ExecRequest(command: [], stdout: false, stderr: false) : request)
            defer { streams.closeTheirs() }
            let process = try start(
                CommandStart(
                    request: request, container: container, sandbox: sandbox, number: number, group: group,
                    terminalSocket: terminal?.path,
                    streams: streams.theirs))
            return ProcessExecSession(
                process: process, streams: streams, terminal: try terminal.map { AsyncDescriptor(try $0.receive()) }, group: group
            )
        } catch {
            group?.kill()
            group?.removeIfEmpty()
            throw error
        }
    }
}
