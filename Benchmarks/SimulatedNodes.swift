// Nodes without machines: the real agent over a runtime without processes, many in this process. Their pods are bound when they
// are created, start at once, and end at once.
import Agent
import AgentCore
import JSON
import KubernetesClientHTTP
import KubernetesModel
import Logging
import NIOCore
import RuntimeInterface

struct SimulatedNodes {
    /// Agents that register at a time.
    private static let startingAtOnce = 100
    /// One client has a bounded number of connections of each sort (256); each agent keeps one for its watch.
    private static let agentsPerClient = 240
    /// Each agent writes this file whole when it starts, and keeps it. Here it lies in memory beside thousands of others: of the
    /// usual 4 MiB they would fill 20 GB.
    private static let recordJournalBytes = 32 << 10

    let load: LoadCommands
    let kubeconfig: String

    func run(_ arguments: Arguments) async throws -> JSONValue {
        let count = try arguments.number("nodes", default: 100)
        let pods = try arguments.number("pods", default: 1000)
        let progress = NodesProgress(nodes: count, pods: pods, server: try arguments.number("pid", default: 0))
        progress.watch(limit: .seconds(try arguments.number("limit", default: 300)))
        let directory = try arguments.text("directory")
        let loaded = try Target.connection(kubeconfig).loaded()
        let apis = try (0...count / Self.agentsPerClient).map { _ in
            try HTTPKubernetesAPI(endpoint: loaded.endpoint, credentials: loaded.credentials)
        }
        _ = try await load.prepare()
        try await followNodes(progress)
        let agents = (0..<count).map { agent($0, directory, apis[$0 / Self.agentsPerClient]) }
        let first = try load.sample(arguments)
        let began = ContinuousClock.now
        try await start(agents, progress)
        let registered = began.duration(to: .now)
        let idleBefore = try load.sample(arguments)
        try await Task.sleep(for: .seconds(5))  // what an idle cluster costs its master
        let before = try load.sample(arguments)
        let seconds = try await runPods(pods, nodes: count, progress)
        let after = try load.sample(arguments)
        var figures: [(String, JSONValue)] = [
            (
                "register_seconds",
                .double(Double(registered.components.seconds) + Double(registered.components.attoseconds) / 1e18)
            ),
            ("pods_per_second", .double(Double(pods) / seconds)),
        ]
        if let first, let idleBefore, let before, let after {
            figures += [
                ("server_cpu_us_per_node", .double((idleBefore.cpuSeconds - first.cpuSeconds) * 1e6 / Double(max(1, count)))),
                ("server_idle_percent", .double((before.cpuSeconds - idleBefore.cpuSeconds) / 5 * 100)),
                ("server_cpu_us_per_pod", .double((after.cpuSeconds - before.cpuSeconds) * 1e6 / Double(max(1, pods)))),
                ("resident_kib", .int(Int64(after.residentKiB))),
            ]
        }
        // The nodes lose their power with this process: thousands of good-byes would only take time.
        return .object(JSONObject(figures))
    }

    private func agent(_ number: Int, _ directory: String, _ api: HTTPKubernetesAPI) -> AgentService {
        let runtime = FakeRuntime(now: { SystemClock().now() })
        runtime.exitOnStart(container: "main", code: 0)
        var logger = Logger(label: "agent")
        logger.logLevel = .critical
        var config = AgentConfig(
            nodeName: Self.name(number), domain: BenchPod.namespace, stateDirectory: "\(directory)/\(number)/state",
            dataDirectory: "\(directory)/\(number)/data", nodeIP: "10.0.\(number / 250).\(number % 250 + 1)",
            capacityCPUMillis: 64_000, capacityMemoryBytes: 256 << 30, maxPods: 10_000)
        config.recordJournalBytes = Self.recordJournalBytes
        return AgentService(
            config: config,
            dependencies: AgentDependencies(
                api: api, runtime: runtime, images: LocalImages(names: { ["psi:0.9.5"] }, isPresent: { _ in true }),
                facts: MachineFacts(
                    hostname: Self.name(number), cpuMillis: 64_000, memoryBytes: 256 << 30, machineID: "machine-\(number)",
                    bootID: "boot",
                    kernelVersion: "6.1", osImage: "simulated", architecture: "amd64"),
                measure: {
                    NodeMeasurement(
                        memoryAvailableBytes: 200 << 30, diskFreeBytes: 500 << 30, diskTotalBytes: 1000 << 30,
                        inodesFree: 1_000_000,
                        inodesTotal: 2_000_000, processes: 100, processLimit: 32768)
                },
                takenPorts: { _ in [] }),
            logger: logger)
    }

    private static func name(_ number: Int) -> String { "sim-\(number)" }

    /// Tells `progress` how many nodes are Ready, for as long as this process runs.
    private func followNodes(_ progress: NodesProgress) async throws {
        let observer = try await load.open(1)[0]
        let counter = NodeCounter(progress)
        try await load.loop.submit {
            let lines = WatchLines { counter.take($0, $1) }
            observer.onChunk = { lines.take($0) }
            observer.onClose = { progress.say("the watch of nodes has ended: what is Ready is not counted any more") }
            observer.send(observer.request("GET", "/api/v1/nodes?watch=true"))
        }.get()
    }

    /// Returns when all have registered; they run on.
    private func start(_ agents: [AgentService], _ progress: NodesProgress) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, agent) in agents.enumerated() {
                if number >= Self.startingAtOnce { try await group.next() }
                Task {
                    do { try await agent.run() } catch { progress.fail("\(agent.config.nodeName): \(error)") }
                }
                group.addTask {
                    await agent.waitUntilRegistered()
                    progress.registered()
                }
            }
            try await group.waitForAll()
        }
    }

    /// Seconds from the first creation to the last pod's Succeeded, as a client that watches sees it.
    private func runPods(_ count: Int, nodes: Int, _ progress: NodesProgress) async throws -> Double {
        let connections = try await load.open(33)
        let observer = connections[32]
        let revision = try await load.revision(observer)
        let loop = load.loop
        let done = loop.makePromise(of: Void.self)
        let templates = (0..<nodes).map { node in
            RequestTemplate(
                observer.request("POST", BenchPod.collection, BenchPod.plainJSON(name: "sim-NUMBER____", node: Self.name(node))))
        }
        let counter = PodCounter(count, progress) { done.succeed() }
        let started = NIODeadline.now()
        let run = LoadRun(
            Array(connections.prefix(32)), on: loop, pace: .closed, seconds: 600, limit: count, first: 0,
            make: { templates[$0 % nodes].request($0) })
        try await loop.submit {
            let lines = WatchLines { counter.take($0, $1) }
            observer.onChunk = { lines.take($0) }
            observer.onClose = { done.fail(BenchError("the watch ended before all pods had")) }
            observer.send(observer.request("GET", "\(BenchPod.collection)?watch=true&resourceVersion=\(revision)"))
        }.get()
        let result = try await run.run().get()
        guard result.failed == 0 else { throw BenchError("create: \(result.firstFailure ?? "failed")") }
        try await done.futureResult.get()
        let seconds = Double((NIODeadline.now() - started).nanoseconds) / 1e9
        try await loop.submit { observer.onClose = nil }.get()
        for connection in connections { connection.close() }
        return seconds
    }
}
