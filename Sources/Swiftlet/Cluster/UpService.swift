// The life of `swiftlet up`: master first, then the nodes, then waiting; at the end the nodes first, then the master.
import Glibc
import JSON
import ServiceLifecycle

struct UpService: Service {
    let plan: UpPlan
    /// Held while we live.
    let lock: StateDirectoryLock

    static let masterStartLimit = Duration.seconds(30)
    static let nodeStartLimit = Duration.seconds(60)
    /// A node ends its tasks within their grace period (30 s at most by default) before it goes.
    static let nodeStopLimit = Duration.seconds(60)
    static let masterStopLimit = Duration.seconds(15)

    func run() async throws {
        let begin = ContinuousClock.now
        unlink(plan.state.ready)
        try plan.state.make(domains: plan.domains)
        try await stopLeftBehind()
        let supervisor = ProcessSupervisor(executable: plan.executable) { [plan] children in
            try UpRecord(up: .current, children: children, port: plan.port, domains: plan.domains).write(to: plan.state)
        }
        do {
            try await cancelWhenGracefulShutdown { try await start(supervisor, begin: begin) }
            try? await gracefulShutdown()
        } catch {
            await stop(supervisor)
            if error is CancellationError { return }
            throw error
        }
        await stop(supervisor)
    }

    private func start(_ supervisor: ProcessSupervisor, begin: ContinuousClock.Instant) async throws {
        try UpConfiguration(plan: plan).writeMaster()
        try await supervisor.start(process("master", arguments: ["master"], directory: plan.state.master))
        try await waitForMaster(supervisor)
        let connection = try Connection(kubeconfigPath: plan.state.kubeconfig)
        do {
            try await startNodes(supervisor, connection)
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
        try announce(after: ContinuousClock.now - begin)
    }

    private func process(_ name: String, arguments: [String], directory: String) -> ManagedProcess {
        let common = ["--config", "\(directory)/kuscia.yaml", "--stop-with-parent", ProcessIdentity.current.text]
        return ManagedProcess(name: name, arguments: arguments + common, logPath: plan.state.log(name))
    }

    private func startNodes(_ supervisor: ProcessSupervisor, _ connection: Connection) async throws {
        let domains = DomainRegistry(api: connection.api)
        for domain in plan.domains {
            try await domains.register(domain)
            let isKnown = FileText.exists(LiteIdentity.certificatePath(stateDirectory: plan.state.node(domain)))
            let token = isKnown ? nil : try await domains.unusedToken(of: domain)
            try UpConfiguration(plan: plan).writeNode(domain, deployToken: token)
            try await UpConfiguration(plan: plan).loadArchives(domain)
            let lite = process(domain, arguments: ["lite", "--stop-tasks-on-exit"], directory: plan.state.node(domain))
            try await supervisor.start(lite)
        }
        try await waitForNodes(supervisor, connection)
    }

    private func waitForMaster(_ supervisor: ProcessSupervisor) async throws {
        try await within(Self.masterStartLimit, of: "the master", supervisor, names: ["master"]) {
            while true {
                if FileText.exists(MasterState(plan.state.master).kubeconfig),
                    let connection = try? Connection(
                        kubeconfigPath: MasterState(plan.state.master).kubeconfig)
                {
                    let answers =
                        (try? await connection.api.list(ResourceName.namespace.resource, namespace: nil, options: .init())) != nil
                    await connection.close()
                    if answers { break }
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        guard let kubeconfig = FileText.bytes(MasterState(plan.state.master).kubeconfig) else {
            throw CommandFailure("the master wrote no kubeconfig", hint: "its log: \(plan.state.log("master"))")
        }
        try FileText.write(bytes: kubeconfig, to: plan.state.kubeconfig, mode: 0o600)
    }

    private func waitForNodes(_ supervisor: ProcessSupervisor, _ connection: Connection) async throws {
        let waiter = NodeReadiness(api: connection.api, nodes: plan.domains)
        try await within(Self.nodeStartLimit, of: "the nodes", supervisor, names: plan.domains) { try await waiter.wait() }
    }

    /// Runs `body`, but gives up when one of the processes dies or the time is over.
    private func within(
        _ limit: Duration, of what: String, _ supervisor: ProcessSupervisor, names: [String],
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let plan = plan
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while true {
                    for name in names {
                        guard let end = await supervisor.startUpDeath(of: name) else { continue }
                        throw CommandFailure(
                            "\(name) \(end) while starting:\n\(LogTail.of(plan.state.log(name)))",
                            hint: "its whole log: \(plan.state.log(name))")
                    }
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw CommandFailure(
                    "\(what) did not get ready within \(limit.components.seconds) s",
                    hint: "the logs in \(plan.state.logs) say why")
            }
            try await group.next()
            group.cancelAll()
        }
        for name in names { await supervisor.markStarted(name) }
    }

    /// Processes of an `up` that was killed: they stop by themselves when they see it, but not before they see it.
    private func stopLeftBehind() async throws {
        guard let record = UpRecord.read(from: plan.state) else { return }
        for (name, identity) in record.children where identity.isAlive {
            Terminal.error.line("swiftlet up: stopping \(name) (process \(identity.pid)) of a former run")
            identity.signal(SIGTERM)
            if await !identity.waitForEnd(within: Self.nodeStopLimit) { identity.signal(SIGKILL) }
        }
    }

    private func stop(_ supervisor: ProcessSupervisor) async {
        unlink(plan.state.ready)
        Terminal.output.line("stopping: tasks and nodes first, then the master")
        await supervisor.stop(plan.domains, grace: Self.nodeStopLimit)
        await supervisor.stop(["master"], grace: Self.masterStopLimit)
        unlink(plan.state.record)
        Terminal.output.line("stopped; state, logs and results stay in \(plan.state.path)")
    }

    private func announce(after duration: Duration) throws {
        let terminal = Terminal.output
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        let url = "https://127.0.0.1:\(plan.port)"
        terminal.line(
            terminal.styled("Swiftlet is up", .green)
                + ": master \(url), nodes \(plan.domains.joined(separator: ", ")) Ready after \((seconds * 10).rounded() / 10) s")
        for (name, path) in [("kubeconfig", plan.state.kubeconfig), ("logs", plan.state.logs)] {
            terminal.line("  \(name)\(String(repeating: " ", count: 12 - name.count))\(path)")
        }
        terminal.line("Try in another terminal:")
        terminal.line("  export KUBECONFIG=\(ShellText.quoted(plan.state.kubeconfig))")
        terminal.line("  swiftlet get nodes")
        terminal.line("  swiftlet submit FILE --wait")
        terminal.line("Ctrl-C stops everything.")
        let ready: JSONValue = [
            "pid": .int(Int64(ProcessIdentity.current.pid)), "server": .string(url), "kubeconfig": .string(plan.state.kubeconfig),
            "nodes": .array(plan.domains.map { .string($0) }),
        ]
        try FileText.write(bytes: ready.serialized(pretty: true), to: plan.state.ready)
    }
}
