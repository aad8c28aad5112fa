// Commands in running containers, by the runtime's `exec`: the container's own process of config.json with another command line.

import Glibc
import JSON
import LocalRuntime
import RuntimeInterface

extension RunCRuntime {
    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        let (programs, node) = (programs, configuration)
        return try await pods.exec(id, request) { [self] command in
            let oci = OCIContainer(command.container, programs: programs, configuration: node)
            return try Self.start(
                command, in: oci, launcher: node.launcherPath, shared: namespaces(of: command.sandbox.config).shared.map(\.path))
        }
    }

    private static func start(_ command: CommandStart, in oci: OCIContainer, launcher: String, shared: [String]) throws
        -> StartedProcess
    {
        guard let program = oci.program else { throw RuntimeError.notFound("the OCI runtime of \(oci.id)") }
        let prefix = "\(oci.bundle)/exec-\(command.number)"
        defer { for suffix in ["process", "pid", "log"] { unlink("\(prefix).\(suffix)") } }
        try RecordFiles.write(try process(command.request, of: oci), to: "\(prefix).process")
        let console = command.terminalSocket.map { ["--console-socket", $0] } ?? []
        // Its word comes through there when the program cannot be run.
        let report = isWalled(oci) ? ["--preserve-fds", "1"] : []
        let verb =
            ["exec", "--detach", "--process", "\(prefix).process", "--pid-file", "\(prefix).pid"] + report + console + [oci.name]
        // The runtime knows nothing of the pod's namespaces: it is in them.
        let entered = program.hasInit ? [launcher, "enter", "\(shared.count)"] + shared : []
        return try OCIExecProcess.start(
            launcher: launcher, pidFile: "\(prefix).pid", group: command.group?.path ?? "",
            runtime: entered + program.command(root: oci.root(program), log: "\(prefix).log") + verb,
            environment: program.environment,
            streams: command.streams, milliseconds: program.verbMilliseconds,
            failure: { failure(command.request, program, log: "\(prefix).log", status: $0) })
    }

    /// As the container was made.
    private static func isWalled(_ oci: OCIContainer) -> Bool { RecordFiles.exists(SecondWall.commandFile(oci.bundle)) }

    /// As the container was made: image, policy and agent may have changed since.
    private static func process(_ request: ExecRequest, of oci: OCIContainer) throws -> [UInt8] {
        guard let bytes = RecordFiles.read(oci.specification), var process = (try? JSONValue(parsing: bytes))?["process"] else {
            throw RuntimeError.notFound("bundle of \(oci.id)")
        }
        let first = isWalled(oci) ? [OCIBundle.initPath, "oci-wall", SecondWall.commandPath] : []
        process["args"] = .array((first + request.command).map { .string($0) })
        process["terminal"] = .bool(request.tty)
        if request.tty, let environment = process["env"]?.arrayValue,
            !environment.contains(where: { $0.stringValue?.hasPrefix("TERM=") == true })
        {
            process["env"] = .array(environment + ["TERM=xterm"])
        }
        return process.serialized()
    }

    private static func failure(_ request: ExecRequest, _ program: OCIProgram, log: String, status: Int) -> RuntimeError {
        let words = RuntimeWords.last(of: log) ?? "ended with status \(status)"
        let command = request.command.first ?? ""
        let isAboutCommand =
            words.contains(command) && ["exec", "not found", "o such file", "ermission denied"].contains { words.contains($0) }
        return isAboutCommand
            ? .invalid(field: "command", reason: "exec: \"\(command)\": \(words)")
            : .unavailable(stage: "\(program.name) exec", reason: words)
    }
}

/// What a runtime wrote into its log.
enum RuntimeWords {
    private static let maximumBytes = 600

    /// The last message, shortened; nil when there is none.
    static func last(of log: String) -> String? {
        guard let bytes = RecordFiles.read(log) else { return nil }
        for line in bytes.split(separator: UInt8(ascii: "\n")).reversed() {
            let text = (try? JSONValue(parsing: line))?["msg"]?.stringValue ?? String(decoding: line, as: UTF8.self)
            if !text.isEmpty { return String(text.prefix(maximumBytes)) }
        }
        return nil
    }
}
