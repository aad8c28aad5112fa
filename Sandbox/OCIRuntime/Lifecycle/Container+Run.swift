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
        if options.detach {
            try create(id, options.create)
            try startOrDestroy(id)
            return 0
        }
        ForegroundProcess.prepare()
        var createOptions = options.create
        let receiver = try console(id, &createOptions)
        let container = try create(id, createOptions)
        var terminal: TerminalProxy?
        do throws(OCIError) {
            terminal = try receiver.map { receiver throws(OCIError) in TerminalProxy(master: try receiver.receive()) }
        } catch {
            try? delete(id, force: true)
            throw error
        }
        try startOrDestroy(id)
        let code = ForegroundProcess(pid: container.pid, terminal: terminal).wait()
        if !options.keep { try delete(id, force: true) }
        return code
    }

    private func startOrDestroy(_ id: String) throws(OCIError) {
        do { try start(id) } catch {
            try? delete(id, force: true)
            throw error
        }
    }

    /// A terminal in the foreground without a console socket is ours to serve.
    private func console(_ id: String, _ options: inout CreateOptions) throws(OCIError) -> ConsoleReceiver? {
        guard options.consoleSocket == nil else { return nil }
        let configuration = "\(try HostFile.resolved(options.bundle))/config.json"
        guard try ContainerSpecification(parsing: HostFile.read(configuration)).process?.terminal == true else { return nil }
        try StateDirectory.check(id: id)
        let receiver = try ConsoleReceiver(path: "/tmp/swiftlet-oci-console-\(getpid())")
        options.consoleSocket = receiver.path
        return receiver
    }

    /// exec in the foreground; the program's exit code, or 0 at once when detached.
    public func execute(_ id: String, _ process: ProcessSpecification, _ options: ExecOptions, detach: Bool) throws(OCIError) -> Int32 {
        if detach {
            _ = try exec(id, process, options)
            return 0
        }
        ForegroundProcess.prepare()
        var options = options
        var receiver: ConsoleReceiver?
        if process.terminal, options.consoleSocket == nil {
            receiver = try ConsoleReceiver(path: "/tmp/swiftlet-oci-console-\(getpid())")
            options.consoleSocket = receiver?.path
        }
        let pid = try exec(id, process, options)
        let terminal = try receiver.map { receiver throws(OCIError) in TerminalProxy(master: try receiver.receive()) }
        return ForegroundProcess(pid: pid, terminal: terminal).wait()
    }
}
