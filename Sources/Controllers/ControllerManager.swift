// Runs all controllers of a master, side by side, over one set of local copies. One that fails is logged and started
// again after a pause; the others do not notice.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Orchestration

public struct ControllerManager: Sendable {
    /// A controller that ran so long had started well: its next failure pauses briefly again.
    static let settled = Duration.seconds(60)
    /// Whoever schedules a thousand pods has more need of the store, and so have the nodes that tell of them (client-go's usual 50 a second).
    static let eventPace = EventRecorder.Pace(perSecond: 50, burst: 100, delay: .milliseconds(250))

    public typealias Server = KubernetesAPI & GangBinding & ResourceDiscovery

    private let api: any Server
    private let now: @Sendable () -> MicroTimestamp
    private let firstPort: Int
    private let makeToken: @Sendable () -> String
    private let authority: String?
    private let isStaleRequest: (@Sendable (JSONValue, Int64) -> Bool)?
    private let logger: Logger

    /// `now` is the wall clock. `firstPort` is where the search for task ports begins: random by default, so that a master
    /// that restarts does not give out at once what it gave out last. `authority` is the cluster's CA (PEM), which every
    /// namespace gets; `isStaleRequest` says which certificate requests may be removed (none without it).
    public init(
        api: any Server, now: @escaping @Sendable () -> MicroTimestamp,
        firstPort: Int = Int.random(in: PortAllocator.pool),
        makeToken: @escaping @Sendable () -> String = DomainController.randomToken,
        authority: String? = nil, isStaleRequest: (@Sendable (JSONValue, Int64) -> Bool)? = nil, logger: Logger
    ) {
        self.api = api
        self.now = now
        self.firstPort = firstPort
        self.makeToken = makeToken
        self.authority = authority
        self.isStaleRequest = isStaleRequest
        self.logger = logger
    }

    /// Suspends until the task is cancelled; then everything started here has ended.
    public func run() async {
        let informers = SharedInformers(api: api, logger: logger)
        let recorder = EventRecorder(api: api, component: "swiftlet-master", pace: Self.eventPace, now: now, logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await informers.run() }
            group.addTask { await recorder.run() }
            group.addTask { await keepRunning("objects") { try await runContent(informers, recorder) } }
            for (name, controller) in controllers(informers, recorder) {
                group.addTask { await keepRunning(name, controller) }
            }
        }
    }

    private typealias Controller = @Sendable () async throws -> Void

    /// Each start makes a new controller: a controller's queue ends with its run.
    private func controllers(_ informers: SharedInformers, _ recorder: EventRecorder) -> [(String, Controller)] {
        let seconds: @Sendable () -> Timestamp = { [now] in now().timestamp }
        let resources = Set(api.servedResources.map(\.resource))
        let parts = ControllerParts(api: api, informers: informers, recorder: recorder, now: seconds, logger: logger)
        var all: [(String, Controller)] = [
            (
                "scheduler",
                {
                    try await SchedulerService(
                        api: api, binder: api, informers: informers, recorder: recorder, now: seconds, logger: logger
                    ).run()
                }
            ),
            (
                "kusciajob",
                {
                    try await KusciaJobController(
                        api: api, informers: informers, recorder: recorder, now: seconds, logger: logger
                    ).run()
                }
            ),
            (
                "kusciatask",
                {
                    try await KusciaTaskController(
                        api: api, informers: informers, recorder: recorder, firstPort: firstPort, now: seconds, logger: logger
                    ).run()
                }
            ),
            (
                "domain",
                {
                    try await DomainController(api: api, informers: informers, now: seconds, makeToken: makeToken, logger: logger)
                        .run()
                }
            ),
            ("claimbinder", { try await ClaimBinder(parts).run() }),
            ("nodelifecycle", { try await NodeLifecycleController(parts).run() }),
            ("podeviction", { try await PodEvictionController(parts).run() }),
            ("podgc", { try await PodGarbageCollector(api: api, informers: informers, now: seconds, logger: logger).run() }),
            ("eventexpiry", { try await EventExpiryController(api: api, now: seconds, logger: logger).run() }),
        ]
        if resources.contains(Endpoints.resource) {
            let withSlices = resources.contains(EndpointSlice.resource)
            all.append(
                (
                    "endpoints",
                    {
                        try await EndpointsController(api: api, informers: informers, withSlices: withSlices, logger: logger)
                            .run()
                    }
                ))
        }
        if let isStaleRequest {
            all.append(
                (
                    "certificaterequests",
                    { try await CertificateRequestCleaner(api: api, isStale: isStaleRequest, now: seconds, logger: logger).run() }
                ))
        }
        return all
    }

    /// Those that treat all kinds alike, over one feed of everything's metadata.
    private func runContent(_ informers: SharedInformers, _ recorder: EventRecorder) async throws {
        let resources = api.servedResources
        let feed = ObjectFeed(api: api, resources: resources, informers: informers, logger: logger)
        let namespaces = Informer<Namespace>(api: api, logger: logger)
        let garbage = GarbageCollector(api: api, feed: feed, resources: resources, recorder: recorder, logger: logger)
        let ending = NamespaceController(
            api: api, feed: feed, resources: resources, namespaces: namespaces, now: { [now] in now().timestamp }, logger: logger)
        let defaults = NamespaceDefaultsController(
            api: api, feed: feed, namespaces: namespaces, configMaps: informers.configMaps, authority: authority, logger: logger)
        let quotas =
            resources.contains { $0.resource == ResourceQuota.resource }
            ? QuotaController(api: api, feed: feed, informers: informers, resources: resources, logger: logger) : nil
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await feed.run() }
            group.addTask { await namespaces.run() }
            group.addTask { try await garbage.run() }
            group.addTask { try await ending.run() }
            group.addTask { try await defaults.run() }
            if let quotas { group.addTask { try await quotas.run() } }
            try await group.waitForAll()
        }
    }

    private func keepRunning(_ name: String, _ controller: @Sendable () async throws -> Void) async {
        let clock = ContinuousClock()
        var backoff = Backoff()
        while !Task.isCancelled {
            let started = clock.now
            do {
                try await controller()
                if Task.isCancelled { return }
                logger.error("controller ended; starting it again", metadata: ["controller": "\(name)"])
            } catch {
                if Task.isCancelled { return }
                logger.error("controller failed; starting it again", metadata: ["controller": "\(name)", "error": "\(error)"])
            }
            if clock.now - started > Self.settled { backoff.reset() }
            try? await Task.sleep(for: backoff.next())
        }
    }
}
