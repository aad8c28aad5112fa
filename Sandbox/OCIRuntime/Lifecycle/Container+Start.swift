// start: opens the gate and learns whether the program was executed.

import CLinux
import Glibc

extension ContainerLifecycle {
    public func start(_ id: String) throws(OCIError) {
        let lock = try directory.lock(id)
        defer { withExtendedLifetime(lock) {} }
        let container = try directory.load(id)
        switch directory.status(of: container) {
        case .created: break
        case .creating: throw .conflict("cannot start a container that is being created")
        case .paused: throw .conflict("cannot start a container that is paused")
        case .running: throw .conflict("cannot start an already running container")
        case .stopped: throw .conflict("cannot start a container that has stopped")
        }
        try start(container, try directory.loadConfiguration(id))
    }

    /// A container that is known to be created.
    func start(_ container: ContainerRecord, _ specification: ContainerSpecification) throws(OCIError) {
        guard specification.process != nil else {
            // A start that fails leaves a container that is stopped, like one whose program cannot be executed.
            _ = container.process.signal(SIGKILL)
            throw .invalid(field: "process", reason: "required by start, and missing")
        }
        do {
            try openGate(container)
            try hasStarted(container, specification)
        } catch {
            // A hook that fails ends the container (runtime.md, "Lifecycle", steps 7 and 9); a program that cannot be executed
            // has ended it already, and `delete` is the caller's.
            if error.isHookFailure { destroy(container, specification) }
            throw error
        }
    }

    func hasStarted(_ container: ContainerRecord, _ specification: ContainerSpecification) throws(OCIError) {
        try HookRunner.run(.poststart, of: specification.hooks, state: container.state(.running))
    }

    private func openGate(_ container: ContainerRecord) throws(OCIError) {
        let gate = directory.gate(container.id)
        // Before the process can end: it still tells how, when somebody else has reaped it by then.
        let process = clinux_pidfd_open(container.pid, 0)
        defer { if process >= 0 { close(process) } }
        guard container.process.isAlive else { throw .conflict("cannot start a container that has stopped") }
        let connection = clinux_unix_connect(gate)
        guard connection >= 0 else {
            if errno == ECONNREFUSED || errno == ENOENT { throw .conflict("cannot start a container that has stopped") }
            throw .system("connect to", gate)
        }
        defer { close(connection) }
        // First, so that a crash between the two leaves a container that is stopped, never one that is started twice.
        unlink(gate)
        guard send(connection, "G", 1, Int32(MSG_NOSIGNAL)) == 1 else { throw .system("open", gate) }
        let answer = try HostFile.readAll(connection, gate)
        if answer.isEmpty { return try checkExecuted(container.process, process) }
        guard let failure = LauncherFailure(answer) else { throw .system(stage: "understand", errno: EPROTO, subject: gate) }
        throw .launch(stage: failure.stage, errno: failure.code)
    }

    /// Signals that come from elsewhere, those of a launcher that ends itself, and that of a filter which refuses the exec: no program
    /// ends itself by these at once.
    private static let cuttingOff: Set<Int32> = [SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGKILL, SIGTERM, SIGSYS]

    /// The gate's end of file is an exec, or the end of a process that was killed before it.
    private func checkExecuted(_ process: ProcessHandle, _ descriptor: Int32) throws(OCIError) {
        if let executed = process.hasExecuted {
            if executed { return }
            throw .launch(stage: "the container's process ended before its program was executed", errno: 0)
        }
        // Ended and reaped. A program may be that quick. Before Linux 6.15 nobody can tell.
        var status: Int32 = 0
        guard clinux_pidfd_exit_status(descriptor, &status) == 1, Self.cuttingOff.contains(status & 0x7f) else { return }
        throw .launch(stage: "the container's process was ended by signal \(status & 0x7f) as it was started", errno: 0)
    }
}

extension OCIError {
    var isHookFailure: Bool {
        switch self {
        case .hook: true
        case .launch(let stage, _): stage.hasPrefix("error running ")
        default: false
        }
    }
}
