// The PodProvider of another cluster: each pod bound to this node has a copy there, which is kept in step by watch. Both servers
// together are the record: nothing is kept on disk, and any life of the agent goes on where the last one stopped.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface

public actor ClusterPods: PodProvider {
    /// Pods worked on at once.
    static let workers = 16
    static let firstRetry = Duration.milliseconds(100)
    static let longestRetry = Duration.seconds(15)
    /// Steps for one pod before another's turn; a decision that never settles must not hold a worker.
    static let maximumSteps = 8
    /// Longest time that `drain` waits beyond the largest grace.
    static let drainExtra = Duration.seconds(15)
    static let byUID = "uid"

    /// What the queue brings: pods by their uid, and now and then a look for objects whose pod nobody knows.
    enum Work: Sendable, Hashable {
        case pod(String)
        case leftovers
    }

    /// One pod's state in this life of the agent.
    struct Mirror: Sendable {
        var memory = MirrorMemory()
        var reported: PodStatus?
        /// The answer to our creation, until the watch shows the copy.
        var created: Pod?
        /// What owns the copied objects, once it was asked for.
        var anchor: String?
        /// Name of a copied object -> what was last written to it.
        var written: [String: UInt64] = [:]
        /// Labels and annotations that the cluster would not have.
        var refusedMetadata: String?
    }

    let configuration: RunKConfiguration
    let source: any KubernetesAPI
    let target: any KubernetesAPI
    let streams: (any PodStreaming)?
    let logs: (any PodLogReading)?
    let reporter: any PodReporter
    let now: @Sendable () -> Timestamp
    let logger: Logger
    let copies: Informer<Pod>
    let queue = WorkQueue<Work>(firstRetry: firstRetry, longestRetry: longestRetry)
    let refreshInterval: Duration
    var wishes: [String: Pod] = [:]
    var mirrors: [String: Mirror] = [:]
    var health = ClusterHealth()
    var stats: Stats?
    private var isReconciled = false
    private var isDraining = false
    private var isClosed = false
    private var tasks: [Task<Void, Never>] = []
    private var drainWaiters: [CheckedContinuation<Void, Never>] = []

    /// `source`: where pods are bound to this node; `target`: the organisation's cluster. `streams` and `logs` reach into pods there;
    /// without them exec and logs are refused. `refreshInterval`: how often copied objects are compared with their originals, and those
    /// without a pod looked for; a kubelet looks for changed objects about as often.
    public init(
        configuration: RunKConfiguration, source: any KubernetesAPI, target: any KubernetesAPI,
        streams: (any PodStreaming)? = nil,
        logs: (any PodLogReading)? = nil, reporter: any PodReporter, refreshInterval: Duration = .seconds(60),
        now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.refreshInterval = refreshInterval
        self.configuration = configuration
        self.source = source
        self.target = target
        self.streams = streams
        self.logs = logs
        self.reporter = reporter
        self.now = now
        self.logger = logger
        copies = Informer<Pod>(
            api: target, namespace: configuration.namespace,
            options: ListOptions(labelSelector: "\(ClusterMark.node)=\(configuration.node)"),
            backoff: Backoff(first: .milliseconds(100), longest: .seconds(10)),
            indexes: [Self.byUID: { $0.metadata.labels[ClusterMark.podUID].map { [$0] } ?? [] }], logger: logger)
    }

    // MARK: PodProvider

    /// Begins to follow the cluster. Needs no server: whatever is away is waited for in the background.
    public func adopt() async throws {
        guard tasks.isEmpty, !isClosed else { return }
        let (copies, queue, logger) = (copies, queue, logger)
        copies.onEvent { event in
            if let uid = event.object.metadata.labels[ClusterMark.podUID] { queue.add(.pod(uid)) }
        }
        tasks = [
            Task { await copies.run() },
            Task { [weak self] in
                await copies.waitUntilSynced()
                await self?.lookAtAll()
            },
            Task { [weak self] in
                await queue.run(workers: Self.workers) { work, error in
                    logger.debug("not in step with the cluster", metadata: ["work": "\(work)", "error": "\(error)"])
                } work: { [weak self] work in
                    switch work {
                    case .pod(let uid): try await self?.work(uid)
                    case .leftovers: try await self?.sweep()
                    }
                }
            },
            Task { [weak self] in await self?.followEvents() },
            Task { [weak self] in await self?.refreshObjects() },
            Task { [weak self] in await self?.followHealth() },
        ]
    }

    public func reconcile(_ pods: [Pod]) async {
        let known = Set(pods.compactMap(\.metadata.uid))
        for uid in wishes.keys where !known.contains(uid) { wishes[uid] = nil }
        for pod in pods { await sync(pod) }
        isReconciled = true
        lookAtAll()
    }

    public func sync(_ pod: Pod) async {
        guard let uid = pod.metadata.uid, !uid.isEmpty else { return }
        for (other, wish) in wishes where other != uid && wish.isNamed(pod.metadata.namespace ?? "", pod.metadata.name) {
            wishes[other] = nil
            queue.add(.pod(other))
        }
        wishes[uid] = pod
        queue.add(.pod(uid))
    }

    public func remove(namespace: String, name: String) async {
        for (uid, wish) in wishes where wish.isNamed(namespace, name) {
            wishes[uid] = nil
            queue.add(.pod(uid))
        }
    }

    public func drain() async {
        isDraining = true
        lookAtAll()
        // The API's own bound of an int32: 68 years.
        let grace = min(wishes.values.map { $0.spec.terminationGracePeriodSeconds ?? 30 }.max() ?? 0, Int64(Int32.max))
        let limit = Task { [weak self] in
            if (try? await Task.sleep(for: .seconds(grace) + Self.drainExtra)) != nil { await self?.releaseDrain() }
        }
        while !isClosed, !limit.isCancelled, wishes.keys.contains(where: mayRun) {
            await withCheckedContinuation { drainWaiters.append($0) }
            if isDrainOver { break }
        }
        limit.cancel()
    }

    private var isDrainOver = false

    private func releaseDrain() {
        isDrainOver = true
        wakeDrain()
    }

    private func wakeDrain() {
        for waiter in drainWaiters { waiter.resume() }
        drainWaiters = []
    }

    private func mayRun(_ uid: String) -> Bool { copy(of: uid).map { !$0.hasEnded } ?? false }

    public func close() async {
        isClosed = true
        wakeDrain()
        for task in tasks { task.cancel() }
        queue.shutDown()
        for task in tasks { await task.value }
        tasks = []
    }

    /// Logs lie in the cluster: `PodProviderAccess` reads them.
    public func log(namespace: String, pod: String, container: String, previous: Bool) async -> ContainerLog? { nil }

    // MARK: Keeping in step

    /// Both sides are known: what one has and the other has not is no accident of the moment.
    var knowsBothSides: Bool { isReconciled && copies.hasSynced && !isClosed }

    private func lookAtAll() {
        guard knowsBothSides else { return }
        let marked = copies.objects.compactMap { $0.metadata.labels[ClusterMark.podUID] }
        for uid in Set(marked).union(wishes.keys) { queue.add(.pod(uid)) }
        queue.add(.leftovers)
    }

    /// The copy as the watch shows it, or as our creation was answered.
    func copy(of uid: String) -> ClusterCopy? {
        let found = copies.objects(in: Self.byUID, uid)
        // Of two (a copy that was released and still ends, a new one) the held one counts.
        if let seen = found.first(where: { $0.metadata.finalizers.contains(ClusterMark.finalizer) }) ?? found.first {
            return ClusterCopy(seen)
        }
        return mirrors[uid]?.created.map(ClusterCopy.init)
    }

    private func work(_ uid: String) async throws {
        guard knowsBothSides else { return }
        for _ in 0..<Self.maximumSteps {
            let step = decide(uid)
            if step == .settle { break }
            if try await !perform(step, uid) { break }
        }
        if isDraining { wakeDrain() }
    }

    private func decide(_ uid: String) -> MirrorStep {
        var mirror = mirrors[uid] ?? Mirror()
        if !copies.objects(in: Self.byUID, uid).isEmpty {
            mirror.created = nil
            mirror.memory.sawCopy = true
        }
        mirrors[uid] = mirror
        let wish = wishes[uid]
        let copy = copy(of: uid)
        return MirrorDecision.next(
            wish.map { MirrorWish($0, isDrained: isDraining) },
            copy.map { MirrorFact($0, isNews: isNews(wish, copy: copy), isOutdated: isOutdated(wish, copy)) }, mirror.memory)
    }

    private func isNews(_ wish: Pod?, copy: ClusterCopy?) -> Bool {
        guard let wish, let copy else { return false }
        let status = ClusterStatus(pod: wish, now: now()).mirrored(copy)
        if let reported = mirrors[wish.metadata.uid ?? ""]?.reported { return reported != status }
        var known = wish.status
        known.conditions.removeAll { $0.type == "PodScheduled" }
        return known != status || wish.metadata.annotations[ClusterMark.copyUID] != copy.uid
    }

    /// False: news will come, nothing more is to be done now.
    private func perform(_ step: MirrorStep, _ uid: String) async throws -> Bool {
        switch step {
        case .settle: return false
        case .create: return try await create(uid)
        case .report(let final):
            guard let wish = wishes[uid], let copy = copy(of: uid) else { return true }
            report(ClusterStatus(pod: wish, now: now()).mirrored(copy), of: wish, copy, final: final)
        case .reportLost:
            guard let wish = wishes[uid] else { return true }
            reporter.event(pod: wish, warning: true, reason: "ClusterPodLost", message: "the cluster has the pod no more")
            report(ClusterStatus(pod: wish, now: now()).lost(wish.status), of: wish, nil, final: true)
        case .refresh:
            try await refresh(uid)
            return false
        case .end(let grace):
            let isUnseen = mirrors[uid]?.created != nil
            try await end(uid, graceSeconds: grace)
            return isUnseen
        case .release:
            try await release(uid)
            // A copy that the watch never showed will not be shown to go either.
            guard mirrors[uid]?.created != nil else { return false }
            mirrors[uid]?.created = nil
        case .dismiss: try await dismiss(uid)
        case .forget:
            if let anchor = mirrors[uid]?.anchor { try await removeAnchor(named: anchor) }
            mirrors[uid] = nil
            return false
        }
        return true
    }
}

extension Pod {
    fileprivate func isNamed(_ namespace: String, _ name: String) -> Bool {
        metadata.name == name && metadata.namespace ?? "" == namespace
    }
}
