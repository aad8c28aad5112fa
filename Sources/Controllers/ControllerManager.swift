// Runs all controllers of a master, side by side, over one set of local copies. One that fails is logged and started
// again after a pause; the others do not notice.
import KubernetesClient
import KubernetesModel
import Logging
import Orchestration

public struct ControllerManager: Sendable {
    /// A controller that ran so long had started well: its next failure pauses briefly again.
    static let settled = Duration.seconds(60)

    private let api: any KubernetesAPI & GangBinding
    private let now: @Sendable () -> MicroTimestamp
    private let firstPort: Int
    private let makeToken: @Sendable () -> String
    private let logger: Logger

    /// `now` is the wall clock. `firstPort` is where the search for task ports begins: random by default, so that a master
    /// that restarts does not give out at once what it gave out last.
    public init(
        api: any KubernetesAPI & GangBinding, now: @escaping @Sendable () -> MicroTimestamp,
        firstPort: Int = Int.random(in: PortAllocator.pool),
        makeToken: @escaping @Sendable () -> String = DomainController.randomToken,
        logger: Logger
    ) {
        self.api = api
        self.now = now
        self.firstPort = firstPort
        self.makeToken = makeToken
        self.logger = logger
    }

    /// Suspends until the task is cancelled; then everything started here has ended.
    public func run() async {
        let informers = SharedInformers(api: api, logger: logger)
        let recorder = EventRecorder(api: api, component: "swiftlet-master", now: now, logger: logger)
        let seconds: @Sendable () -> Timestamp = { [now] in now().timestamp }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await informers.run() }
            group.addTask { await recorder.run() }
            // Each start makes a new controller: a controller's queue ends with its run.
            group.addTask { [api] in
                await keepRunning("scheduler") {
                    try await SchedulerService(
                        api: api, binder: api, informers: informers, recorder: recorder, now: seconds, logger: logger
                    ).run()
                }
            }
            group.addTask {
                await keepRunning("kusciajob") {
                    try await KusciaJobController(
                        api: api, informers: informers, recorder: recorder, now: seconds, logger: logger
                    ).run()
                }
            }
            group.addTask {
                await keepRunning("kusciatask") {
                    try await KusciaTaskController(
                        api: api, informers: informers, recorder: recorder, firstPort: firstPort, now: seconds, logger: logger
                    ).run()
                }
            }
            group.addTask {
                await keepRunning("domain") {
                    try await DomainController(api: api, informers: informers, now: seconds, makeToken: makeToken, logger: logger)
                        .run()
                }
            }
            group.addTask {
                await keepRunning("nodelifecycle") {
                    try await NodeLifecycleController(api: api, informers: informers, now: seconds, logger: logger).run()
                }
            }
            group.addTask {
                await keepRunning("garbagecollector") {
                    try await GarbageCollector(api: api, informers: informers, logger: logger).run()
                }
            }
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
