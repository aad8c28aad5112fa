// `swiftlet up`: a whole cluster on this machine, a master and a Lite per domain as processes of their own.
import ArgumentParser
import Logging
import ServiceLifecycle

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Start a master and a node per domain on this machine; Ctrl-C stops everything.",
        discussion: """
            Everything lies in one state directory: keys, store, logs, results. Starting again on the same directory goes on \
            with what is there. A process that dies is started again; tasks outlive it.
            """)

    @Option(help: "The state directory.") var state = StateDirectory.defaultPath
    @Option(help: "The domains, separated by commas: a node for each.") var domains = "alice,bob"
    @Option(help: "DOMAIN=DIRECTORY: files that the domain's tasks see, read-only. May be repeated.") var data: [String] = []
    @Option(help: "An image for every node: a built-in one (JSON file), or an archive (tar). May be repeated.") var image:
        [String] = []
    @Option(help: "The master's port on 127.0.0.1; 0 takes a free one.") var port = 6443

    /// Longer than the nodes' own limits for draining; after it the group gives up on order.
    static let shutdownLimit = Duration.seconds(120)

    func validate() throws {
        try ArgumentChecks.name(state, "--state")
        try ArgumentChecks.number(port, "--port", in: 0...65_535)
    }

    func run() async throws {
        let plan = try UpPlan(state: state, domains: domains, data: data, images: image, port: port)
        guard let lock = try StateDirectoryLock.acquire(plan.state) else {
            let owner = UpRecord.read(from: plan.state).map { " (process \($0.up.pid))" } ?? ""
            throw CommandFailure(
                "a cluster is already up on \(plan.state.path)\(owner)",
                hint: "`swiftlet down --state \(state)` stops it; --state names another directory")
        }
        let service = UpService(plan: plan, lock: lock)
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
            gracefulShutdownSignals: [.sigterm, .sigint, .sighup],
            logger: Logger(label: "swiftlet.up") { _ in SwiftLogNoOpLogHandler() })
        configuration.maximumGracefulShutdownDuration = Self.shutdownLimit
        try await ServiceGroup(configuration: configuration).run()
    }
}
