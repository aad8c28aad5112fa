// Commands in running containers: the launcher joins the container's namespaces.

import CLinux
import Glibc
import LocalRuntime
import RuntimeInterface
import SandboxPolicy

extension RunPRuntime {
    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        let launcher = configuration.launcherPath
        return try await pods.exec(id, request) { try Self.start($0, launcher: launcher) }
    }

    private static func start(_ command: CommandStart, launcher: String) throws -> StartedProcess {
        let (id, paths) = (command.container.id, command.container.paths)
        guard let state = paths.readState(), let plan = RecordFiles.read(paths.plan) else {
            throw RuntimeError.notFound("record of \(id)")
        }
        // The process' own directory, checked once it is open: another process that gets its number later is not in it.
        let target = try Descriptor.high(
            clinux_open("/proc/\(state.pid)", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), "/proc/\(state.pid)")
        defer { Glibc.close(target) }
        guard state.bootId == ProcessIdentity.bootID(), ProcessIdentity.startTime(of: state.pid) == state.pidStartTime else {
            throw RuntimeError.notFound("running container \(id)")
        }
        let execPlan = ExecPlan(
            id: id.description, command: command.request.command, terminalSocket: command.terminalSocket,
            namespaces: foreignNamespaces(of: state.pid), group: command.group.map { ($0.container.path, $0.path) })
        return try ExecProcess.start(
            launcher: launcher, plan: execPlan.encoded(from: plan), target: target, streams: command.streams)
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
