// One local copy of each kind for all controllers of a master: a kind is listed and watched once, however many controllers
// look at it.
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

public struct SharedInformers: Sendable {
    /// Where nodes keep their leases.
    static let leaseNamespace = "kube-node-lease"

    public let nodes: Informer<Node>
    let leases: Informer<LeaseView>
    let pods: Informer<PodView>
    public let configMaps: Informer<ConfigMap>
    public let services: Informer<Service>
    public let jobs: Informer<KusciaJob>
    public let tasks: Informer<KusciaTask>
    public let appImages: Informer<AppImage>
    public let domains: Informer<Domain>
    let claims: Informer<PersistentVolumeClaim>
    let volumes: Informer<PersistentVolume>

    public init(api: any KubernetesAPI, logger: Logger) {
        nodes = Informer(
            api: api, indexes: [NodeIndex.domain: { $0.metadata.labels[KusciaLabel.nodeNamespace].map { [$0] } ?? [] }],
            logger: logger)
        leases = Informer(api: api, namespace: Self.leaseNamespace, logger: logger)
        pods = Informer(api: api, indexes: PodIndex.all, logger: logger)
        configMaps = Informer(api: api, logger: logger)
        services = Informer(api: api, logger: logger)
        jobs = Informer(api: api, logger: logger)
        tasks = Informer(api: api, indexes: TaskIndex.all, logger: logger)
        appImages = Informer(api: api, logger: logger)
        domains = Informer(api: api, logger: logger)
        claims = Informer(api: api, logger: logger)
        volumes = Informer(api: api, indexes: VolumeIndex.all, logger: logger)
    }

    /// The pods that are bound to a node.
    func pods(on node: String) -> [PodView] { pods.objects(in: PodIndex.node, node) }
    /// The pods of a task, by its name.
    func pods(ofTask task: String) -> [PodView] { pods.objects(in: PodIndex.task, task) }
    func pods(ownedBy uid: String) -> [PodView] { pods.objects(in: PodIndex.owner, uid) }
    /// The pods that name a claim, whether it is there or not.
    func consumers(of claim: ObjectKey) -> [PodView] { pods.objects(in: PodIndex.claim, claim.description) }
    /// The volumes that were made for claims of this name.
    func volumes(of claim: ObjectKey) -> [PersistentVolume] { volumes.objects(in: VolumeIndex.claim, claim.description) }

    /// The tasks that carry a job's label.
    func tasks(ofJob job: ObjectKey) -> [KusciaTask] { tasks.objects(in: TaskIndex.job, job.description) }

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
            group.addTask { await claims.run() }
            group.addTask { await volumes.run() }
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
        await claims.waitUntilSynced()
        await volumes.waitUntilSynced()
    }
}

extension SharedInformers {
    typealias LifeHandler = @Sendable (ObjectIdentity, LifeMetadata, _ isDeleted: Bool) -> Void

    /// The kinds of which all objects are here and that are watched for others, too. Leases are not: only the nodes' are.
    static let copied: Set<GroupVersionResource> = [
        Node.resource, Pod.resource, ConfigMap.resource, Service.resource, KusciaJob.resource, KusciaTask.resource,
        AppImage.resource, Domain.resource, PersistentVolumeClaim.resource, PersistentVolume.resource,
    ]

    /// Tells of each change of any of `copied` what it means for who stays.
    func onLife(_ handler: @escaping LifeHandler) {
        Self.follow(pods, handler) { $0.life }
        Self.follow(nodes, handler)
        Self.follow(configMaps, handler)
        Self.follow(services, handler)
        Self.follow(jobs, handler)
        Self.follow(tasks, handler)
        Self.follow(appImages, handler)
        Self.follow(domains, handler)
        Self.follow(claims, handler)
        Self.follow(volumes, handler)
    }

    private static func follow<T: KubernetesObject>(_ informer: Informer<T>, _ handler: @escaping LifeHandler) {
        follow(informer, handler) { LifeMetadata($0.metadata) }
    }

    private static func follow<T: ObservedObject>(
        _ informer: Informer<T>, _ handler: @escaping LifeHandler, _ life: @escaping @Sendable (T) -> LifeMetadata
    ) {
        informer.onEvent { event in
            if case .updated(let old, let new) = event, life(old) == life(new) { return }
            let key = event.object.observedKey
            let identity = ObjectIdentity(resource: T.resource, namespace: key.namespace, name: key.name)
            if case .deleted = event {
                handler(identity, life(event.object), true)
            } else {
                handler(identity, life(event.object), false)
            }
        }
    }
}

enum NodeIndex {
    static let domain = "domain"
}

enum TaskIndex {
    static let job = "job"

    static let all: [String: Informer<KusciaTask>.IndexKeys] = [
        job: { task in task.metadata.labels[KusciaLabel.jobID].map { ["\(task.metadata.namespace ?? "")/\($0)"] } ?? [] }
    ]
}

enum VolumeIndex {
    static let claim = "claim"

    static let all: [String: Informer<PersistentVolume>.IndexKeys] = [claim: { $0.claimKey.map { [$0.description] } ?? [] }]
}

/// How pods are found without looking at all of them.
enum PodIndex {
    static let node = "node"
    static let task = "task"
    static let owner = "owner"
    static let claim = "claim"
    /// Pods that pod garbage collection has an eye on; see `PodGarbage.watch`.
    static let garbage = "garbage"

    static let all: [String: Informer<PodView>.IndexKeys] = [
        node: { $0.nodeName.map { [$0] } ?? [] },
        task: { $0.task.map { [$0] } ?? [] },
        owner: { $0.owners.map(\.uid) },
        claim: { pod in pod.claims.map { ObjectKey(namespace: pod.namespace, name: $0).description } },
        garbage: { PodGarbage.watch($0).map { [$0.rawValue] } ?? [] },
    ]
}
