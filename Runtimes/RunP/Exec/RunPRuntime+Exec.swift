// Commands in running containers: the launcher joins the container's namespaces.

import CLinux
import Cgroups
import Glibc
import LocalRuntime
import RuntimeInterface
import SandboxPolicy
import Synchronization

extension RunPRuntime {
    /// Names commands' groups and sockets apart; those of a former life of the agent are other ones by its start time.
    private static let nextExec = Atomic<Int>(Int(time(nil)) % 1_000_000 * 1_000)

    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        guard let container = pods.container(id) else { throw RuntimeError.notFound("container \(id)") }
        guard case .running = await container.phase else { throw RuntimeError.notFound("running container \(id)") }
        guard !request.command.isEmpty else { throw RuntimeError.invalid(field: "command", reason: "is empty") }
        let number = Self.nextExec.add(1, ordering: .relaxed).oldValue
        let (launcher, paths, cgroup) = (configuration.launcherPath, container.paths, container.cgroup)
        return try await Blocking.run {
            try Self.start(request, id: id, number: number, launcher: launcher, paths: paths, cgroup: cgroup)
        }
    }

    private static func start(
        _ request: ExecRequest, id: ContainerID, number: Int, launcher: String, paths: ContainerPaths, cgroup: Cgroup
    ) throws -> ProcessExecSession {
        guard let state = paths.readState(), let plan = RecordFiles.read(paths.plan) else { throw RuntimeError.notFound("record of \(id)") }
        // The process' own directory, checked once it is open: another process that gets its number later is not in it.
        let target = try Descriptor.high(
            clinux_open("/proc/\(state.pid)", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), "/proc/\(state.pid)")
        defer { Glibc.close(target) }
        guard state.bootId == ProcessIdentity.bootID(), ProcessIdentity.startTime(of: state.pid) == state.pidStartTime else {
            throw RuntimeError.notFound("running container \(id)")
        }
        let group = ExecGroup(cgroup, number: number)
        try group?.make()
        do {
            let terminal = request.tty ? try TerminalSocket(path: "\(paths.directory)/terminal-\(number)") : nil
            defer { terminal?.remove() }
            let execPlan = ExecPlan(
                id: id.description, command: request.command, terminalSocket: terminal?.path, namespaces: foreignNamespaces(of: state.pid),
                group: group.map { ($0.container.path, $0.path) })
            var streams = try ExecStreams(request.tty ? ExecRequest(command: [], stdout: false, stderr: false) : request)
            defer { streams.closeTheirs() }
            let process = try ExecProcess.start(
                launcher: launcher, plan: execPlan.encoded(from: plan), target: target, streams: streams.theirs)
            return ProcessExecSession(
                process: process, streams: streams, terminal: try terminal.map { AsyncDescriptor(try $0.receive()) }, group: group)
        } catch {
            group?.kill()
            group?.removeIfEmpty()
            throw error
        }
    }

    /// Those that are not this process' own already: a user namespace cannot be entered twice.
    private static func foreignNamespaces(of pid: Int32) -> [LaunchOperation.Namespace] {
        LaunchOperation.Namespace.allCases.filter { namespace in
            let theirs = identity("/proc/\(pid)/ns/\(namespace.execFile)")
            return theirs != nil && theirs != identity("/proc/self/ns/\(namespace.execFile)")
        }
    }

    private static func identity(_ path: String) -> UInt64? {
        var facts = stat()
        return stat(path, &facts) == 0 ? UInt64(facts.st_ino) : nil
    }
}
