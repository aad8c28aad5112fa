// execSync, exec and portForward.

import CLinux
import Cgroups
import Glibc
import RuntimeInterface
import SandboxPolicy
import Synchronization

extension RunPRuntime {
    /// Names commands' groups and sockets apart; those of a former life of the agent are other ones by its start time.
    private static let nextExec = Atomic<Int>(Int(time(nil)) % 1_000_000 * 1_000)

    public func execSync(
        _ id: ContainerID, command: [String], timeoutSeconds: Int, maximumOutputBytes: Int
    ) async throws -> ExecResult {
        let session = try await exec(id, ExecRequest(command: command))
        let timedOut = Mutex(false)
        let timer: Task<Void, Never>? =
            timeoutSeconds <= 0
            ? nil
            : Task {
                // The command's time limit; the end of the command cancels it.
                guard (try? await Task.sleep(for: .seconds(timeoutSeconds))) != nil else { return }
                timedOut.withLock { $0 = true }
                await session.close()
            }
        defer { timer?.cancel() }
        return try await withTaskCancellationHandler {
            var result = ExecResult(exitCode: 0)
            while let piece = try await session.nextOutput() {
                switch piece {
                case .stdout(let bytes): result.stdout += bytes.prefix(max(0, maximumOutputBytes - result.stdout.count))
                case .stderr(let bytes): result.stderr += bytes.prefix(max(0, maximumOutputBytes - result.stderr.count))
                }
            }
            result.exitCode = try await session.wait()
            result.timedOut = timedOut.withLock { $0 }
            if result.timedOut { result.exitCode = 137 }
            await session.close()
            return result
        } onCancel: {
            Task { await session.close() }
        }
    }

    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        guard let container = container(id) else { throw RuntimeError.notFound("container \(id)") }
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
    ) throws -> RunPExecSession {
        guard let state = paths.readState(), let plan = RecordFiles.read(paths.plan) else { throw RuntimeError.notFound("record of \(id)") }
        // The process' own directory, checked once it is open: another process that gets its number later is not in it.
        let target = try ExecProcess.high(
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
            return RunPExecSession(
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

    // MARK: Port-forward

    public func portForward(podUID: String, port: UInt16) async throws -> any ByteStream {
        guard let sandbox = state.withLock({ $0.sandboxes[podUID] }) else { throw RuntimeError.notFound("pod sandbox \(podUID)") }
        let isHost = sandbox.config.network?.isHost ?? true
        let space = isHost ? nil : network(of: podUID).path
        do {
            return try await Self.connect(space, port, version: 4)
        } catch let error as RuntimeError {
            // A server may listen on the other family's loopback alone.
            if let stream = try? await Self.connect(space, port, version: 6) { return stream }
            throw error
        }
    }

    private static func connect(_ space: String?, _ port: UInt16, version: Int) async throws -> SocketStream {
        let stage = "connect(\(version == 4 ? "127.0.0.1" : "[::1]"):\(port))"
        let descriptor = try await Blocking.run {
            let socket = clinux_tcp_socket_in(space, version == 4 ? AF_INET : AF_INET6)
            guard socket >= 0 else { throw RecordFiles.failure("socket", space ?? "host") }
            guard begin(socket, port, version) || errno == EINPROGRESS else {
                let reason = String(cString: strerror(errno))
                Glibc.close(socket)
                throw RuntimeError.unavailable(stage: stage, reason: reason)
            }
            return AsyncDescriptor(socket)
        }
        await descriptor.writable()
        let failure: Int32? = descriptor.with { socket in
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
        }
        guard failure == 0 else {
            descriptor.close()
            throw RuntimeError.unavailable(stage: stage, reason: String(cString: strerror(failure ?? ECANCELED)))
        }
        return SocketStream(descriptor)
    }

    private static func begin(_ socket: Int32, _ port: UInt16, _ version: Int) -> Bool {
        if version == 4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
            }
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0 }
        }
    }
}
