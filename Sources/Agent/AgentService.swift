// The agent: joins its parts, starts them in the right order, and ends them as the stop policy says.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

/// What the agent gets from the executable.
public struct AgentDependencies: Sendable {
    public var api: any KubernetesAPI
    public var runtime: any ContainerRuntime
    /// nil: logs are not served to the master.
    public var tunnel: (any NodeTunnelDialing)?
    public var images: any ImageService
    public var clock: any AgentClock
    public var facts: MachineFacts
    public var measure: @Sendable () -> NodeMeasurement
    public var takenPorts: @Sendable ([UInt16]) -> [UInt16]
    /// How probes reach pods that have an address; nil: through the runtime.
    public var dialer: (any ProbeDialing)?
    /// Reads the manifest of a static pod.
    public var parseManifest: StaticPods.Parsing
    /// Bytes and entries below some directories. Blocking.
    public var diskUse: DiskUse.Measuring
    /// Pods that run in another cluster; nil: all run here.
    public var remotePods: (@Sendable (any PodReporter) -> RemotePods)?

    public init(
        api: any KubernetesAPI, runtime: any ContainerRuntime, tunnel: (any NodeTunnelDialing)? = nil,
        images: any ImageService,
        clock: any AgentClock = SystemClock(), facts: MachineFacts, measure: @escaping @Sendable () -> NodeMeasurement,
        takenPorts: @escaping @Sendable ([UInt16]) -> [UInt16] = { PortProbe.taken($0) },
        parseManifest: @escaping StaticPods.Parsing = { text, _ in try JSON.decode(Pod.self, from: text) },
        diskUse: @escaping DiskUse.Measuring = { _ in (0, 0) }, dialer: (any ProbeDialing)? = nil,
        remotePods: (@Sendable (any PodReporter) -> RemotePods)? = nil
    ) {
        self.remotePods = remotePods
        self.dialer = dialer
        self.parseManifest = parseManifest
        self.diskUse = diskUse
        self.api = api
        self.runtime = runtime
        self.tunnel = tunnel
        self.images = images
        self.clock = clock
        self.facts = facts
        self.measure = measure
        self.takenPorts = takenPorts
    }
}

public final class AgentService: Sendable {
    private struct Progress {
        var registered = false
        var stopping = false
        var registrationWaiters: [CheckedContinuation<Void, Never>] = []
        var stopWaiter: CheckedContinuation<Void, Never>?
        /// Another agent has the node's name: it, not this one, speaks for the node.
        var duplicate: DuplicateNodeError?
    }

    public let config: AgentConfig
    public let pods: LocalPods
    /// `pods`, and those of the node's pods that run elsewhere.
    private let provider: any PodProvider
    private let status: StatusManager
    private let events: EventRecorder
    private let node: NodeController
    private let source: PodSource
    private let volumeKeeper: VolumeKeeper
    private let logKeeper: LogKeeper
    private let imageKeeper: ImageKeeper
    /// nil where what jobs leave stays for ever.
    private let jobDataKeeper: JobDataKeeper?
    private let staticPods: StaticPods
    private let eviction: EvictionController
    /// nil where somebody else collects metrics.
    let metrics: MetricsPublisher?
    /// /healthz, /metrics, ...: for who serves them over a port of the machine.
    public let pages: NodePages
    private let tunnel: NodeTunnelServer?
    private let progress = Mutex(Progress())
    private let logger: Logger

    public init(config: AgentConfig, dependencies: AgentDependencies, logger: Logger) {
        self.config = config
        self.logger = logger
        let (api, clock) = (dependencies.api, dependencies.clock)
        let builder = NodeStatusBuilder(config, dependencies)
        events = EventRecorder(
            api: api, component: "swiftlet-agent", host: config.nodeName, pace: Self.eventPace,
            now: { MicroTimestamp(unixMicroseconds: clock.now() / 1000) }, logger: logger)
        let staticPods = StaticPods(
            directory: config.podManifestDirectory, node: config.nodeName, defaultNamespace: config.domain ?? "default", api: api,
            clock: clock, logger: logger, parse: dependencies.parseManifest)
        self.staticPods = staticPods
        let status = StatusManager(api: api, events: events, logger: logger) { try staticPods.mirrorUID(of: $0) }
        self.status = status
        let pressures = NodePressures()
        let pods = LocalPods(
            config: config,
            dependencies: LocalPodsDependencies(
                api: api, runtime: dependencies.runtime, reporter: status, clock: clock,
                images: dependencies.images, bootID: dependencies.facts.bootID, takenPorts: dependencies.takenPorts,
                pressures: { pressures.value }, dialer: dependencies.dialer),
            allocatable: builder.allocatable, logger: logger)
        self.pods = pods
        let remote = dependencies.remotePods?(status)
        provider = remote.map { $0.beside(pods, handlers: dependencies.runtime.handlers) as any PodProvider } ?? pods
        volumeKeeper = VolumeKeeper(pods: pods, clock: clock, logger: logger)
        logKeeper = LogKeeper(
            pods: pods, runtime: dependencies.runtime, paths: AgentPaths(state: config.stateDirectory), policy: config.logs,
            clock: clock,
            logger: logger)
        jobDataKeeper = config.jobDataSeconds.map { seconds in
            JobDataKeeper(
                pods: pods, paths: AgentPaths(state: config.stateDirectory), keptSeconds: seconds, clock: clock, logger: logger)
        }
        let images = ImageKeeper(
            node: config.nodeName, images: dependencies.images, pods: pods, runtime: dependencies.runtime, events: events,
            policy: config.imageCollection, clock: clock, logger: logger)
        imageKeeper = images
        node = NodeController(
            api: api, builder: builder, intervals: config.heartbeat, clock: clock, logger: logger,
            measure: dependencies.measure, pressures: { pressures.value }, images: { await images.reported() },
            remote: { await remote?.provider.nodeConditions() ?? [] },
            instancePath: config.isReplicated ? nil : AgentPaths(state: config.stateDirectory).instance)
        source = PodSource(api: api, namespace: config.domain, node: config.nodeName, local: staticPods, logger: logger)
        let reclaim = DiskReclaim(
            pods: pods, runtime: dependencies.runtime, paths: AgentPaths(state: config.stateDirectory), logger: logger)
        let eviction = EvictionController(
            node: config.nodeName, thresholds: config.evictionThresholds, pressures: pressures, pods: pods,
            runtime: dependencies.runtime, events: events, clock: clock, logger: logger,
            diskUse: DiskUse(paths: AgentPaths(state: config.stateDirectory), measure: dependencies.diskUse),
            measure: dependencies.measure,
            reclaim: {
                await reclaim.run()
                await images.collect(everything: true)
            })
        self.eviction = eviction
        let stats = StatsProvider(
            node: config.nodeName, pods: pods, runtime: dependencies.runtime, clock: clock, measure: dependencies.measure,
            evictions: { eviction.evictions }, remote: { await remote?.provider.podStats() ?? [] })
        metrics = config.publishesMetrics ? MetricsPublisher(api: api, stats: stats, clock: clock, logger: logger) : nil
        let pages = NodePages(stats: stats, pods: pods) { status.undelivered }
        self.pages = pages
        tunnel = dependencies.tunnel.map { dialer in
            NodeTunnelServer(
                node: config.nodeName, dialer: dialer, logger: logger,
                secondsAgo: { seconds in
                    MicroTimestamp(unixMicroseconds: clock.now() / 1000 - Int64(min(max(seconds, 0), Int(Int32.max))) * 1_000_000).description
                },
                routes: (remote.map { RemotePodRoutes(access: $0.provider).routes } ?? [])
                    + PodAccess(runtime: dependencies.runtime, logger: logger, pods: pods).routes + pages.routes,
                locateLog: { namespace, pod, container, previous in
                    await pods.log(namespace: namespace, pod: pod, container: container, previous: previous)
                })
        }
    }

    /// A node that starts hundreds of pods leaves the server, and its own processors, to their statuses (a kubelet's
    /// eventRecordQPS and eventBurst); so does one that starts a single pod, for a moment.
    /// While steps of pods wait for a thread, hardly any event is written: each costs both sides a third of what a pod's status does.
    private static let eventPace = EventRecorder.Pace(perSecond: 50, burst: 100, delay: .milliseconds(250)) {
        WorkThreads.shared.waits > busyBacklog
    }
    private static let busyBacklog = 16

    /// Evictions since this agent's start, by signal.
    public var evictionsSoFar: [String: Int] { eviction.evictions }

    /// Runs until `shutDown` or until its task is cancelled; then ends as the stop policy says. Throws when the runtime
    /// cannot even be asked what it has (without that, tasks could be run twice), or another agent lives under the node's name.
    ///
    /// Order: first what runs already (needs no master), then the node, then the API's pods.
    public func run() async throws {
        try await provider.adopt()
        await staticPods.look()
        for pod in staticPods.pods { await pods.sync(pod) }
        events.record(EventSubject(node: config.nodeName), .normal, reason: "Starting", message: "Starting agent.")
        let registration = Task {
            do throws(DuplicateNodeError) { try await self.node.run { self.markRegistered() } } catch {
                self.progress.withLock { $0.duplicate = error }
                self.shutDown()
            }
        }
        let work = Task {
            await withTaskGroup(of: Void.self) { group in
                // Where the pods' steps are: on a busy node a report takes its turn with them, and has more to say then.
                group.addTask(executorPreference: WorkThreads.shared) { await self.status.run() }
                group.addTask { await self.events.run() }
                group.addTask { await self.whenRegistered { await self.source.run(self.provider) } }
                group.addTask { await self.volumeKeeper.run() }
                group.addTask { await self.logKeeper.run() }
                group.addTask { await self.imageKeeper.run() }
                group.addTask { await self.staticPods.run(self.pods, status: self.status) { self.node.owner } }
                group.addTask { await self.eviction.run() }
                if let keeper = self.jobDataKeeper { group.addTask { await self.whenRegistered { await keeper.run() } } }
                if let metrics = self.metrics { group.addTask { await self.whenRegistered { await metrics.run() } } }
                if let tunnel = self.tunnel { group.addTask { await self.whenRegistered { await tunnel.run() } } }
            }
        }
        await waitForStop()
        // In a task of its own: this one may be cancelled, and a cancelled task cannot say good-bye.
        await Task { await self.end(registration) }.value
        work.cancel()
        await work.value
        if let duplicate = progress.withLock(\.duplicate) { throw duplicate }
    }

    /// Asks `run` to end in order. Idempotent.
    public func shutDown() {
        let waiter = progress.withLock { progress in
            progress.stopping = true
            defer { progress.stopWaiter = nil }
            return progress.stopWaiter
        }
        waiter?.resume()
    }

    /// Suspends until the node is registered (or the agent ends).
    public func waitUntilRegistered() async {
        await withCheckedContinuation { continuation in
            let ready = progress.withLock { progress in
                if progress.registered || progress.stopping { return true }
                progress.registrationWaiters.append(continuation)
                return false
            }
            if ready { continuation.resume() }
        }
    }

    /// What acts under the node's name waits until the name is this agent's.
    private func whenRegistered(_ work: @Sendable () async -> Void) async {
        await waitUntilRegistered()
        if progress.withLock(\.registered) { await work() }
    }

    private func markRegistered() {
        logger.notice("node registered", metadata: ["node": "\(config.nodeName)", "domain": "\(config.domain ?? "-")"])
        releaseRegistrationWaiters { $0.registered = true }
    }

    private func releaseRegistrationWaiters(_ change: (inout sending Progress) -> Void) {
        let waiters = progress.withLock { progress in
            change(&progress)
            defer { progress.registrationWaiters = [] }
            return progress.registrationWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func waitForStop() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let stopped = progress.withLock { progress in
                    if progress.stopping { return true }
                    progress.stopWaiter = continuation
                    return false
                }
                if stopped { continuation.resume() }
            }
        } onCancel: {
            shutDown()
        }
    }

    private func end(_ registration: Task<Void, Never>) async {
        releaseRegistrationWaiters { $0.stopping = true }
        if config.stopPolicy == .drain { await provider.drain() }
        // The node lives on while it drains. Its heartbeat must have ended before the last word, or it could overwrite it.
        registration.cancel()
        await registration.value
        if progress.withLock({ $0.duplicate == nil }) { await node.sayGoodbye() }
        await provider.close()
        logger.notice(
            "agent ends", metadata: ["policy": "\(config.stopPolicy.rawValue)", "undelivered": "\(status.undelivered)"])
    }
}
