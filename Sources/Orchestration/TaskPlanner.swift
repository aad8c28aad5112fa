// Decides what becomes of a KusciaTask: given the task as stored and its pods as reported, the objects to make, the pods to
// end and the status to write. Level-triggered: the same world gives the same plan, so a master may die anywhere and go on.
//
//      (new) --> Pending --> Running --> Succeeded
//         \         |           |
//          \--------+-----------+----> Failed       a port taken on a node sends Pending/Running back to Pending with new
//                                                   ports, at most `maximumAttempts` times
//
// I-TASK-1  Succeeded and Failed are final.
// I-TASK-2  Ports are stored in the status before anything that uses them is made.
// I-TASK-3  Nothing of a finished task keeps running.
// I-TASK-4  The reported cause is the failure that came first, not one that followed from it.
import KubernetesModel
import KusciaModel

/// What the shell does, in order, before it writes the plan's status.
public enum TaskAction: Sendable, Hashable {
    /// Create, or bring the data of the one that is there up to date.
    case apply(ConfigMap)
    case applyService(Service)
    /// Create; that it is there already is fine.
    case create(Pod)
    case delete(namespace: String, pod: String, uid: String?, graceSeconds: Int)
}

public struct TaskPlan: Sendable {
    public var actions: [TaskAction] = []
    public var status: KusciaTaskStatus
    /// Plan again after so many seconds, even if nothing happens.
    public var again: Int?
}

/// The world as the shell sees it.
public struct TaskWorld {
    public var task: KusciaTask
    /// All pods labelled with the task's id.
    public var pods: [Pod]
    public var appImage: (String) -> AppImage?
    /// A node's address.
    public var nodeAddress: (String) -> String?
    public var now: Timestamp

    public init(
        task: KusciaTask, pods: [Pod], appImage: @escaping (String) -> AppImage?, nodeAddress: @escaping (String) -> String?, now: Timestamp
    ) {
        self.task = task
        self.pods = pods
        self.appImage = appImage
        self.nodeAddress = nodeAddress
        self.now = now
    }
}

public enum TaskPlanner {
    /// Kuscia's default of scheduleConfig.lifecycleSeconds.
    public static let schedulingSeconds = 300
    public static let maximumAttempts = 3
    /// A survivor of a failed task gets this long to end by itself.
    public static let survivorGraceSeconds = 2

    public static func plan(_ world: TaskWorld, ports: inout PortAllocator) -> TaskPlan {
        var plan: TaskPlan
        switch world.task.status.phase {
        case nil: plan = begin(world, &ports)
        case .pending, .running: plan = advance(world, &ports)
        case .succeeded, .failed: plan = finish(world, &ports)
        }
        if plan.status != world.task.status { plan.status.lastReconcileTime = world.now }
        return plan
    }

    // MARK: new

    private static func begin(_ world: TaskWorld, _ ports: inout PortAllocator) -> TaskPlan {
        var status = world.task.status
        status.startTime = world.now
        do {
            let layout = try TaskLayout(world.task, appImage: world.appImage)
            guard !layout.pods.isEmpty else { return failed(status, world, "InvalidTask", "spec.parties: the task has no pods") }
            try allocate(layout, attempt: 1, &status, world, &ports)
        } catch {
            return failed(status, world, "InvalidTask", "\(error)")
        }
        status.phase = .pending
        return TaskPlan(status: status)
    }

    private static func allocate(
        _ layout: TaskLayout, attempt: Int, _ status: inout KusciaTaskStatus, _ world: TaskWorld, _ ports: inout PortAllocator
    ) throws {
        let owner = world.task.metadata.name
        ports.release(owner: owner)
        status.allocatedPorts = layout.allocatedPorts(try ports.allocate(layout.portKeys.count, owner: owner))
        status.setCondition("PortsAllocated", .true, reason: "Attempt\(attempt)", now: world.now)
        status.setCondition("ResourceCreated", .false, reason: "Attempt\(attempt)", now: world.now)
    }

    /// How often ports were looked for, from 1.
    private static func attempt(_ status: KusciaTaskStatus) -> Int {
        let reason = status.conditions.first { $0.type == "PortsAllocated" }?.reason ?? ""
        return reason.hasPrefix("Attempt") ? Int(reason.dropFirst("Attempt".count)) ?? 1 : 1
    }

    // MARK: under way

    private static func advance(_ world: TaskWorld, _ ports: inout PortAllocator) -> TaskPlan {
        var status = world.task.status
        let layout: TaskLayout
        do {
            layout = try TaskLayout(world.task, appImage: world.appImage)
        } catch {
            return failed(status, world, "InvalidTask", "\(error)")
        }
        let attempt = attempt(status)
        let (own, stale) = split(world.pods, attempt)
        if !stale.isEmpty {
            // Their names are needed again: wait until they are gone.
            return TaskPlan(actions: stale.map { delete($0, grace: 0) }, status: status)
        }
        var plan = TaskPlan(status: status)
        if !status.isTrue("ResourceCreated") {
            do {
                plan.actions = try layout.configMaps(ports: status.allocatedPorts).map { .apply($0) }
                plan.actions += layout.services(ports: status.allocatedPorts).map { .applyService($0) }
                plan.actions += layout.podObjects(ports: status.allocatedPorts, attempt: attempt).map { .create($0) }
            } catch {
                return failed(status, world, "InvalidTask", "\(error)")
            }
            plan.status.setCondition("ResourceCreated", .true, reason: "Attempt\(attempt)", now: world.now)
            return plan
        }
        let lost = lostPods(layout, own, status)
        status.observe(own, services: layout.services(ports: status.allocatedPorts), now: world.now)
        let failures = own.compactMap { PodFailure($0) }
        if let conflict = failures.first(where: { $0.reason == "PortConflict" }), attempt < maximumAttempts {
            do {
                try allocate(layout, attempt: attempt + 1, &status, world, &ports)
            } catch {
                return failed(status, world, "PortConflict", "\(conflict.text); \(error)")
            }
            status.podStatuses = [:]
            status.phase = .pending
            status.message = conflict.text
            return TaskPlan(status: status)
        }
        plan.status = status
        plan.actions += publishHosts(layout, own, world, &plan.status)
        judge(layout, own, failures, lost, world, &plan)
        return plan
    }

    private static func split(_ pods: [Pod], _ attempt: Int) -> (own: [Pod], stale: [Pod]) {
        let own = pods.filter { $0.metadata.annotations[TaskLayout.attemptAnnotation] == "\(attempt)" }
        return (own, pods.filter { pod in !own.contains { $0.metadata.uid == pod.metadata.uid } })
    }

    /// Pods that were seen and are gone although they had not finished: somebody deleted them.
    private static func lostPods(_ layout: TaskLayout, _ pods: [Pod], _ status: KusciaTaskStatus) -> [TaskPod] {
        layout.pods.filter { pod in
            guard let seen = status.podStatuses["\(pod.domain)/\(pod.name)"], seen.podPhase?.isFinished != true else { return false }
            return !pods.contains { $0.metadata.name == pod.name && $0.metadata.namespace == pod.domain }
        }
    }

    /// Tells all parties where the others are, once as many pods as must be placed are placed.
    private static func publishHosts(
        _ layout: TaskLayout, _ pods: [Pod], _ world: TaskWorld, _ status: inout KusciaTaskStatus
    ) -> [TaskAction] {
        func address(_ pod: TaskPod) -> String? {
            let object = pods.first { $0.metadata.name == pod.name && $0.metadata.namespace == pod.domain }
            return object?.spec.nodeName.flatMap(world.nodeAddress)
        }
        let placed = layout.pods.filter { address($0) != nil }.count
        guard placed >= max(1, layout.parties.map(\.minReservedPods).reduce(0, +)) else { return [] }
        let reason = "Placed\(placed)"
        if status.conditions.contains(where: { $0.type == "HostsPublished" && $0.reason == reason }) { return [] }
        status.setCondition("HostsPublished", .true, reason: reason, now: world.now)
        return layout.hostsMaps(layout.hosts(address: address)).map { .apply($0) }
    }

    // MARK: verdict

    private static func judge(
        _ layout: TaskLayout, _ pods: [Pod], _ failures: [PodFailure], _ lost: [TaskPod], _ world: TaskWorld, _ plan: inout TaskPlan
    ) {
        let parties = layout.parties.map { partyPhase($0, pods, failures, lost) }
        plan.status.partyTaskStatus = zip(layout.parties, parties).map { party, phase in
            PartyTaskStatus(
                domainID: party.spec.domainID, role: party.spec.role, phase: phase,
                message: failures.first { $0.namespace == party.spec.domainID && phase == .failed }?.text)
        }
        let needed = world.task.spec.scheduleConfig?.minReservedMembers ?? parties.count
        let succeeded = parties.filter { $0 == .succeeded }.count
        let dead = parties.filter { $0 == .failed }.count
        if succeeded >= needed {
            plan.status.phase = .succeeded
            plan.status.completionTime = world.now
            plan.status.message = nil
            plan.status.setCondition("Success", .true, now: world.now)
            plan.actions += stop(pods)
        } else if parties.count - dead < needed {
            let cause = firstCause(failures)
            fail(&plan, world, cause?.reason ?? "PodDeleted", causeText(layout, cause, lost))
            plan.actions += stop(pods)
        } else if pods.contains(where: { ($0.status.phase ?? .pending) != .pending }) {
            plan.status.phase = .running
            plan.status.message = nil
            plan.status.setCondition("Running", .true, now: world.now)
        } else {
            waiting(pods, world, &plan)
        }
    }

    private static func partyPhase(
        _ party: TaskLayout.Party, _ pods: [Pod], _ failures: [PodFailure], _ lost: [TaskPod]
    ) -> KusciaTaskPhase {
        let names = Set(party.pods.map(\.name))
        let own = pods.filter { names.contains($0.metadata.name) && $0.metadata.namespace == party.spec.domainID }
        let succeeded = own.filter { $0.status.phase == .succeeded }.count
        let dead = failures.filter { names.contains($0.pod) && $0.namespace == party.spec.domainID }.count
            + lost.filter { $0.partyIndex == party.pods.first?.partyIndex }.count
        if succeeded >= party.minReservedPods { return .succeeded }
        if party.pods.count - dead < party.minReservedPods { return .failed }
        return own.contains { ($0.status.phase ?? .pending) != .pending } ? .running : .pending
    }

    /// I-TASK-4. Times have whole seconds; within one, codes with which engines report a lost peer come last
    /// (255, SIGABRT, SIGSEGV).
    static func firstCause(_ failures: [PodFailure]) -> PodFailure? {
        let followUps: Set<Int> = [255, 134, 139]
        func rank(_ failure: PodFailure) -> (Int64, Int, String) {
            (failure.finishedAt?.unixSeconds ?? .max, followUps.contains(failure.exitCode ?? 0) ? 1 : 0, failure.namespace + failure.pod)
        }
        return failures.min { rank($0) < rank($1) }
    }

    private static func causeText(_ layout: TaskLayout, _ cause: PodFailure?, _ lost: [TaskPod]) -> String {
        if let cause { return "party \(cause.namespace), pod \(cause.pod): \(cause.text)" }
        if let pod = lost.first { return "party \(pod.domain), pod \(pod.name): deleted before it finished" }
        return "too few parties can succeed"
    }

    /// Nothing runs yet: say why, and give up when scheduling takes longer than the task allows.
    private static func waiting(_ pods: [Pod], _ world: TaskWorld, _ plan: inout TaskPlan) {
        let unplaced = pods.filter { $0.spec.nodeName == nil }
        let explained = unplaced.lazy.compactMap { pod in
            pod.status.conditions.first { $0.type == "PodScheduled" && $0.status == .false }?.message.map {
                "pod \(pod.namespacedName): \($0)"
            }
        }.first
        plan.status.message = explained ?? plan.status.message
        guard !unplaced.isEmpty else { return }
        let allowed = world.task.spec.scheduleConfig?.lifecycleSeconds ?? schedulingSeconds
        let waited = world.now.seconds(since: plan.status.startTime ?? world.now)
        if waited >= Int64(allowed) {
            let why = explained ?? "pod \(unplaced[0].namespacedName) has no node"
            fail(&plan, world, "TaskResourceGroupExpired", "not scheduled within \(allowed) s (scheduleConfig.lifecycleSeconds): \(why)")
            plan.actions += stop(pods)
        } else {
            plan.again = max(1, allowed - Int(waited))
        }
    }

    // MARK: finished

    private static func finish(_ world: TaskWorld, _ ports: inout PortAllocator) -> TaskPlan {
        var plan = TaskPlan(status: world.task.status)
        plan.status.observe(world.pods, services: [], now: world.now)
        plan.actions = stop(world.pods)
        if world.pods.allSatisfy({ $0.status.phase?.isFinished == true }) { ports.release(owner: world.task.metadata.name) }
        return plan
    }

    /// I-TASK-3.
    private static func stop(_ pods: [Pod]) -> [TaskAction] {
        pods.filter { $0.status.phase?.isFinished != true && $0.metadata.deletionTimestamp == nil }
            .map { delete($0, grace: survivorGraceSeconds) }
    }

    private static func delete(_ pod: Pod, grace: Int) -> TaskAction {
        .delete(namespace: pod.metadata.namespace ?? "", pod: pod.metadata.name, uid: pod.metadata.uid, graceSeconds: grace)
    }

    private static func failed(_ status: KusciaTaskStatus, _ world: TaskWorld, _ reason: String, _ message: String) -> TaskPlan {
        var plan = TaskPlan(status: status)
        fail(&plan, world, reason, message)
        plan.actions = stop(world.pods)
        return plan
    }

    private static func fail(_ plan: inout TaskPlan, _ world: TaskWorld, _ reason: String, _ message: String) {
        plan.status.phase = .failed
        plan.status.reason = reason
        plan.status.message = message
        plan.status.completionTime = world.now
        plan.status.setCondition("Success", .false, reason: reason, message: message, now: world.now)
    }
}
