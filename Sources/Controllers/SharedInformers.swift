// One local copy of each kind for all controllers of a master: a kind is listed and watched once, however many controllers
// look at it.
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

public struct SharedInformers: Sendable {
    public let nodes: Informer<Node>
    public let leases: Informer<Lease>
    public let pods: Informer<Pod>
    public let configMaps: Informer<ConfigMap>
    public let services: Informer<Service>
    public let jobs: Informer<KusciaJob>
    public let tasks: Informer<KusciaTask>
    public let appImages: Informer<AppImage>
    public let domains: Informer<Domain>

    public init(api: any KubernetesAPI, logger: Logger) {
        nodes = Informer(api: api, logger: logger)
        leases = Informer(api: api, namespace: "kube-node-lease", logger: logger)
        pods = Informer(api: api, logger: logger)
        configMaps = Informer(api: api, logger: logger)
        services = Informer(api: api, logger: logger)
        jobs = Informer(api: api, logger: logger)
        tasks = Informer(api: api, logger: logger)
        appImages = Informer(api: api, logger: logger)
        domains = Informer(api: api, logger: logger)
    }

    /// Keeps all copies current until cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await nodes.run() }
            group.addTask { await leases.run() }
            group.addTask { await pods.run() }
            group.addTask { await configMaps.run() }
            group.addTask { await services.run() }
            group.addTask { await jobs.run() }
            group.addTask { await tasks.run() }
            group.addTask { await appImages.run() }
            group.addTask { await domains.run() }
        }
    }

    public func waitUntilSynced() async {
        await nodes.waitUntilSynced()
        await leases.waitUntilSynced()
        await pods.waitUntilSynced()
        await configMaps.waitUntilSynced()
        await services.waitUntilSynced()
        await jobs.waitUntilSynced()
        await tasks.waitUntilSynced()
        await appImages.waitUntilSynced()
        await domains.waitUntilSynced()
    }
}
