// The verdict on a task under way: who has succeeded, who cannot any more, and what was the cause.
import KubernetesModel
import KusciaModel

/// How each pod of a task fares, also those that are gone.
struct TaskFates {
    enum Fate { case pending, running, succeeded, failed }

    private(set) var failures: [PodFailure] = []
    /// Gone, or ended by being deleted, although they had not finished: somebody deleted them.
    private(set) var lost: [TaskPod] = []
    private var fates: [TaskPod: Fate] = [:]

    /// `status` is what was known before: a pod that is gone stays what it was.
    init(_ layout: TaskLayout, _ pods: [Pod], _ status: KusciaTaskStatus) {
        let objects = Dictionary(pods.map { ($0.namespacedName, $0) }, uniquingKeysWith: { $1 })
        for pod in layout.pods {
            let name = "\(pod.domain)/\(pod.name)"
            if let object = objects[name] {
                fates[pod] = read(object, of: pod, status)
            } else if let seen = status.podStatuses[name] {
                fates[pod] = recall(pod, seen)
            }
        }
    }

    private mutating func read(_ object: Pod, of pod: TaskPod, _ status: KusciaTaskStatus) -> Fate {
        if status.wasCutShort(object) {
            lost.append(pod)
            return .failed
        }
        if let failure = PodFailure(object) {
            failures.append(failure)
            return .failed
        }
        switch object.status.phase {
        case nil, .pending: return .pending
        case .running, .unknown: return .running
        case .succeeded: return .succeeded
        case .failed: return .failed
        }
    }

    private mutating func recall(_ pod: TaskPod, _ seen: KusciaPodStatus) -> Fate {
        switch seen.podPhase {
        case .succeeded: return .succeeded
        case .failed: if let failure = PodFailure(remembered: seen) { failures.append(failure) }
        case nil, .pending, .running, .unknown: lost.append(pod)
        }
        return .failed
    }

    /// A pod that was not seen yet is pending.
    subscript(pod: TaskPod) -> Fate { fates[pod] ?? .pending }

    func phase(of party: TaskLayout.Party) -> KusciaTaskPhase {
        let all = party.pods.map { self[$0] }
        if all.count(where: { $0 == .succeeded }) >= party.minReservedPods { return .succeeded }
        if all.count(where: { $0 != .failed }) < party.minReservedPods { return .failed }
        return all.contains { $0 != .pending } ? .running : .pending
    }
}

extension TaskPlanner {
    /// Exit codes with which engines report that a peer is gone: 255, SIGABRT, SIGSEGV.
    private static let followUpCodes: Set<Int> = [255, 134, 139]
    /// How a process ends that was told to: SIGKILL, SIGTERM.
    private static let stopCodes: Set<Int> = [137, 143]
    /// How long a failure that looks like a follow-up waits for the report of the one that it followed from.
    public static let settleSeconds = 2

    static func judge(_ layout: TaskLayout, _ pods: [Pod], _ fates: TaskFates, _ world: TaskWorld, _ plan: inout TaskPlan) {
        let phases = layout.parties.map(fates.phase(of:))
        plan.status.partyTaskStatus = zip(layout.parties, phases).map { party, phase in
            let names = Set(party.pods.map(\.name))
            let own = fates.failures.filter { $0.namespace == party.spec.domainID && names.contains($0.pod) }
            let isLost = fates.lost.contains { $0.domain == party.spec.domainID && names.contains($0.name) }
            return PartyTaskStatus(
                domainID: party.spec.domainID, role: party.spec.role, phase: phase,
                message: phase == .failed ? firstCause(own)?.text ?? (isLost ? KusciaPodStatus.deletedText : nil) : nil)
        }
        let alive = phases.count { $0 != .failed }
        if phases.count(where: { $0 == .succeeded }) >= layout.neededParties {
            plan.status.phase = .succeeded
            plan.status.completionTime = world.now
            plan.status.message = nil
            plan.status.setCondition("Success", .true, now: world.now)
            plan.actions += stop(pods)
        } else if alive < layout.neededParties, let seconds = settling(fates, pods, world) {
            plan.again = seconds
            run(pods, world, &plan)
        } else if alive < layout.neededParties {
            let cause = firstCause(fates.failures)
            fail(&plan.status, world, cause?.reason ?? KusciaPodStatus.deleted, cause.map(text) ?? lossText(fates.lost))
            plan.actions += stop(pods)
        } else if layout.pods.contains(where: { fates[$0] != .pending }) {
            run(pods, world, &plan)
        } else {
            wait(layout, pods, world, &plan)
        }
    }

    private static func run(_ pods: [Pod], _ world: TaskWorld, _ plan: inout TaskPlan) {
        plan.status.phase = .running
        plan.status.message = PodWait.cause(among: pods)
        plan.status.setCondition("Running", .true, now: world.now)
    }

    /// A task under way with pods on a node that fell silent says so: nobody knows whether they still run.
    static func tellOfSilence(_ pods: [Pod], _ world: TaskWorld, _ status: inout KusciaTaskStatus) {
        guard status.phase == .pending || status.phase == .running else { return }
        let lost = pods.filter { $0.status.phase?.isFinished != true && ($0.spec.nodeName.map(world.isSilent) ?? false) }
        for pod in lost {
            status.podStatuses[pod.namespacedName]?.reason = "NodeSilent"
            status.podStatuses[pod.namespacedName]?.message =
                "node \(pod.spec.nodeName ?? "") does not report; the pod may still run"
        }
        guard let first = lost.first else {
            if status.conditions.contains(where: { $0.type == nodesReporting && $0.status == .false }) {
                status.setCondition(nodesReporting, .true, now: world.now)
            }
            return
        }
        let others = lost.count > 1 ? " (and \(lost.count - 1) more)" : ""
        let message =
            "party \(first.metadata.namespace ?? ""), pod \(first.metadata.name)\(others): its node "
            + "\(first.spec.nodeName ?? "") does not report; if it stays silent the pod is given up"
        status.message = message
        status.setCondition(nodesReporting, .false, reason: "NodeSilent", message: message, now: world.now)
    }

    /// The condition that is False while a pod of the task is on a silent node.
    static let nodesReporting = "NodesReporting"

    // MARK: cause

    /// I-TASK-4. Times have whole seconds; within one, what looks like a follow-up comes last.
    static func firstCause(_ failures: [PodFailure]) -> PodFailure? {
        failures.min { (order($0).0, order($0).1, $0.namespace, $0.pod) < (order($1).0, order($1).1, $1.namespace, $1.pod) }
    }

    private static func order(_ failure: PodFailure) -> (Int64, Int) {
        let code = failure.exitCode ?? 0
        let rank = failure.wasStopped && stopCodes.contains(code) ? 2 : followUpCodes.contains(code) ? 1 : 0
        return (failure.finishedAt?.unixSeconds ?? .max, rank)
    }

    /// Seconds to wait for a better cause than the one at hand; nil when there is nothing to wait for.
    private static func settling(_ fates: TaskFates, _ pods: [Pod], _ world: TaskWorld) -> Int? {
        guard let cause = firstCause(fates.failures), order(cause).1 > 0, let end = cause.finishedAt,
            pods.contains(where: { $0.status.phase?.isFinished != true })
        else { return nil }
        // The node's clock may differ: an age that makes no sense waits for nothing.
        let age = world.now.seconds(since: end)
        return (0..<Int64(settleSeconds)).contains(age) ? settleSeconds - Int(age) : nil
    }

    /// Reports of failures arrive in any order: one that came late but happened before takes the place of the cause given.
    static func refineCause(_ pods: [Pod], _ world: TaskWorld, _ status: inout KusciaTaskStatus) {
        let failures = pods.compactMap { PodFailure($0) }
        guard status.phase == .failed, let given = failures.first(where: { text($0) == status.message }),
            let first = firstCause(failures), order(first) < order(given)
        else { return }
        fail(&status, world, first.reason, text(first))
    }

    private static func text(_ cause: PodFailure) -> String {
        let attempts = cause.reason == "PortConflict" ? "; gave up after \(maximumAttempts) sets of ports" : ""
        return "party \(cause.namespace), pod \(cause.pod): \(cause.text)\(attempts)"
    }

    private static func lossText(_ lost: [TaskPod]) -> String {
        guard let pod = lost.first else { return "too few parties can succeed" }
        return "party \(pod.domain), pod \(pod.name): \(KusciaPodStatus.deletedText)"
    }

    // MARK: waiting

    /// Nothing runs yet: say why, and give up when scheduling takes longer than the task allows.
    private static func wait(_ layout: TaskLayout, _ pods: [Pod], _ world: TaskWorld, _ plan: inout TaskPlan) {
        let placed = Set(pods.filter { $0.spec.nodeName != nil }.map(\.namespacedName))
        let unplaced = layout.pods.map { "\($0.domain)/\($0.name)" }.filter { !placed.contains($0) }
        let explained = PodWait.cause(among: pods)
        plan.status.message = explained
        guard let first = unplaced.first else { return }
        let allowed = allowedSeconds(world)
        let waited = world.now.seconds(since: plan.status.startTime ?? world.now)
        if waited >= Int64(allowed) {
            let why = explained ?? "pod \(first) has no node"
            fail(
                &plan.status, world, "TaskResourceGroupExpired",
                "not scheduled within \(allowed) s (scheduleConfig.lifecycleSeconds): \(why)")
            plan.actions += stop(pods)
        } else {
            plan.again = max(1, allowed - Int(waited))
        }
    }
}
