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
        nodes = Informer(
            api: api, indexes: [NodeIndex.domain: { $0.metadata.labels[KusciaLabel.nodeNamespace].map { [$0] } ?? [] }],
            logger: logger)
        leases = Informer(api: api, namespace: "kube-node-lease", logger: logger)
        pods = Informer(api: api, indexes: PodIndex.all, slim: PodIndex.slim, logger: logger)
        configMaps = Informer(api: api, logger: logger)
        services = Informer(api: api, logger: logger)
        jobs = Informer(api: api, logger: logger)
        tasks = Informer(api: api, logger: logger)
        appImages = Informer(api: api, logger: logger)
        domains = Informer(api: api, logger: logger)
    }

    /// The pods that are bound to a node.
    func pods(on node: String) -> [Pod] { pods.objects(in: PodIndex.node, node) }
    /// The pods of a task, by its name.
    func pods(ofTask task: String) -> [Pod] { pods.objects(in: PodIndex.task, task) }
    func pods(ownedBy uid: String) -> [Pod] { pods.objects(in: PodIndex.owner, uid) }

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

enum NodeIndex {
    static let domain = "domain"
}

/// How pods are found without looking at all of them.
enum PodIndex {
    static let node = "node"
    static let task = "task"
    static let owner = "owner"
    static let namespace = "namespace"
    /// Pods that pod garbage collection has an eye on; see `PodGarbage.watch`.
    static let garbage = "garbage"

    static let all: [String: Informer<Pod>.IndexKeys] = [
        node: { $0.spec.nodeName.flatMap { $0.isEmpty ? nil : [$0] } ?? [] },
        task: { $0.metadata.labels[KusciaLabel.taskID].map { [$0] } ?? [] },
        owner: { $0.metadata.ownerReferences.map(\.uid) },
        namespace: { [$0.metadata.namespace ?? ""] },
        garbage: { PodGarbage.watch($0).map { [$0.rawValue] } ?? [] },
    ]

    /// No controller reads these; a pod without them takes a fraction of the memory.
    static func slim(_ pod: inout Pod) {
        pod.spec.volumes = []
        pod.spec.dnsConfig = nil
        pod.spec.hostAliases = []
        for index in pod.spec.containers.indices { slim(&pod.spec.containers[index]) }
        for index in pod.spec.initContainers.indices { slim(&pod.spec.initContainers[index]) }
    }

    private static func slim(_ container: inout Container) {
        container.command = []
        container.args = []
        container.env = []
        container.envFrom = []
        container.volumeMounts = []
        container.livenessProbe = nil
        container.readinessProbe = nil
        container.startupProbe = nil
        container.securityContext = nil
    }
}
