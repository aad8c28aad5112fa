// Two servers in memory, a node of RunK between them, and in the target a node that plays the pods: what runs there, how often it
// was begun and how it ends is known exactly.
import Agent
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import RunK

extension ClusterPods {
    /// What this life holds for true.
    var state: String {
        let known = copies.objects.map { copy in
            let uid = copy.metadata.labels[ClusterMark.podUID] ?? ""
            return "\(copy.metadata.name): wished \(wishes[uid] != nil), \(String(describing: mirrors[uid]?.memory))"
        }
        return "wishes \(wishes.count), mirrors \(mirrors.count), copies \(known.count)\n"
            + known.prefix(8).joined(separator: "\n")
    }
}

struct LabError: Error, CustomStringConvertible { var description: String }

final class TwoClusters: Sendable {
    static let node = "alice-k"
    static let namespace = "team"

    let home = InMemoryKubernetesAPI()
    let cluster = InMemoryKubernetesAPI()
    let homeFront: FaultyKubernetesAPI
    let clusterFront: FaultyKubernetesAPI
    let kubelet: ClusterNode
    let configuration: RunKConfiguration
    private let refreshInterval: Duration
    private let life = Mutex<Life?>(nil)

    struct Life: Sendable {
        var pods: ClusterPods
        var tasks: [Task<Void, Never>]
    }

    static let logger: Logger = {
        var logger = Logger(label: "runk")
        logger.logLevel = .critical
        return logger
    }()

    init(
        seed: UInt64 = 1, rate: Double = 0, refreshInterval: Duration = .seconds(60),
        configure: (inout RunKConfiguration) -> Void = { _ in }
    ) {
        self.refreshInterval = refreshInterval
        var configuration = RunKConfiguration(node: Self.node, namespace: Self.namespace)
        configure(&configuration)
        self.configuration = configuration
        homeFront = FaultyKubernetesAPI(home, seed: seed, rate: rate)
        clusterFront = FaultyKubernetesAPI(cluster, seed: seed &+ 1, rate: rate)
        kubelet = ClusterNode(cluster)
    }

    var pods: ClusterPods {
        get throws {
            guard let pods = life.withLock({ $0?.pods }) else { throw LabError(description: "no life") }
            return pods
        }
    }

    /// A life of the agent, as `AgentService` would lead it. Returns at once.
    func start() async throws {
        let now: @Sendable () -> Timestamp = { Timestamp(unixSeconds: 1_767_225_600) }
        let events = EventRecorder(
            api: homeFront, component: "test", now: { MicroTimestamp(now()) }, logger: Self.logger)
        let status = StatusManager(api: homeFront, events: events, logger: Self.logger)
        let pods = ClusterPods(
            configuration: configuration, source: homeFront, target: clusterFront, reporter: status,
            refreshInterval: refreshInterval, now: now, logger: Self.logger)
        try await pods.adopt()
        let informer = Informer<Pod>(
            api: homeFront, options: ListOptions(fieldSelector: "spec.nodeName=\(Self.node)"),
            backoff: Backoff(first: .milliseconds(10), longest: .milliseconds(200)), logger: Self.logger)
        let queue = WorkQueue<ObjectKey>()
        let tasks = [
            Task { await informer.run() }, Task { await status.run() }, Task { await events.run() },
            Task {
                await informer.waitUntilSynced()
                // A life that was killed before knows of no pods; that is no word that there are none.
                guard informer.hasSynced, !Task.isCancelled else { return }
                informer.onEvent { queue.add($0.object.observedKey) }
                await pods.reconcile(informer.objects)
                await queue.run(workers: 1) { key in
                    if let pod = informer.get(namespace: key.namespace, name: key.name) {
                        await pods.sync(pod)
                    } else {
                        await pods.remove(namespace: key.namespace ?? "", name: key.name)
                    }
                }
            },
        ]
        life.withLock { $0 = Life(pods: pods, tasks: tasks) }
    }

    /// As by SIGKILL: nothing is said, nothing is finished.
    func kill() async {
        let old = life.withLock { life in
            defer { life = nil }
            return life
        }
        for task in old?.tasks ?? [] { task.cancel() }
        await old?.pods.close()
        for task in old?.tasks ?? [] { await task.value }
    }

    func stop() async {
        await kill()
        await kubelet.stop()
    }

    // MARK: Pods

    /// `command`: "run" runs until it is ended, "exit N" ends by itself.
    @discardableResult
    func submit(_ name: String, _ command: String = "run", change: (inout Pod) -> Void = { _ in }) throws -> Pod {
        var pod = Pod(
            metadata: ObjectMeta(name: name, namespace: "alice", uid: "uid-\(name)"),
            spec: PodSpec(
                containers: [Container(name: "main", image: "psi:1", command: command.split(separator: " ").map(String.init))],
                restartPolicy: .never, terminationGracePeriodSeconds: 5, nodeName: Self.node))
        pod.status.phase = .pending
        change(&pod)
        return try home.put(pod)
    }

    func pod(_ name: String) throws -> Pod? { try home.object(Pod.self, namespace: "alice", name: name) }
    func copies(of name: String? = nil) throws -> [Pod] {
        try cluster.objects(Pod.self, namespace: Self.namespace).filter {
            name == nil || $0.metadata.annotations[ClusterMark.podName] == name
        }
    }

    func delete(_ name: String, grace: Int? = nil) async throws {
        try await home.delete(Pod.self, namespace: "alice", name: name, options: DeleteOptions(gracePeriodSeconds: grace))
    }

    /// Looked at again and again within a bound: two servers have no common watch.
    /// `pause`: a look at many pods takes the time that the agent would need.
    func eventually(
        _ what: String, within limit: Duration = .seconds(60), pause: Duration = .milliseconds(20), _ condition: () throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if try condition() { return }
            // Between two looks; `limit` is the deadline.
            try await Task.sleep(for: pause)
        }
        throw LabError(description: "not within \(limit): \(what)\n\(try await state())")
    }

    /// Of both servers, for whoever reads why something did not come about.
    func state() async throws -> String {
        func line(_ side: String, _ pod: Pod) -> String {
            let meta = pod.metadata
            return "\(side) \(meta.name) \(pod.status.phase?.rawValue ?? "-") \(pod.status.reason ?? "")"
                + " deleted: \(meta.deletionTimestamp != nil) grace: \(meta.deletionGracePeriodSeconds.map(String.init) ?? "-") held: \(meta.finalizers)"
        }
        let lines = try home.objects(Pod.self).map { line("pod", $0) } + copies().map { line("copy", $0) }
        let inside = await life.withLock { $0?.pods }?.state ?? "no life"
        return (lines.prefix(20) + ["running: \(kubelet.running)", inside]).joined(separator: "\n")
    }

    func waitForPhase(_ name: String, _ phase: PodPhase) async throws -> Pod {
        try await eventually("\(name) is \(phase)") { try pod(name)?.status.phase == phase }
        return try #require(try pod(name))
    }
}
