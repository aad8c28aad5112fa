// Commands in running containers, by the runtime's `exec`: the container's own process of config.json with another command line.

import CLinux
import Cgroups
import Glibc
import JSON
import LocalRuntime
import RuntimeInterface
import Synchronization

extension RunCRuntime {
    /// Names commands' files and groups apart; those of a former life of the agent are other ones by its start time.
    private static let nextExec = Atomic<Int>(Int(time(nil)) % 1_000_000 * 1_000)

    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        guard let container = pods.container(id) else { throw RuntimeError.notFound("container \(id)") }
        guard case .running = await container.phase else { throw RuntimeError.notFound("running container \(id)") }
        guard !request.command.isEmpty else { throw RuntimeError.invalid(field: "command", reason: "is empty") }
        let (number, launcher) = (Self.nextExec.add(1, ordering: .relaxed).oldValue, configuration.launcherPath)
        let (oci, cgroup) = (OCIContainer(container, programs: programs, configuration: configuration), container.cgroup)
        guard let sandbox = pods.sandbox(id.podUID) else { throw RuntimeError.notFound("pod sandbox \(id.podUID)") }
        let shared = namespaces(of: sandbox.config).shared.map(\.path)
        return try await Blocking.run {
            try Self.start(request, in: oci, number: number, launcher: launcher, cgroup: cgroup, shared: shared)
        }
    }

    private static func start(
        _ request: ExecRequest, in oci: OCIContainer, number: Int, launcher: String, cgroup: Cgroup, shared: [String]
    ) throws -> ProcessExecSession {
        guard let program = oci.program else { throw RuntimeError.notFound("the OCI runtime of \(oci.id)") }
        let prefix = "\(oci.bundle)/exec-\(number)"
        defer { for suffix in ["process", "pid", "log"] { unlink("\(prefix).\(suffix)") } }
        try RecordFiles.write(try process(request, of: oci), to: "\(prefix).process")
        let group = ExecGroup(cgroup, number: number)
        try group?.make()
        do {
            let terminal = request.tty ? try TerminalSocket(path: "\(oci.paths.directory)/terminal-\(number)") : nil
            defer { terminal?.remove() }
            var streams = try ExecStreams(request.tty ? ExecRequest(command: [], stdout: false, stderr: false) : request)
            defer { streams.closeTheirs() }
            let console = terminal.map { ["--console-socket", $0.path] } ?? []
            let verb = ["exec", "--detach", "--process", "\(prefix).process", "--pid-file", "\(prefix).pid"] + console + [oci.name]
            // The runtime knows nothing of the pod's namespaces: it is in them.
            let entered = program.hasInit ? [launcher, "enter", "\(shared.count)"] + shared : []
            let process = try OCIExecProcess.start(
                launcher: launcher, pidFile: "\(prefix).pid", group: group?.path ?? "",
                runtime: entered + program.command(root: oci.root(program), log: "\(prefix).log") + verb, environment: program.environment,
                streams: streams.theirs, milliseconds: program.verbMilliseconds,
                failure: { failure(request, program, log: "\(prefix).log", status: $0) })
            return ProcessExecSession(
                process: process, streams: streams, terminal: try terminal.map { AsyncDescriptor(try $0.receive()) }, group: group)
        } catch {
            group?.kill()
            group?.removeIfEmpty()
            throw error
        }
    }

    /// As the container was made: image, policy and agent may have changed since.
    private static func process(_ request: ExecRequest, of oci: OCIContainer) throws -> [UInt8] {
        guard let bytes = RecordFiles.read(oci.specification), var process = (try? JSONValue(parsing: bytes))?["process"] else {
            throw RuntimeError.notFound("bundle of \(oci.id)")
        }
        process["args"] = .array(request.command.map { .string($0) })
        process["terminal"] = .bool(request.tty)
        if request.tty, let environment = process["env"]?.arrayValue, !environment.contains(where: { $0.stringValue?.hasPrefix("TERM=") == true }) {
            process["env"] = .array(environment + ["TERM=xterm"])
        }
        return process.serialized()
    }

    private static func failure(_ request: ExecRequest, _ program: OCIProgram, log: String, status: Int) -> RuntimeError {
        let words = RuntimeWords.last(of: log) ?? "ended with status \(status)"
        let command = request.command.first ?? ""
        let isAboutCommand = words.contains(command) && ["exec", "not found", "o such file", "ermission denied"].contains { words.contains($0) }
        return isAboutCommand
            ? .invalid(field: "command", reason: "exec: \"\(command)\": \(words)") : .unavailable(stage: "\(program.name) exec", reason: words)
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
