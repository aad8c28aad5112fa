// Containers over a PodProvider, so that the contract's suite runs over RunK without change: a container is a pod of its own in the
// server where pods are bound. Made without a node it is created; bound it is started; deleted it is stopped, and a finalizer keeps
// its end known until the container is removed.

import Agent
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import RunK
import RuntimeInterface
import Synchronization

final class RunKContainers: ContainerRuntime {
    static let node = "node-k"
    static let namespace = "alice"
    private static let keep = "contract.test/keep"
    private static let podUID = "contract.test/pod"
    private static let config = "contract.test/config"
    private static let attempt = "contract.test/attempt"

    let name = "runk"
    private let home: InMemoryKubernetesAPI
    private let images: Set<String>
    let pods: ClusterPods
    private let informer: Informer<Pod>
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let told = Mutex<Set<ContainerID>>([])

    /// `images`: what the cluster's nodes say they have.
    init(home: InMemoryKubernetesAPI, target: any KubernetesAPI, images: Set<String>, logger: Logger) {
        self.home = home
        self.images = images
        let now: @Sendable () -> Timestamp = { Timestamp(unixSeconds: SystemClock().now() / 1_000_000_000) }
        let events = EventRecorder(api: home, component: "contract", now: { MicroTimestamp(now()) }, logger: logger)
        let status = StatusManager(api: home, events: events, logger: logger)
        let configuration = RunKConfiguration(node: Self.node, namespace: "team", localData: .scratch, exposure: .none)
        pods = ClusterPods(configuration: configuration, source: home, target: target, reporter: status, now: now, logger: logger)
        informer = Informer<Pod>(
            api: home, namespace: Self.namespace, backoff: Backoff(first: .milliseconds(10), longest: .milliseconds(100)),
            logger: logger)
        let (informer, pods, queue) = (informer, pods, WorkQueue<String>())
        tasks.withLock {
            $0 = [
                Task { await informer.run() }, Task { await status.run() },
                Task {
                    await informer.waitUntilSynced()
                    // One that was killed before knows of no pods; that is no word that there are none.
                    guard informer.hasSynced, !Task.isCancelled else { return }
                    informer.onEvent { queue.add($0.object.metadata.name) }
                    do { try await pods.adopt() } catch { return }
                    await pods.reconcile(informer.objects.filter { $0.spec.nodeName == Self.node })
                    await queue.run(workers: 1) { name in
                        let pod = informer.get(namespace: Self.namespace, name: name)
                        if let pod, pod.spec.nodeName == Self.node { await pods.sync(pod) }
                        if pod == nil { await pods.remove(namespace: Self.namespace, name: name) }
                    }
                },
            ]
        }
    }

    /// As by SIGKILL.
    func kill() async {
        let tasks = tasks.withLock { $0 }
        for task in tasks { task.cancel() }
        await pods.close()
        for task in tasks { await task.value }
    }

    // MARK: Names

    static func name(_ id: ContainerID) -> String { "\(id.name)-\(id.attempt)-\(id.podUID.lowercased().prefix(12))" }
    private static func sandbox(_ podUID: String) -> String { "sandbox-\(podUID.lowercased())" }

    private func pod(_ id: ContainerID) throws -> Pod? {
        try home.object(Pod.self, namespace: Self.namespace, name: Self.name(id))
    }
    private func all() throws -> [Pod] { try home.objects(Pod.self, namespace: Self.namespace) }

    private static func id(_ pod: Pod) -> ContainerID {
        ContainerID(
            podUID: pod.metadata.labels[podUID] ?? "", name: pod.spec.containers.first?.name ?? "",
            attempt: Int(pod.metadata.annotations[attempt] ?? "") ?? 0)
    }

    static func belongs(_ pod: Pod, to uid: String) -> Bool { pod.metadata.labels[podUID] == uid }

    private static func report(_ pod: Pod) throws -> ContainerStatusReport {
        let config = try JSON.decode(ContainerConfig.self, from: Array((pod.metadata.annotations[config] ?? "{}").utf8))
        return ContainerStatusReport(id: id(pod), phase: phase(pod), image: config.image, logPath: config.logPath)
    }

    private static func phase(_ pod: Pod) -> ContainerPhase {
        let state = pod.status.containerStatuses.first?.state
        if let ended = state?.terminated {
            if ended.reason == "ContainerStatusUnknown" { return .unknown(reason: ended.message ?? "") }
            return .exited(
                ContainerExit(
                    exitCode: ended.exitCode, signal: ended.signal, oomKilled: ended.reason == "OOMKilled",
                    reason: ended.reason ?? "",
                    message: ended.message, startedAt: (ended.startedAt?.unixSeconds ?? 0) * 1_000_000_000,
                    finishedAt: (ended.finishedAt?.unixSeconds ?? 0) * 1_000_000_000))
        }
        if let running = state?.running {
            return .running(pid: 1, startedAt: (running.startedAt?.unixSeconds ?? 0) * 1_000_000_000)
        }
        return .created
    }

    private static func isOver(_ pod: Pod) -> Bool {
        switch phase(pod) {
        case .exited, .unknown: true
        case .created, .running: false
        }
    }

    /// Within a bound: another machine's answer is waited for.
    private func wait(_ what: String, _ condition: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if try condition() { return }
            try await Task.sleep(for: .milliseconds(10))  // polls another program, within the bound
        }
        throw RuntimeError.unavailable(stage: what, reason: "not within a minute")
    }

    // MARK: ContainerRuntime

    func adopt() async throws -> [ContainerStatusReport] { try await list() }

    func runPodSandbox(_ config: PodSandboxConfig) async throws {
        try await home.createIfAbsent(
            ConfigMap(metadata: ObjectMeta(name: Self.sandbox(config.podUID), namespace: Self.namespace)))
    }

    func stopPodSandbox(podUID: String) async throws {
        let ids = try all().map(Self.id).filter { $0.podUID == podUID }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in ids { group.addTask { try await self.stopContainer(id, graceSeconds: 0) } }
            try await group.waitForAll()
        }
    }

    func removePodSandbox(podUID: String) async throws {
        let mine = try all().filter { $0.metadata.labels[Self.podUID] == podUID }
        if let running = mine.first(where: { if case .running = Self.phase($0) { true } else { false } }) {
            throw RuntimeError.unavailable(stage: "removePodSandbox", reason: "\(running.metadata.name) runs")
        }
        for pod in mine { try await removeContainer(Self.id(pod)) }
        home.remove(ConfigMap.resource, namespace: Self.namespace, name: Self.sandbox(podUID))
    }

    func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        guard try home.object(ConfigMap.self, namespace: Self.namespace, name: Self.sandbox(podUID)) != nil else {
            throw RuntimeError.notFound("pod sandbox \(podUID)")
        }
        let id = ContainerID(podUID: podUID, name: config.name, attempt: config.attempt)
        guard images.contains(config.image) else { throw RuntimeError.imageNotPresent(config.image) }
        // In a pod's command $$ is a dollar sign and $(NAME) a variable; what a runtime is given is meant as it stands.
        let meant = { (words: [String]) in words.map { $0.replacing("$", with: "$$") } }
        var container = Container(
            name: config.name, image: config.image, command: meant(config.command), args: meant(config.args))
        if let memory = config.limits.memoryBytes { container.resources.limits["memory"] = try Quantity("\(memory)") }
        let pod = Pod(
            metadata: ObjectMeta(
                name: Self.name(id), namespace: Self.namespace, labels: [Self.podUID: podUID],
                annotations: [
                    Self.config: String(decoding: try JSON.encode(config), as: UTF8.self), Self.attempt: "\(config.attempt)",
                ], finalizers: [Self.keep]),
            spec: PodSpec(containers: [container], restartPolicy: .never, terminationGracePeriodSeconds: 30))
        try await home.createIfAbsent(pod)
        return id
    }

    func startContainer(_ id: ContainerID) async throws {
        guard let pod = try pod(id) else { throw RuntimeError.notFound("container \(id)") }
        if pod.spec.nodeName == nil, pod.metadata.deletionTimestamp == nil {
            let binding = PodBinding(
                namespace: Self.namespace, name: pod.metadata.name, uid: pod.metadata.uid ?? "", node: Self.node)
            do { try await home.bindTogether([binding]) } catch let error as KubernetesAPIError where error.code == 409 {
                // Somebody else has just bound it.
            }
        }
        try await wait("start(\(id))") { try self.pod(id).map { Self.phase($0) != .created } ?? true }
    }

    func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws {
        guard let pod = try pod(id), pod.spec.nodeName != nil, !Self.isOver(pod) else { return }
        try await home.delete(
            Pod.self, namespace: Self.namespace, name: pod.metadata.name, options: DeleteOptions(gracePeriodSeconds: graceSeconds)
        )
        try await wait("stop(\(id))") { try self.pod(id).map(Self.isOver) ?? true }
    }

    func removeContainer(_ id: ContainerID) async throws {
        try await stopContainer(id, graceSeconds: 0)
        guard let pod = try pod(id) else { return }
        try await home.patch(
            Pod.self, namespace: Self.namespace, name: pod.metadata.name, merge: ["metadata": ["finalizers": .null]])
        try await home.deleteIfPresent(
            Pod.self, namespace: Self.namespace, name: pod.metadata.name, options: DeleteOptions(gracePeriodSeconds: 0))
        try await wait("remove(\(id))") { try self.pod(id) == nil }
        let uid = pod.metadata.uid ?? ""
        try await wait("the copy of \(id) goes") { self.copies(uid).isEmpty }
    }

    /// Copies of the pod of that uid which the cluster shows.
    var copies: @Sendable (String) -> [Pod] {
        get { seen.withLock { $0 } }
        set { seen.withLock { $0 = newValue } }
    }
    private let seen = Mutex<@Sendable (String) -> [Pod]>({ _ in [] })

    func status(_ id: ContainerID) async throws -> ContainerStatusReport? { try pod(id).map(Self.report) }
    func list() async throws -> [ContainerStatusReport] { try all().map(Self.report) }

    func usage(_ id: ContainerID) async throws -> ContainerUsage {
        guard try pod(id) != nil else { throw RuntimeError.notFound("container \(id)") }
        return ContainerUsage()
    }

    func reopenContainerLog(_ id: ContainerID) async throws {
        guard try pod(id) != nil else { throw RuntimeError.notFound("container \(id)") }
    }

    /// Ends that this life sees for the first time.
    func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async {
        let known = (try? all())?.filter(Self.isOver).map(Self.id) ?? []
        told.withLock { $0 = Set(known) }
        informer.onEvent { [weak self] event in
            guard let self, case .updated(_, let pod) = event, Self.isOver(pod) else { return }
            let id = Self.id(pod)
            if self.told.withLock({ $0.insert(id).inserted }) { handler(ContainerEvent(id: id)) }
        }
    }
}
