// `swiftlet master`: the store, the API server and the controllers in one process.
import APIServer
import APIServerHTTP
import ArgumentParser
import Controllers
import Glibc
import Logging
import ResourceStore
import ServiceLifecycle

struct MasterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "master", abstract: "Run a master: it stores, schedules, and serves the API.",
        discussion: "SIGTERM stops it in order; it may be killed at any moment. Tasks do not notice.")

    @Option(name: [.short, .long], help: "Its configuration (`swiftlet init --mode master`).") var config = "kuscia.yaml"
    @Option(help: .hidden) var stopWithParent: String?

    /// Open requests and watches end within a second and a half; the rest is for a slow disk.
    static let shutdownLimit = Duration.seconds(10)

    func run() async throws {
        let (configuration, warnings) = try KusciaConfiguration.load(path: config, mode: .master)
        guard configuration.mode == .master else {
            throw CommandFailure(
                "\(config): mode: expected master, found \(configuration.mode.rawValue)", hint: "`swiftlet lite` runs a Lite")
        }
        ProcessLog.bootstrap(configuration.logLevel)
        let logger = Logger(label: "master")
        for warning in warnings { logger.warning("\(warning)") }
        let master = try MasterProcess(configuration, configurationPath: config, logger: logger)
        try await master.run(parent: stopWithParent.flatMap(ProcessIdentity.init(text:)))
    }
}

/// The master's parts, joined.
struct MasterProcess {
    private let store: JournaledStore
    private let front: APIServerService
    private let api: LocalKubernetesAPI
    /// The cluster's CA, PEM: every namespace gets it.
    private let authority: String
    private let tokens: DeployTokens
    private let security: MasterSecurity
    private let renewal: MasterRenewal
    private let identity: MasterIdentity
    private let logger: Logger
    private let listening: MasterListening

    init(_ configuration: KusciaConfiguration, configurationPath: String, logger: Logger) throws {
        let settings = configuration.extensions
        let state = MasterState(configuration, configurationPath: configurationPath)
        listening = MasterListening(settings)
        try state.make()
        identity = try MasterIdentity(state, names: listening.certificateNames)
        store = try MasterStore.open(state)
        let handler = APIHandler(
            store: store, now: { Int64(time(nil)) }, certificateSigner: AuthorityCertificateSigner(identity.authority),
            log: Logger(label: "apiserver"))
        api = LocalKubernetesAPI(handler: handler)
        authority = identity.authority.certificatePEM
        tokens = DeployTokens(api: api, logger: Logger(label: "deploytokens"))
        security = try MasterSecurity(state, store: store, handler: handler, deployTokens: tokens)
        front = try APIServerService(
            configuration: APIServerConfiguration(
                host: listening.host, port: listening.port, serverCertificate: identity.server,
                clientAuthorityPEM: identity.authority.certificatePEM),
            handler: handler, tokens: security.authenticator, log: Logger(label: "apiserver.http"))
        try identity.writeKubeconfig(state, server: listening.url)
        renewal = MasterRenewal(
            state: state, names: listening.certificateNames, url: listening.url, front: front,
            logger: Logger(label: "certificates"))
        self.logger = logger
        logger.notice(
            "master starts",
            metadata: ["listen": "\(listening)", "state": "\(state.path)", "version": "\(SwiftletVersion.text)"])
    }

    func run(parent: ProcessIdentity?) async throws {
        try await security.installPolicy()
        try await BootstrapNamespaces.create(api)
        if let warning = await MasterAuthority.warning(api, authority: authority) { logger.warning("\(warning)") }
        let manager = ControllerManager(
            api: api, now: WallClock.now, authority: authority, isStaleRequest: CertificateRequestPolicy.isStale,
            logger: Logger(label: "controllers"))
        // Stopped in the opposite order: who writes first, the front last.
        let services: [any Service] = [
            front, BackgroundService("deploy tokens") { await tokens.run() },
            BackgroundService("controllers") { await manager.run() },
            BackgroundService("certificates") { try await renewal.run(identity.server) },
        ]
        do {
            try await ServiceRun.run(
                services, watch: parent.map { ParentWatch(parent: $0, reaction: .stop, logger: logger) },
                limit: MasterCommand.shutdownLimit, logger: logger)
        } catch {
            await store.close()
            throw listening.failure(error) ?? error
        }
        await store.close()
        logger.notice("master ends")
    }
}
