// run: create, start, wait, delete in one go.

import CLinux
import Glibc

extension ContainerLifecycle {
    public struct RunOptions {
        public var create = CreateOptions()
        public var detach = false
        public var keep = false
        public init() {}
    }

    /// The program's exit code; 0 at once when detached.
    public func run(_ id: String, _ options: RunOptions) throws(OCIError) -> Int32 {
        let bundle = try Bundle(options.create.bundle)
        guard bundle.specification.process != nil else {
            throw .invalid(field: "process", reason: "required by run, and missing")
        }
        if !options.detach { ForegroundProcess.prepare() }
        var createOptions = options.create
        createOptions.startsAtOnce = true
        let receiver = options.detach ? nil : try console(bundle.specification, &createOptions)
        let container = try create(id, bundle, createOptions)
        do throws(OCIError) {
            let terminal = try receiver.map { receiver throws(OCIError) in TerminalProxy(master: try receiver.receive()) }
            try hasStarted(container, bundle.specification)
            if options.detach { return 0 }
            let code = ForegroundProcess(pid: container.pid, terminal: terminal).wait()
            if !options.keep { try finish(container, bundle.specification) }
            return code
        } catch {
            if directory.exists(id) { destroy(container, bundle.specification) }
            throw error
        }
    }

    /// Somebody else may have deleted it meanwhile.
    private func finish(_ container: ContainerRecord, _ specification: ContainerSpecification) throws(OCIError) {
        do {
            let lock = try directory.lock(container.id)
            defer { withExtendedLifetime(lock) {} }
            destroy(container, specification)
        } catch {
            guard error == .notFound else { throw error }
        }
    }

    /// A terminal in the foreground without a console socket is ours to serve.
    private func console(_ specification: ContainerSpecification, _ options: inout CreateOptions) throws(OCIError)
        -> ConsoleReceiver?
    {
        guard options.consoleSocket == nil, specification.process?.terminal == true else { return nil }
        let receiver = try ConsoleReceiver()
        options.consoleSocket = receiver.path
        options.keepsLineEnds = isatty(0) == 0
        return receiver
    }

    /// exec in the foreground; the program's exit code, or 0 at once when detached.
    public func execute(_ id: String, _ process: ProcessSpecification, _ options: ExecOptions, detach: Bool) throws(OCIError)
        -> Int32
    {
        if detach {
            _ = try exec(id, process, options)
            return 0
        }
        ForegroundProcess.prepare()
        var options = options
        var receiver: ConsoleReceiver?
        if process.terminal, options.consoleSocket == nil {
            receiver = try ConsoleReceiver()
            options.consoleSocket = receiver?.path
            options.keepsLineEnds = isatty(0) == 0
        }
        let pid = try exec(id, process, options)
        let terminal = try receiver.map { receiver throws(OCIError) in TerminalProxy(master: try receiver.receive()) }
        return ForegroundProcess(pid: pid, terminal: terminal).wait()
    }
}
