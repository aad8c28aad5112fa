// A Lite whose tasks all run in the organisation's own cluster: no sandbox, no root, and, where it is wished, several replicas of
// which one leads.
import Agent
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import Logging
import PKI
import RunK
import RuntimeInterface
import ServiceLifecycle

struct ClusterLite {
    let settings: LiteSettings
    let cluster: KusciaConfiguration.Cluster
    let stopTasks: Bool
    let logger: Logger

    func run(parent: ProcessIdentity?) async throws {
        let target = try NodeCluster(settings, cluster)
        do { try await run(target, parent) } catch {
            await target.http.shutdown()
            throw error
        }
        // Behind the election: the lease is given back through it.
        await target.http.shutdown()
    }

    private func run(_ target: NodeCluster, _ parent: ProcessIdentity?) async throws {
        guard cluster.leaderElection else { return try await lead(target, parent) }
        let elector = LeaderElector(
            api: target.api, namespace: cluster.namespace, name: "\(settings.nodeName)-agent",
            identity: "\(MachineFacts.read().hostname)_\(String(UInt64.random(in: 0...UInt64.max), radix: 36))",
            now: { MicroTimestamp(Timestamp(unixSeconds: unixNow())) }, logger: Logger(label: "leader"))
        let election = Election(elector) { try await lead(target, parent) }
        guard try await election.run(logger: logger) else {
            throw CommandFailure(
                "another replica may lead now: the lease \(cluster.namespace)/\(settings.nodeName)-agent could not be renewed",
                hint: "whoever runs this process starts it again")
        }
    }

    private func lead(_ target: NodeCluster, _ parent: ProcessIdentity?) async throws {
        let lite = LiteProcess(settings: settings, stopTasks: stopTasks, logger: logger)
        let identity = try await lite.identity()
        let api = try MasterConnection(settings).api(identity)
        var config = settings.agentConfig(stopPolicy: stopTasks ? .drain : .leave)
        try await target.capacity(&config)
        // This machine's memory and disk are not what tasks use.
        config.evictionThresholds = EvictionThresholds([])
        config.isReplicated = cluster.leaderElection
        var facts = MachineFacts.read()
        if cluster.leaderElection { facts.machineID = "runk-\(cluster.namespace)" }
        let directory = settings.stateDirectory
        let agent = AgentService(
            config: config,
            dependencies: AgentDependencies(
                api: api, runtime: ClusterOnlyRuntime(), tunnel: settings.membership == nil ? api : nil,
                images: LocalImages(names: { [] }, isPresent: { _ in false }), facts: facts,
                measure: { NodeMeasurement.measure(directory: directory) },
                parseManifest: { text, file in try StaticManifest.pod(text, file: file) },
                remotePods: target.remotePods(source: api, isStandard: true)),
            logger: Logger(label: "agent"))
        logger.notice(
            "lite starts",
            metadata: [
                "node": "\(settings.nodeName)", "master": "\(settings.masterURL)", "cluster": "\(target.server)",
                "namespace": "\(cluster.namespace)", "version": "\(SwiftletVersion.text)",
            ])
        let watch = parent.map { ParentWatch(parent: $0, reaction: .vanish, logger: logger) }
        let renewal = LiteRenewal(settings: settings, api: api, logger: Logger(label: "certificate"))
        var services: [any ServiceLifecycle.Service] = [
            BackgroundService("certificate") { try await renewal.run(identity) },
            BackgroundService("cluster credentials") { try await target.renewCredentials(Logger(label: "cluster")) },
        ]
        if let port = settings.metricsPort {
            let pages = agent.pages
            services.append(BackgroundService("metrics") { try await LoopbackPages(port: port).serve { await pages.page($0) } })
        }
        services.append(AgentRun(agent: agent))
        try await ServiceRun.run(services, watch: watch, limit: LiteCommand.shutdownLimit, logger: logger)
        await api.shutdown()
        logger.notice("lite ends")
    }
}
