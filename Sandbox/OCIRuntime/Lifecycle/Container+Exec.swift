// exec: another program in a running container.

import CLinux
import Glibc
import SandboxPolicy

extension ContainerLifecycle {
    public struct ExecOptions {
        public var pidFile: String?
        public var consoleSocket: String?
        public var pidfdSocket: String?
        /// As in `CreateOptions`.
        var keepsLineEnds = false
        public var preservedDescriptors = 0
        /// Groups below the container's own, each for some controllers or (none named) for all.
        public var subgroups: [(controllers: [String], path: String)] = []
        /// In a paused container the program begins when that is resumed.
        public var ignoresPause = false
        public init() {}
    }

    /// The configured process as a pattern for what `exec`'s flags change.
    public func configuredProcess(_ id: String) throws(OCIError) -> ProcessSpecification {
        _ = try directory.load(id)
        var process = try directory.loadConfiguration(id).process ?? ProcessSpecification()
        process.terminal = false
        process.arguments = []
        return process
    }

    /// Starts it; returns its pid once the program was executed. It is a child of this process.
    public func exec(_ id: String, _ process: ProcessSpecification, _ options: ExecOptions) throws(OCIError) -> Int32 {
        process.warnings.forEach(warn)
        let container = try directory.load(id)
        switch directory.status(of: container) {
        case .created, .running: break
        case .paused where options.ignoresPause: break
        case .paused: throw .conflict("cannot exec in a paused container")
        case .creating, .stopped: throw .conflict("cannot exec in a container that is not running")
        }
        // The process's own directory, checked once it is open: another process that gets its number later is not in it.
        let target = try LauncherSession.above(
            Int32(3 + options.preservedDescriptors), clinux_open("/proc/\(container.pid)", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0),
            "/proc/\(container.pid)")
        defer { close(target) }
        guard container.process.isAlive else { throw .conflict("cannot exec in a container that is not running") }
        var session = try launch(try plan(container, process, options, target: target), options.preservedDescriptors, [target])
        defer { session.close() }
        var started: ProcessHandle?
        do {
            conversation: while true {
                switch try session.next() {
                case .process(let handle): started = handle
                case .failed(let error): throw error
                case .ended: break conversation
                case .hooks, .ready: throw OCIError.system(stage: "understand", errno: EPROTO, subject: "launcher")
                }
            }
            guard let started, started.hasExecuted != false else {
                throw OCIError.launch(stage: "the process ended during its set-up", errno: 0)
            }
            if let socket = options.pidfdSocket { try started.send(to: socket) }
            if let file = options.pidFile { try HostFile.replace(file, with: Array("\(started.pid)".utf8), mode: 0o644) }
            return started.pid
        } catch let error as OCIError {
            if let started {
                _ = started.signal(SIGKILL)
                ChildProcess.reap(started.pid)
            }
            throw error
        } catch { throw .usage("\(error)") }
    }

    private func plan(
        _ container: ContainerRecord, _ process: ProcessSpecification, _ options: ExecOptions, target: Int32
    ) throws(OCIError) -> LaunchPlan {
        var process = process
        process.completeEnvironment(rootfs: "/proc/\(container.pid)/root")
        try ResourceLimitCheck.check(process)
        let all = try directory.loadConfiguration(container.id)
        if !all.linux.has("user") { process.withholdUngrantable(warn: warn) }
        let linux = all.linux
        var operations: [LaunchOperation] = [.id(container.id)]
        if process.terminal {
            guard let socket = options.consoleSocket else {
                throw .usage("cannot allocate tty if runc will detach without setting console socket")
            }
            operations.append(.terminal(socketPath: socket, keepsLineEnds: options.keepsLineEnds))
            if let size = process.consoleSize { operations.append(.consoleSize(rows: size.height, columns: size.width)) }
        } else {
            operations.append(.inheritStandardStreams)
        }
        if options.preservedDescriptors > 0 { operations.append(.preserveDescriptors(options.preservedDescriptors)) }
        for place in container.cgroups {
            let directory = place.directory + (try subgroup(of: place, options))
            operations.append(.cgroup(version: place.version, controller: place.controller, path: directory))
        }
        let joined = foreignNamespaces(of: container.pid)
        operations += joined.map { .joinNamespace($0, path: "/proc/self/fd/\(target)/ns/\($0.file)") }
        // Its root is no mount namespace's, but a tree that only its processes are in.
        if !linux.makes("mount") { operations.append(.joinRoot(path: "/proc/self/fd/\(target)/root")) }
        if joined.contains(.user) { operations.append(.rootless(.direct)) }
        operations += try ProcessPlan(process: process, linux: linux, isExec: true).operations()
        return LaunchPlan(operations: operations)
    }

    /// `--cgroup`: checked to be there, as the program would otherwise be nowhere.
    private func subgroup(of place: CgroupPlace, _ options: ExecOptions) throws(OCIError) -> String {
        let wanted = options.subgroups.last { $0.controllers.isEmpty || !Set($0.controllers).isDisjoint(with: place.controllers) }
        guard let path = wanted?.path, !path.isEmpty else { return "" }
        guard HostFile.isDirectory("\(place.directory)/\(path)") else {
            throw .system(stage: "exec: adding pid to", errno: ENOENT, subject: "\(place.directory)/\(path)")
        }
        return "/\(path)"
    }

    /// Those that are not this process's own already: a user namespace cannot be entered twice.
    private func foreignNamespaces(of pid: Int32) -> [LaunchOperation.Namespace] {
        LaunchOperation.Namespace.allCases.filter { namespace in
            let theirs = HostFile.linkTarget("/proc/\(pid)/ns/\(namespace.file)")
            return theirs != nil && theirs != HostFile.linkTarget("/proc/self/ns/\(namespace.file)")
        }
    }
}

extension LaunchOperation.Namespace {
    /// Its name below /proc/PID/ns.
    var file: String { self == .mount ? "mnt" : rawValue }
}
