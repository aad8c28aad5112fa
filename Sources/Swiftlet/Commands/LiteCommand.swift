// `swiftlet lite`: one organisation's node. Gets its certificate, then runs the agent over the sandbox runtime.
import Agent
import AgentCore
import ArgumentParser
import Cgroups
import Glibc
import KubernetesClient
import KubernetesClientHTTP
import Logging
import ProbeClient
import RegistryClient
import RuntimeInterface
import ServiceLifecycle

struct LiteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lite", abstract: "Run a Lite: it registers this machine as a node and runs its domain's tasks.",
        discussion: """
            SIGTERM stops it in order; its tasks go on and are found again at the next start. It may be killed at any moment. \
            Needs root: tasks get cgroups, namespaces and mounts of their own.

            With --kubeconfig it is a node of any Kubernetes cluster: FILE has a node's credentials (CN system:node:NAME, \
            O system:nodes) or a bootstrap token. The configuration is then optional.
            """)

    @Option(name: [.short, .long], help: "Its configuration (`swiftlet init --mode lite`).") var config = "kuscia.yaml"
    @Option(help: "Join the Kubernetes cluster of this kubeconfig instead of a Swiftlet master.") var kubeconfig: String?
    @Flag(help: "End the tasks too when stopping.") var stopTasksOnExit = false
    @Option(help: .hidden) var stopWithParent: String?

    /// Tasks have 30 s to end by themselves (their grace period), then are killed.
    static let shutdownLimit = Duration.seconds(55)

    func run() async throws {
        let (configuration, warnings) = try configuration()
        guard configuration.mode == .lite else {
            throw CommandFailure(
                "\(config): mode: expected lite, found \(configuration.mode.rawValue)", hint: "`swiftlet master` runs a master")
        }
        guard geteuid() == 0 || configuration.runtime == .runk else {
            throw CommandFailure("a Lite needs root", hint: "run it with sudo, or as a system service")
        }
        ProcessLog.bootstrap(configuration.logLevel)
        let logger = Logger(label: "lite")
        for warning in warnings { logger.warning("\(warning)") }
        let membership = try kubeconfig.map(ClusterMembership.init(kubeconfigPath:))
        let settings = try LiteSettings(configuration, configurationPath: config, membership: membership)
        try settings.check(configurationPath: config)
        try settings.makeDirectories()
        // Replicas of a Lite whose tasks run in a cluster share their state; which of them works is the Lease's to say.
        let isReplica = settings.isClusterOnly && settings.cluster?.leaderElection == true
        let lock = isReplica ? nil : try StateLock(directory: settings.stateDirectory)
        defer { lock?.release() }
        let (stopTasks, parent) = (stopTasksOnExit || settings.drainsOnStop, stopWithParent.flatMap(ProcessIdentity.init(text:)))
        if settings.isClusterOnly, let cluster = settings.cluster {
            return try await ClusterLite(settings: settings, cluster: cluster, stopTasks: stopTasks, logger: logger).run(
                parent: parent)
        }
        let lite = LiteProcess(settings: settings, stopTasks: stopTasks, logger: logger)
        try await lite.run(parent: parent)
    }

    /// Of the file; with --kubeconfig there need not be one.
    private func configuration() throws -> (configuration: KusciaConfiguration, warnings: [String]) {
        let isJoining = kubeconfig != nil
        if isJoining, !FileText.exists(config) { return (KusciaConfiguration(mode: .lite, domainID: ""), []) }
        return try KusciaConfiguration.load(path: config, joining: isJoining)
    }
}

/// The Lite's parts, joined.
struct LiteProcess {
    let settings: LiteSettings
    let stopTasks: Bool
    let logger: Logger

    func run(parent: ProcessIdentity?) async throws {
        let node = try NodeRuntime(settings, logger: Logger(label: "runp"))
        do {
            try await serve(node, parent: parent)
        } catch {
            // A start that was refused leaves nothing in the machine's memory either. What went wrong before is what counts.
            try? await node.releaseRecords()
            throw error
        }
        try await node.releaseRecords()
        if stopTasks { try node.removeCgroup() }
        logger.notice("lite ends")
    }

    private func serve(_ node: NodeRuntime, parent: ProcessIdentity?) async throws {
        let identity = try await identity()
        let api = try MasterConnection(settings).api(identity)
        let directory = settings.stateDirectory
        let cluster = try settings.cluster.map { try NodeCluster(settings, $0) }
        let registries = try RegistryClient(
            settings.images.registrySettings(directory: settings.configurationDirectory), log: Logger(label: "registry"))
        let images = NodeImages(
            store: node.store, client: registries,
            signatures: try settings.images.signaturePolicy(directory: settings.configurationDirectory),
            isLocal: settings.images.isLocal)
        let dependencies = AgentDependencies(
            // A cluster of others has no tunnel.
            api: api, runtime: node.runtime, tunnel: settings.membership == nil ? api : nil,
            images: images,
            facts: MachineFacts.read(), measure: { NodeMeasurement.measure(directory: directory) },
            parseManifest: { text, file in try StaticManifest.pod(text, file: file) },
            diskUse: { paths in
                let use = StorageMeasure().usage(of: paths)
                return (use.bytes, use.entries)
            },
            dialer: try NodeDialer(), remotePods: cluster?.remotePods(source: api, isStandard: false))
        for defect in node.images.defects() { logger.warning("image is not usable", metadata: ["defect": "\(defect)"]) }
        var config = settings.agentConfig(stopPolicy: stopTasks ? .drain : .leave)
        config.recordsInMemory = try node.prepareRecords()
        // Where writable layers, logs and emptyDir volumes lie: a stock scheduler places no pod that asks for storage on a node without any.
        let storage = NodeMeasurement.measure(directory: directory).diskTotalBytes
        if config.capacityStorageBytes == nil, storage > 0 { config.capacityStorageBytes = storage }
        let agent = AgentService(config: config, dependencies: dependencies, logger: Logger(label: "agent"))
        logger.notice(
            "lite starts",
            metadata: ["node": "\(settings.nodeName)", "master": "\(settings.masterURL)", "version": "\(SwiftletVersion.text)"])
        let watch = parent.map { ParentWatch(parent: $0, reaction: .vanish, logger: logger) }
        let renewal = LiteRenewal(settings: settings, api: api, logger: Logger(label: "certificate"))
        var services: [any Service] = [BackgroundService("certificate") { try await renewal.run(identity) }]
        if let port = settings.metricsPort {
            let pages = agent.pages
            services.append(BackgroundService("metrics") { try await LoopbackPages(port: port).serve { await pages.page($0) } })
        }
        if let cluster {
            services.append(
                BackgroundService("cluster credentials") { try await cluster.renewCredentials(Logger(label: "cluster")) })
        }
        services.append(AgentRun(agent: agent))
        try await ServiceRun.run(services, watch: watch, limit: LiteCommand.shutdownLimit, logger: logger)
        await api.shutdown()
        await registries.shutdown()
        await cluster?.http.shutdown()
    }

    /// From disk; else with the deploy token; renewed in time with itself.
    func identity() async throws -> LiteIdentity {
        let connection = try MasterConnection(settings)
        guard let known = try known() else {
            if case .bootstrapToken(let token)? = settings.membership?.credentials {
                return try await request(connection.api(token: token))
            }
            guard let token = settings.deployToken else {
                let hint = "`swiftlet token \(settings.domain ?? "DOMAIN")` on the master prints one"
                if let expired = try LiteIdentity.expired(stateDirectory: settings.stateDirectory) {
                    throw CommandFailure(
                        "\(expired.path): this node's certificate ended on \(HumanText.date(expired.end)), and "
                            + "liteDeployToken is not set",
                        hint: hint)
                }
                throw CommandFailure("this node has no certificate yet, and liteDeployToken is not set", hint: hint)
            }
            if let expired = try LiteIdentity.expired(stateDirectory: settings.stateDirectory) {
                logger.warning(
                    "this node's certificate is over: another is asked for with liteDeployToken",
                    metadata: ["file": "\(expired.path)", "end": "\(HumanText.date(expired.end))"])
            }
            return try await request(connection.api(token: token))
        }
        guard try known.isRenewalDue else { return known }
        do {
            return try await request(connection.api(known))
        } catch {
            logger.warning("certificate not renewed; the old one still holds", metadata: ["error": "\(error)"])
            return known
        }
    }

    /// What the node has: on disk, or in its kubeconfig, whichever holds longer.
    private func known() throws -> LiteIdentity? {
        let stored = try LiteIdentity.load(stateDirectory: settings.stateDirectory)
        guard let membership = settings.membership else {
            try stored?.check(node: settings.nodeName, domain: settings.domain, stateDirectory: settings.stateDirectory)
            return stored
        }
        let own = try stored?.isOf(node: settings.nodeName) == true ? stored : nil
        guard case .certificate(let pair) = membership.credentials else { return own }
        let given = LiteIdentity(pair: pair)
        guard let own, try own.end > given.end else { return given }
        return own
    }

    private func request(_ api: HTTPKubernetesAPI) async throws -> LiteIdentity {
        do {
            let identity = try await LiteIdentity.request(
                stateDirectory: settings.stateDirectory, node: settings.nodeName, domain: settings.domain, api: api)
            await api.shutdown()
            logger.notice("certificate received", metadata: ["node": "\(settings.nodeName)"])
            return identity
        } catch {
            await api.shutdown()
            throw LiteRefusal.failure(error, settings)
        }
    }
}

/// The agent as a service: its own way to stop, which says good-bye to the master.
struct AgentRun: Service {
    let agent: AgentService

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await agent.run()
        } onGracefulShutdown: {
            agent.shutDown()
        }
    }
}
