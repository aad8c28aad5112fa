// Keeps the processes of `swiftlet up` alive: starts one again that dies, and stops them in order.
import Glibc

/// One process of the cluster.
struct ManagedProcess: Sendable {
    /// "master" or a domain's id.
    var name: String
    var arguments: [String]
    var logPath: String
}

actor ProcessSupervisor {
    private let executable: String
    /// Called after every start, with all that run: the record on disk must know them before anything else happens.
    private let onStart: @Sendable ([String: ProcessIdentity]) throws -> Void
    private var running: [String: ChildProcess] = [:]
    private var loops: [String: Task<Void, Never>] = [:]
    private var stopping: Set<String> = []
    private var isStarted: Set<String> = []
    private var firstDeaths: [String: ChildProcess.End] = [:]

    init(executable: String, onStart: @escaping @Sendable ([String: ProcessIdentity]) throws -> Void) {
        self.executable = executable
        self.onStart = onStart
    }

    func start(_ process: ManagedProcess) throws {
        let child = try launch(process)
        loops[process.name] = Task { await self.keepAlive(process, child) }
    }

    /// From now on a death is repaired; before, `startUpDeath` tells it, so that the caller can give up.
    func markStarted(_ name: String) { isStarted.insert(name) }

    func startUpDeath(of name: String) -> ChildProcess.End? { firstDeaths[name] }

    private func launch(_ process: ManagedProcess) throws -> ChildProcess {
        let child = try ChildProcess.start(executable: executable, arguments: process.arguments, logPath: process.logPath)
        running[process.name] = child
        try onStart(running.mapValues(\.identity))
        return child
    }

    private func keepAlive(_ process: ManagedProcess, _ first: ChildProcess) async {
        var child: ChildProcess? = first
        var backOff = RestartBackOff()
        while !stopping.contains(process.name) {
            var lifetime = Duration.zero
            if let started = child {
                let begin = ContinuousClock.now
                let end = await started.end()
                lifetime = ContinuousClock.now - begin
                running[process.name] = nil
                guard !stopping.contains(process.name) else { return }
                guard isStarted.contains(process.name) else {
                    firstDeaths[process.name] = end
                    return
                }
                Terminal.error.line("swiftlet up: \(process.name) \(end); its log: \(process.logPath)")
            }
            let delay = backOff.delay(afterLiving: lifetime)
            Terminal.error.line("swiftlet up: starting \(process.name) again in \(delay) s")
            try? await Task.sleep(for: .seconds(delay))
            guard !stopping.contains(process.name) else { return }
            do {
                child = try launch(process)
            } catch {
                child = nil
                Terminal.error.line("swiftlet up: \(error)")
            }
        }
    }

    /// SIGTERM, and SIGKILL after `grace`. Returns when the named processes are gone.
    func stop(_ names: [String], grace: Duration) async {
        for name in names {
            stopping.insert(name)
            running[name]?.signal(SIGTERM)
        }
        for name in names {
            if let child = running[name], await !child.identity.waitForEnd(within: grace) {
                Terminal.error.line("swiftlet up: \(name) did not stop within \(grace.components.seconds) s and is killed")
                child.signal(SIGKILL)
            }
            loops[name]?.cancel()
            await loops[name]?.value
            running[name] = nil
        }
    }
}
