// Carrying a plan out: in our place when nobody asks for a report, else as a child whose record becomes the report.
import Glibc
import JSON
import SandboxPolicy
import Synchronization

struct RunTask {
    let plan: RunPlan
    let launcher: Launcher
    let networks: (any RunNetworkProvider)?
    /// Of the plan's ids; it lasts as long as this process, or the launcher in its place.
    let claim: IDClaim?

    init(_ plan: RunPlan, launcher: Launcher, networks: (any RunNetworkProvider)? = nil, claim: IDClaim? = nil) {
        self.plan = plan
        self.launcher = launcher
        self.networks = networks
        self.claim = claim
    }

    /// The exit status of `swiftlet run`.
    func run() throws(RunFailure) -> Int32 {
        if case .cni(let name) = plan.options.network {
            let directory = try ScratchDirectory("swiftlet-run")
            let network = try RunNetwork(name, plan: plan, launcher: launcher, directory: directory.path, provider: networks)
            defer { network.release() }
            return try follow(plan.joining(network))
        }
        if plan.options.report == .none, plan.options.seccompLearn == nil, plan.watchedGroup == nil, !plan.options.terminal {
            claim?.outliveExec()
            try launcher.become(plan.launch)
        }
        return try follow(plan)
    }

    /// As a child, whose record becomes the report.
    private func follow(_ plan: RunPlan) throws(RunFailure) -> Int32 {
        // Opened before the task runs: a report that cannot be written is no surprise at the end.
        let report = try openReport()
        let scratch = try ScratchDirectory("swiftlet-run")
        let terminal = plan.options.terminal ? try RunTerminal(directory: scratch.path) : nil
        let launch = try terminal.map { terminal throws(RunFailure) in try plan.with(terminal).launch } ?? plan.launch
        let child = try launcher.start(launch, stateDirectory: scratch.path)
        RunSignals.forward(to: child)
        let thrashing = try RunThrashing(plan, stateDirectory: scratch.path)
        var cut: RunFailure?
        do throws(RunFailure) { try terminal?.serve(until: child) } catch {
            cut = error
            RunSignals.send(SIGTERM)
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw .system("launcher", "wait") }
        }
        RunSignals.stop()
        if let cut { throw cut }
        let record = SmallFile.readBytes(scratch.path + "/state.json").flatMap { try? JSONValue(parsing: $0) }
        let code = exitStatus(record, launcher: status)
        if let path = plan.options.seccompLearn { try RunLesson.write(path, of: plan.options.command) }
        if let words = thrashing?.words { RunProgram.print("swiftlet run: the task \(words)\n", to: STDERR_FILENO) }
        let text = RunReport(record: record, exitCode: code, unenforced: plan.unenforced, thrashed: thrashing?.words).text
        guard plan.options.report == .none || SmallFile.write(Array(text.utf8), to: report) else {
            throw .system("--json", "the report")
        }
        if record?["phase"]?.stringValue != "exited" {
            RunProgram.print("swiftlet run: \(startError(record))\n", to: STDERR_FILENO)
        }
        return code
    }

    private func openReport() throws(RunFailure) -> Int32 {
        switch plan.options.report {
        case .none: return STDERR_FILENO
        case .descriptor(let number):
            guard fcntl(number, F_GETFD) >= 0 else {
                throw RunFailure(
                    field: "--json", found: "descriptor \(number), which is not open", expected: "an open descriptor",
                    hint: "--json=\(number) \(number)>FILE")
            }
            return number
        case .file(let path):
            let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
            guard descriptor >= 0 else { throw .system("--json", path) }
            return descriptor
        }
    }

    /// The launcher's own statuses are told apart by its record: only an ended task has an exit code of its own.
    private func exitStatus(_ record: JSONValue?, launcher status: Int32) -> Int32 {
        if record?["phase"]?.stringValue == "exited", let code = record?["exitCode"]?.intValue {
            return Int32(truncatingIfNeeded: code)
        }
        let stage = record?["error"]?["stage"]?.stringValue ?? ""
        guard stage.hasPrefix("exec(") else { return RunExit.failure }
        return record?["error"]?["errno"]?.intValue == Int64(ENOENT) ? RunExit.notFound : RunExit.notExecutable
    }

    private func startError(_ record: JSONValue?) -> String {
        guard let error = record?["error"], let stage = error["stage"]?.stringValue else { return "the launcher left no record" }
        return "\(stage): \(error["message"]?.stringValue ?? "failed")"
    }
}

/// Signals that end or stop a program go to the launcher, which passes them on and grants the grace.
enum RunSignals {
    private static let child = Atomic<Int32>(0)
    private static let forwarded = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]

    static func forward(to pid: pid_t) {
        child.store(pid, ordering: .sequentiallyConsistent)
        for number in forwarded {
            signal(number) { number in
                let pid = RunSignals.child.load(ordering: .sequentiallyConsistent)
                if pid > 0 { kill(pid, number) }
            }
        }
    }

    /// One of our own.
    static func send(_ number: Int32) {
        let pid = child.load(ordering: .sequentiallyConsistent)
        if pid > 0 { kill(pid, number) }
    }

    /// Before the child's number is free again.
    static func stop() { child.store(0, ordering: .sequentiallyConsistent) }
}
