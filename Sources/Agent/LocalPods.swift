// The PodProvider of this machine: joins each pod's state machine with the ContainerRuntime.
import AgentCore
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

public actor LocalPods: PodProvider {
    /// Longest time that `drain` waits beyond the largest grace: for clean-up and for the master to take the reports.
    static let drainExtraSeconds: Int64 = 15

    private let config: AgentConfig
    private let executor: PodExecutor
    private let takenPorts: @Sendable ([UInt16]) -> [UInt16]
    private let pressures: @Sendable () -> Set<NodePressure>
    private let allocatable: PodResources
    private let logger: Logger
    private var workers: [String: PodWorker] = [:]
    /// Those that may hold resources of the node. A pod that is over never does again, and many of them stay for long.
    private var holders: [String: PodWorker] = [:]
    /// What they hold, and what those held that are over since this was last counted: in a burst of pods the count of each was a hundredth
    /// of all work.
    private var heldAtMost = NodeHoldings()
    /// The same by "namespace/name": looked up with every change of a pod.
    private var named: [String: [PodWorker]] = [:]
    /// Pods that are not begun with before others have given their ports back, by uid.
    private var waitingForPorts: [String: PodWorker] = [:]
    /// Their number, for whoever is not in the actor's turn.
    private let waiting = Atomic(0)
    private var adoption = Adoption()
    private var reconciled = false
    /// RuntimeClass -> handler, for names that are no handler themselves.
    private var handlers: [String: String] = [:]
    private let api: any KubernetesAPI

    /// `takenPorts` answers which of some ports are bound on the node by anybody.
    public init(
        config: AgentConfig, dependencies: LocalPodsDependencies, allocatable: PodResources, logger: Logger
    ) {
        let paths = AgentPaths(
            state: config.stateDirectory, memory: config.memoryDirectory, records: config.recordsInMemory)
        self.config = config
        self.allocatable = allocatable
        self.logger = logger
        takenPorts = dependencies.takenPorts
        api = dependencies.api
        pressures = dependencies.pressures
        executor = PodExecutor(
            config: config, paths: paths, runtime: dependencies.runtime,
            volumes: VolumeManager(
                api: dependencies.api, config: config, paths: paths, clock: dependencies.clock, allocatable: allocatable),
            builder: ContainerConfigBuilder(config: config, paths: paths, allocatable: allocatable),
            reporter: dependencies.reporter,
            records: PodRecordStore(paths: paths, boot: dependencies.bootID, journalBytes: config.recordJournalBytes),
            prober: Prober(
                runtime: dependencies.runtime,
                connector: PodConnector(runtime: dependencies.runtime, dialer: dependencies.dialer),
                clock: dependencies.clock),
            images: ImageSteps(
                images: dependencies.images, secrets: PullSecrets(api: dependencies.api), turns: PullTurns(),
                clock: dependencies.clock,
                reporter: dependencies.reporter),
            clock: dependencies.clock, logger: logger)
    }

    // MARK: Restart

    public func adopt() async throws {
        await executor.runtime.onEvent { [weak self] event in
            Task(executorPreference: WorkThreads.shared) { await self?.containerChanged(event.id) }
        }
        adoption = Adoption(try await executor.runtime.adopt())
        for (uid, found) in await executor.records.load(logger) {
            let machine = found.machine
            let runs = found.corrected(await executor.withMessages(adoption.claim(uid), machine.pod))
            makeWorker(machine, onRecord: true).send(.adopted(runs))
            recheck(uid, runs)
        }
    }

    /// A container may have ended after the runtime told of it and before there was a worker to hear of its end.
    private func recheck(_ uid: String, _ runs: [ContainerRun: AdoptedPhase]) {
        for (run, phase) in runs {
            guard case .running = phase else { continue }
            Task { await containerChanged(ContainerID(podUID: uid, name: run.name, attempt: run.attempt)) }
        }
    }

    public func reconcile(_ pods: [Pod]) async {
        let known = Set(pods.compactMap(\.metadata.uid))
        for (uid, worker) in workers where !known.contains(uid) { worker.send(.objectGone) }
        reconciled = true
        for pod in pods { await sync(pod) }
        for uid in adoption.orphans() { await removeOrphan(uid) }
        for uid in await executor.records.directories() where workers[uid] == nil { await removeOrphan(uid) }
    }

    private func removeOrphan(_ uid: String) async {
        guard await removeSandbox(uid), workers[uid] == nil else { return }
        try? await executor.records.remove(uid: uid)
    }

    /// Ends and removes containers that no machine answers for; false when that did not work.
    @discardableResult
    private func removeSandbox(_ uid: String) async -> Bool {
        logger.notice("removing what is left of a pod that is over or that nobody knows", metadata: ["uid": "\(uid)"])
        do {
            try await executor.runtime.stopPodSandbox(podUID: uid)
            try await executor.runtime.removePodSandbox(podUID: uid)
        } catch RuntimeError.notFound {
            // Only its directory was left.
        } catch {
            logger.error("orphan not removed", metadata: ["uid": "\(uid)", "error": "\(error)"])
            return false
        }
        return true
    }

    // MARK: The API's wishes

    public func sync(_ pod: Pod) async {
        guard let uid = pod.metadata.uid, !uid.isEmpty else { return }
        for worker in named(pod.metadata.namespace ?? "", pod.metadata.name) where worker.uid != uid { worker.send(.objectGone) }
        if workers[uid] == nil { await learnRuntimeClass(of: pod) }
        let worker = workers[uid] ?? take(pod)
        worker.send(.updated(pod))
        if pod.metadata.deletionTimestamp != nil {
            let grace = pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30
            worker.send(.deletionRequested(graceSeconds: Int(clamping: grace)))
        }
    }

    public func remove(namespace: String, name: String) async {
        for worker in named(namespace, name) { worker.send(.objectGone) }
    }

    /// Ends a pod that nobody asked to delete: the node is short of something. Its status becomes Failed with `reason` and
    /// `message`; `graceSeconds` shortens the pod's own grace. Idempotent; false when the node has no such pod that goes on.
    @discardableResult
    public func evict(uid: String, reason: String, message: String, graceSeconds: Int? = nil) async -> Bool {
        guard let worker = workers[uid], !worker.machine.isEnding else { return false }
        worker.send(.evicted(reason: reason, message: message, graceSeconds: graceSeconds))
        return true
    }

    /// A class that is called as a handler is that handler; what another means, its object says. Without one the pod is refused.
    private func learnRuntimeClass(of pod: Pod) async {
        guard let name = pod.spec.runtimeClassName, !name.isEmpty, !executor.runtime.handlers.contains(name) else { return }
        do {
            handlers[name] = try await api.find(RuntimeClass.self, name: name)?.handler
        } catch {
            logger.warning("RuntimeClass not read", metadata: ["name": "\(name)", "error": "\(error)"])
        }
    }

    /// More than one while a pod ends whose name another has already.
    func named(_ namespace: String, _ name: String) -> [PodWorker] { named["\(namespace)/\(name)"] ?? [] }

    /// Begins with a pod that has no worker yet.
    private func take(_ pod: Pod) -> PodWorker {
        var pod = pod
        pod.metadata.resourceVersion = nil
        let context = PodContext(
            nodeIP: config.nodeIP, runtimeName: executor.runtime.name, handler: pod.spec.runtimeClassName.flatMap { handlers[$0] }
        )
        var machine = PodStateMachine(pod: pod, context: context)
        switch adoption.classify(pod) {
        case .alreadyFinished(let remains):
            let worker = makeWorker(machine, onRecord: false)
            // Told before a power cut, and not removed: no record says so any more (`RecordNeed.told`).
            WorkThreads.begin(.later) { [executor, logger, pod] in
                if remains, !(await self.removeSandbox(worker.uid)) { return }
                do { try await executor.volumes.clean(pod) } catch {
                    logger.warning("volumes not removed", metadata: ["pod": "\(pod.namespacedName)", "error": "\(error)"])
                }
            }
            return worker
        case .rebuild(let runs):
            // Which devices it held is not known any more; as many are held back.
            if let devices = try? allocateDevices(pod) { machine = PodStateMachine(pod: pod, context: context, devices: devices) }
            machine.recover(from: Array(runs.keys))
            let worker = makeWorker(machine, onRecord: false)
            worker.send(.adopted(runs))
            recheck(worker.uid, runs)
            return worker
        case .lost:
            let worker = makeWorker(machine, onRecord: false)
            worker.send(.lost)
            return worker
        case .admit:
            var verdict = admit(pod)
            var isWaiting = false
            if case .reject(NodeAdmission.portConflict, _) = verdict { isWaiting = waitsForPorts(pod) }
            if isWaiting { verdict = .accept }
            if verdict == .accept {
                do throws(DeviceShortage) {
                    machine = PodStateMachine(pod: pod, context: context, devices: try allocateDevices(pod))
                } catch {
                    verdict = .reject(reason: DeviceAllocator.rejectionReason, message: "\(error)")
                }
            }
            let worker = makeWorker(machine, onRecord: false)
            switch verdict {
            case .accept where isWaiting: awaitPorts(worker)
            case .accept: worker.send(.added)
            case .reject(let reason, let message): worker.send(.rejected(reason: reason, message: message))
            }
            return worker
        }
    }

    private func makeWorker(_ machine: PodStateMachine, onRecord: Bool) -> PodWorker {
        let worker = PodWorker(machine: machine, onRecord: onRecord, executor: executor) { [weak self] _ in
            self?.podTurned()
        } forgotten: { [weak self] worker in
            await self?.drop(worker)
        }
        workers[worker.uid] = worker
        holders[worker.uid] = worker
        heldAtMost.add(worker)
        named["\(worker.namespace)/\(worker.name)", default: []].append(worker)
        return worker
    }

    private func drop(_ worker: PodWorker) {
        worker.close()
        if workers[worker.uid] === worker { (workers[worker.uid], holders[worker.uid]) = (nil, nil) }
        let key = "\(worker.namespace)/\(worker.name)"
        named[key]?.removeAll { $0 === worker }
        if named[key]?.isEmpty == true { named[key] = nil }
    }

    private func admit(_ pod: Pod) -> NodeAdmission.Verdict {
        if let refusal = config.permissions.refusal(pod) { return .reject(reason: "Forbidden", message: refusal) }
        if let refusal = KernelParameterPolicy.refusal(pod) {
            return .reject(reason: KernelParameterPolicy.reason, message: refusal)
        }
        let verdict = verdict(on: pod, held: heldAtMost)
        if verdict == .accept { return verdict }
        // Not even room for all that were here lately: now it is asked who still is.
        let others = NodeHoldings(holdingWorkers())
        heldAtMost = NodeHoldings(Array(holders.values))
        return self.verdict(on: pod, held: others)
    }

    /// `freed`: who holds ports that are as good as free, their own processes' too.
    private func verdict(on pod: Pod, held: NodeHoldings, freed: NodeHoldings = .init()) -> NodeAdmission.Verdict {
        let wanted = NodeAdmission.ports(of: pod)
        let bound = takenPorts(wanted.filter(\.isTCP).compactMap { UInt16(exactly: $0.port) }).map(Int.init)
        var admission = NodeAdmission(
            allocatable: allocatable, used: held.resources, takenPorts: held.ports.union(bound).subtracting(freed.ports),
            runtimeClasses: runtimeClasses, pressures: pressures())
        admission.takenDatagramPorts = held.datagramPorts.subtracting(freed.datagramPorts)
        return admission.admit(pod)
    }

    // MARK: Ports of who is about to go

    /// Nothing keeps the pod away but ports of pods that end: one made again right after `delete --force` comes while the one before has
    /// its last seconds.
    private func waitsForPorts(_ pod: Pod, besides own: PodWorker? = nil) -> Bool {
        let workers = holdingWorkers().filter { $0 !== own && waitingForPorts[$0.uid] == nil }
        let ending = NodeHoldings(workers.filter(\.machine.isEnding))
        guard NodeAdmission.ports(of: pod).contains(where: ending.holds) else { return false }
        let staying = NodeHoldings(workers.filter { !$0.machine.isEnding })
        return verdict(on: pod, held: NodeHoldings(workers).withPorts(of: staying), freed: ending) == .accept
    }

    /// Until then the pod is Pending and its machine has not begun. Ends, as the others do, with their grace.
    private func awaitPorts(_ worker: PodWorker) {
        waitingForPorts[worker.uid] = worker
        waiting.add(1, ordering: .sequentiallyConsistent)
        // Who gave them back before this did not know of anybody who waits.
        lookForPorts(worker)
    }

    /// A pod begins to end, or gives back what it held.
    nonisolated private func podTurned() {
        guard waiting.load(ordering: .sequentiallyConsistent) > 0 else { return }
        Task(executorPreference: WorkThreads.shared) { await self.lookForPorts() }
    }

    private func lookForPorts() {
        for worker in waitingForPorts.values { lookForPorts(worker) }
    }

    private func lookForPorts(_ worker: PodWorker) {
        let machine = worker.machine
        // Deleted meanwhile: its end is told as anybody's.
        let isWanted = workers[worker.uid] === worker && !machine.isEnding
        if isWanted, waitsForPorts(machine.pod, besides: worker) { return }
        waitingForPorts[worker.uid] = nil
        waiting.subtract(1, ordering: .sequentiallyConsistent)
        let others = holdingWorkers().filter { $0 !== worker && waitingForPorts[$0.uid] == nil }
        switch isWanted ? verdict(on: machine.pod, held: NodeHoldings(others)) : .accept {
        case .accept: worker.send(.added)
        case .reject(let reason, let message): worker.send(.rejected(reason: reason, message: message))
        }
    }

    private func holdingWorkers() -> [PodWorker] {
        var holding: [PodWorker] = []
        for (uid, worker) in holders {
            if worker.holdsResources { holding.append(worker) } else if worker.isOver { holders[uid] = nil }
        }
        return holding
    }

    private var runtimeClasses: Set<String> {
        let served = executor.runtime.handlers
        return served.union(handlers.filter { served.contains($0.value) }.keys)
    }

    /// Only for pods that ask for some the node's directories are looked through.
    private func allocateDevices(_ pod: Pod) throws(DeviceShortage) -> [String: [String]] {
        let wanted = PodResources(requestedBy: pod).extended
        let devices = config.devices.filter { wanted[$0.key, default: 0] > 0 }.mapValues(DeviceFiles.matching)
        if devices.isEmpty { return [:] }
        let taken = holdingWorkers().flatMap { $0.machine.devices.values.joined() }
        return try DeviceAllocator(devices: devices, taken: Set(taken)).allocate(pod)
    }

    // MARK: The runtime's news

    private func containerChanged(_ id: ContainerID) async {
        guard let worker = workers[id.podUID] else { return }
        await worker.look(at: ContainerRun(name: id.name, attempt: id.attempt))
    }

    // MARK: The end of the agent

    public func drain() async {
        let ending = workers.values.filter { !$0.machine.isOver }
        let message = "Pod was terminated because its node shuts down"
        for worker in ending { worker.send(.evicted(reason: "Terminated", message: message)) }
        let grace = ending.map { $0.machine.pod.spec.terminationGracePeriodSeconds ?? 30 }.max() ?? 0
        let limit = grace.saturatingAdding(Self.drainExtraSeconds).saturatingMultiplied(by: .nanosecondsPerSecond)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for worker in ending { await worker.waitUntilSettled() } }
            group.addTask { [clock = executor.clock] in
                // Too late: closing lets the waits above return.
                if (try? await clock.sleep(nanoseconds: limit)) != nil { for worker in ending { worker.close() } }
            }
            await group.next()
            group.cancelAll()
        }
    }

    public func close() async {
        for worker in workers.values { worker.close() }
        await executor.volumes.close()
        await executor.records.leaveMemory()
    }

    // MARK: Views

    /// For whoever renews volumes and keeps logs.
    nonisolated var volumes: VolumeManager { executor.volumes }

    /// Every pod that the node knows, as its machine sees it.
    public func machines() -> [PodStateMachine] { workers.values.map(\.machine) }

    public func log(namespace: String, pod: String, container: String, previous: Bool) async -> ContainerLog? {
        guard let (worker, slot) = self.container(namespace, pod, container) else { return nil }
        switch worker.machine.loggedRun(slot, previous: previous) {
        case .absent(let reason): return .absent(reason)
        case .run(let run): return .file(log(of: run, worker))
        }
    }

    /// For who looks on from now: of the run that is there or comes, not of one that is over.
    func presentLog(namespace: String, pod: String, container: String) async -> ContainerLog? {
        guard let (worker, slot) = self.container(namespace, pod, container), slot.mayRun else {
            return await log(namespace: namespace, pod: pod, container: container, previous: false)
        }
        return .file(log(of: slot.run, worker))
    }

    private func container(_ namespace: String, _ pod: String, _ name: String) -> (PodWorker, ContainerSlot)? {
        guard let worker = named(namespace, pod).first else { return nil }
        let candidates = worker.machine.containers.filter { name.isEmpty ? !$0.isInit : $0.name == name }
        guard candidates.count == 1 || name.isEmpty, let slot = candidates.first else { return nil }
        return (worker, slot)
    }

    private func log(of run: ContainerRun, _ worker: PodWorker) -> ContainerLogFile {
        let path = executor.paths.log(
            namespace: worker.namespace, name: worker.name, uid: worker.uid, container: run.name, attempt: run.attempt)
        return ContainerLogFile(path: path) { !worker.machine.containers.contains { $0.run == run && $0.mayRun } }
    }
}

/// What LocalPods needs from outside.
public struct LocalPodsDependencies: Sendable {
    public var api: any KubernetesAPI
    public var runtime: any ContainerRuntime
    public var reporter: any PodReporter
    public var clock: any AgentClock
    public var images: any ImageService
    /// Of the machine's present boot (/proc/sys/kernel/random/boot_id).
    public var bootID: String
    public var takenPorts: @Sendable ([UInt16]) -> [UInt16]
    /// What the node is short of: such a node takes no more pods.
    public var pressures: @Sendable () -> Set<NodePressure>
    /// nil: probes reach every pod through the runtime.
    public var dialer: (any ProbeDialing)?

    public init(
        api: any KubernetesAPI, runtime: any ContainerRuntime, reporter: any PodReporter, clock: any AgentClock = SystemClock(),
        images: any ImageService, bootID: String = "",
        takenPorts: @escaping @Sendable ([UInt16]) -> [UInt16] = { PortProbe.taken($0) },
        pressures: @escaping @Sendable () -> Set<NodePressure> = { [] }, dialer: (any ProbeDialing)? = nil
    ) {
        self.dialer = dialer
        self.bootID = bootID
        self.pressures = pressures
        self.api = api
        self.runtime = runtime
        self.reporter = reporter
        self.clock = clock
        self.images = images
        self.takenPorts = takenPorts
    }
}
