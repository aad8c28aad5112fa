// The scheduler's shell: tells the pure core what changed, binds what it decided (a gang in one commit) and reports pods
// that have no place, on the pod and as an event.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging
import Scheduling
import Synchronization

public final class SchedulerService: Sendable {
    /// Pods bound in one commit: gangs whole, and as many units together as fit. One that is refused is bound alone then.
    static let bindingBatch = 256
    /// Commits under way at once: while one is made durable, the next is prepared.
    static let concurrentBindings = 4
    /// The text of a waiting pod changes with every neighbour that comes and goes; it is written no more often than this.
    static let reportInterval = Duration.seconds(5)

    /// Names of what changed since the last pass: bounded by the number of objects. The pass reads the newest state.
    struct Changes {
        var pods: Set<PodKey> = []
        var nodes: Set<String> = []
        var domains = false
        /// Pods to look at again, not before a time.
        var later: [(pod: PodKey, at: ContinuousClock.Instant)] = []
    }

    let api: any KubernetesAPI
    private let binder: any GangBinding
    let informers: SharedInformers
    private let recorder: EventRecorder
    private let now: @Sendable () -> Timestamp
    private let reportDelay: Duration
    let logger: Logger
    let queue = WorkQueue<Int>()
    let changes = Mutex(Changes())
    let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    /// A pod is reported as unschedulable when it has waited for `reportDelay`: the parties' pods of a task are made one
    /// after the other, and the first of them is no failure.
    public init(
        api: any KubernetesAPI, binder: any GangBinding, informers: SharedInformers, recorder: EventRecorder,
        reportDelay: Duration = .milliseconds(500), now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.api = api
        self.binder = binder
        self.informers = informers
        self.recorder = recorder
        self.reportDelay = reportDelay
        self.now = now
        self.logger = logger
        start = clock.now
    }

    /// Runs until cancelled. A service runs once: its queue is closed afterwards.
    public func run() async throws {
        // Nothing is placed before everything that takes room is known.
        await informers.waitUntilSynced()
        informers.pods.onEvent { event in
            switch event {
            case .added(let pod): if !Self.concerns(pod) { return }
            case .updated(let old, let new):
                if !Self.matters(old, new) || !Self.concerns(old) && !Self.concerns(new) { return }
            case .deleted: break
            }
            let pod = event.object
            self.note { $0.pods.insert(PodKey(namespace: pod.namespace, name: pod.name)) }
            self.noteOthers(of: pod)
        }
        informers.claims.onEvent { self.noteConsumers(of: $0.object.key) }
        informers.volumes.onEvent { if let key = $0.object.claimKey { self.noteConsumers(of: key) } }
        informers.nodes.onEvent { event in
            self.note { $0.nodes.insert(event.object.metadata.name) }
            // What was bound to it before it was there is where its claims' data will be.
            if case .added(let node) = event { self.informers.pods(on: node.metadata.name).forEach(self.noteOthers) }
        }
        informers.domains.onEvent { _ in self.note { $0.domains = true } }
        let pass = SchedulingPass()
        await queue.run(workers: 1) { _, error in
            self.logger.debug("scheduling pass incomplete; trying again", metadata: ["error": "\(error)"])
        } work: { _ in
            try await self.run(pass)
        }
    }

    func note(_ change: (inout Changes) -> Void) {
        changes.withLock { change(&$0) }
        queue.add(0)
    }

    // MARK: One pass

    private func run(_ pass: SchedulingPass) async throws {
        takeIn(pass)
        let decisions = pass.state.withLock { $0.schedule(now: milliseconds) }
        var groups: [[PodPlacement]] = []
        var absent: Set<ObjectKey> = []
        for decision in decisions {
            switch decision {
            case .bind(let placements): if await settle(placements, pass, &absent) { groups.append(placements) }
            case .unschedulable(let pod, let uid, let obstacle):
                pass.want(obstacle, for: pod, uid: uid, at: clock.now)
            case .preempt(let preemption): pass.preempt(preemption)
            }
        }
        let failure = await bind(Self.batches(groups), pass)
        try await PreemptionRun(api: api, informers: informers, recorder: recorder, now: now, logger: logger).carryOut(pass)
        try await report(pass)
        if let failure { throw failure }
        if let next = pass.state.withLock({ $0.nextPass(now: milliseconds) }) {
            queue.add(0, after: .milliseconds(max(next - milliseconds, 0)))
        }
    }

    private var milliseconds: Int64 {
        let passed = (clock.now - start).components
        return passed.seconds * 1000 + passed.attoseconds / 1_000_000_000_000_000
    }

    func giveBack(_ placements: [PodPlacement], _ pass: SchedulingPass) {
        pass.state.withLock { $0.bindingFailed(placements) }
        changes.withLock { $0.pods.formUnion(placements.map(\.pod)) }
    }

    private func takeIn(_ pass: SchedulingPass) {
        let now = clock.now
        let changes = changes.withLock { changes in
            var taken = changes
            changes = Changes()
            changes.later = taken.later.filter { $0.at > now }
            for (pod, at) in taken.later where at <= now { taken.pods.insert(pod) }
            return taken
        }
        let domains = changes.domains ? Set(informers.domains.objects.map(\.metadata.name)) : nil
        let nodes = changes.nodes.map { ($0, informers.nodes.get(name: $0)) }
        let pods = changes.pods.map { ($0, informers.pods.get(namespace: $0.namespace, name: $0.name)) }
        pass.state.withLock { state in
            if let domains { state.setDomains(domains) }
            for (name, node) in nodes {
                if let node { state.setNode(NodeDescription(node)) } else { state.removeNode(named: name) }
            }
            for (key, pod) in pods {
                if let pod, Self.concerns(pod), let description = describe(pod, pass) {
                    state.setPod(description)
                } else {
                    state.removePod(key)
                }
            }
        }
        for (key, pod) in pods where pod?.nodeName != nil || pod == nil { pass.forget(key) }
    }

    /// Whether the change is one of those that the core is told of: most are a status.
    private static func matters(_ old: PodView, _ new: PodView) -> Bool {
        old.uid != new.uid || old.shape !== new.shape || old.nodeName != new.nodeName || old.isDeleting != new.isDeleting
            || old.isFinished != new.isFinished || old.group != new.group
    }

    /// Pods that take room, and pods that wait for us.
    private static func concerns(_ pod: PodView) -> Bool {
        if pod.isFinished { return false }
        if pod.nodeName != nil { return true }
        return !pod.isDeleting && Kuscia.schedulerNames.contains(pod.shape.schedulerName)
    }

    // MARK: Binding

    /// Units that share a commit, in order.
    static func batches(_ groups: [[PodPlacement]]) -> [[[PodPlacement]]] {
        var batches: [[[PodPlacement]]] = []
        var room = 0
        for group in groups {
            if group.count > room || batches.isEmpty {
                batches.append([])
                room = max(bindingBatch, group.count)
            }
            batches[batches.count - 1].append(group)
            room -= group.count
        }
        return batches
    }

    /// Binds each batch in one commit, several at once. Returns the last failure, if any.
    private func bind(_ batches: [[[PodPlacement]]], _ pass: SchedulingPass) async -> (any Error)? {
        await withTaskGroup(of: (any Error)?.self) { tasks in
            var failure: (any Error)?
            var waiting = batches.makeIterator()
            for _ in 0..<Self.concurrentBindings {
                guard let batch = waiting.next() else { break }
                tasks.addTask { await self.bind(batch, pass) }
            }
            while let result = await tasks.next() {
                failure = result ?? failure
                if let batch = waiting.next() { tasks.addTask { await self.bind(batch, pass) } }
            }
            return failure
        }
    }

    private func bind(_ batch: [[PodPlacement]], _ pass: SchedulingPass) async -> (any Error)? {
        guard let error = await commit(batch.flatMap(\.self), pass) else { return nil }
        // One of them is in the way of the others: each for itself.
        guard batch.count > 1 else { return refused(batch, error, pass) }
        var failure: (any Error)?
        for group in batch {
            if let error = await commit(group, pass) { failure = refused([group], error, pass) }
        }
        return failure
    }

    private func refused(_ groups: [[PodPlacement]], _ error: any Error, _ pass: SchedulingPass) -> any Error {
        let placements = groups.flatMap(\.self)
        logger.debug("binding refused", metadata: ["pods": "\(placements.map(\.pod))", "error": "\(error)"])
        // What was refused may be gone or another by now: look again before the next try.
        giveBack(placements, pass)
        return error
    }

    /// All or none; nil when they are bound.
    private func commit(_ placements: [PodPlacement], _ pass: SchedulingPass) async -> (any Error)? {
        let bindings = placements.map { PodBinding(namespace: $0.pod.namespace, name: $0.pod.name, uid: $0.uid, node: $0.node) }
        do {
            try await binder.bindTogether(bindings)
        } catch {
            return error
        }
        for placement in placements {
            pass.forget(placement.pod)
            let subject = ObjectReference(
                apiVersion: Pod.apiVersion, kind: Pod.kind, namespace: placement.pod.namespace, name: placement.pod.name,
                uid: placement.uid)
            recorder.record(
                EventSubject(subject), .normal, reason: "Scheduled",
                message: "Successfully assigned \(placement.pod) to \(placement.node)")
        }
        return nil
    }

    // MARK: Reports

    private func report(_ pass: SchedulingPass) async throws {
        let (due, next) = pass.dueReports(at: clock.now, delay: reportDelay, interval: Self.reportInterval)
        for report in due {
            guard let pod = informers.pods.get(namespace: report.pod.namespace, name: report.pod.name),
                pod.uid == report.uid, pod.nodeName == nil
            else { continue }
            do {
                try await write(report.obstacle, on: try pod.whole())
            } catch let error as KubernetesAPIError where error.isConflict || error.isNotFound {
                continue  // The pod moved on; its next event brings us back here.
            }
            pass.reported(report, at: clock.now)
            recorder.record(EventSubject(pod.reference), .warning, reason: "FailedScheduling", message: report.obstacle.message)
        }
        if let next { queue.add(0, after: next - clock.now) }
    }

    private func write(_ obstacle: PlacementObstacle, on pod: Pod) async throws {
        let reason = obstacle.isAnothers ? Kuscia.waitsForPodGroup : "Unschedulable"
        var conditions = pod.status.conditions
        let old = conditions.first { $0.type == "PodScheduled" }
        if old?.status == .false, old?.reason == reason, old?.message == obstacle.message { return }
        conditions.removeAll { $0.type == "PodScheduled" }
        conditions.append(
            PodCondition(
                type: "PodScheduled", status: .false, reason: reason, message: obstacle.message,
                lastTransitionTime: old?.status == .false ? old?.lastTransitionTime : now()))
        try await api.patchStatus(
            Pod.self, namespace: pod.metadata.namespace, name: pod.metadata.name,
            merge: [
                "metadata": [
                    "uid": .string(pod.metadata.uid ?? ""), "resourceVersion": .string(pod.metadata.resourceVersion ?? ""),
                ],
                "status": ["conditions": try JSON.encodeToValue(conditions)],
            ])
    }
}
