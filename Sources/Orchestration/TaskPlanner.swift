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
// I-TASK-5  What was made is judged as it was made, whatever becomes of the AppImage.
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
    /// That it is not there is fine.
    case removeConfigMap(namespace: String, name: String)
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
    /// All pods labelled with the task's id, also those of a task of the same name before.
    public var pods: [Pod]
    public var appImage: (String) -> AppImage?
    /// A node's address.
    public var nodeAddress: (String) -> String?
    /// Whether nothing was heard of a node for longer than its grace period.
    public var isSilent: (String) -> Bool
    public var now: Timestamp

    public init(
        task: KusciaTask, pods: [Pod], appImage: @escaping (String) -> AppImage?, nodeAddress: @escaping (String) -> String?,
        isSilent: @escaping (String) -> Bool = { _ in false }, now: Timestamp
    ) {
        self.task = task
        // In a fixed order: the same world must give the same plan, and the same words.
        self.pods = pods.sorted { $0.namespacedName < $1.namespacedName }
        self.appImage = appImage
        self.nodeAddress = nodeAddress
        self.isSilent = isSilent
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
        if plan.status.phase?.isFinished == true { plan.status.closeParties() }
        if plan.status != world.task.status { plan.status.lastReconcileTime = world.now }
        return plan
    }

    /// The status of a task that its job stops. Its pods follow with its next plan.
    public static func stopped(_ task: KusciaTask, reason: String, message: String, now: Timestamp) -> KusciaTaskStatus {
        var status = task.status
        status.fail(reason, message, now: now)
        status.closeParties()
        return status
    }

    /// Under which name a task holds its ports: its uid, so that the end of a task frees nothing of a later one of its name.
    public static func portOwner(_ task: KusciaTask) -> String { task.metadata.uid ?? task.metadata.name }

    // MARK: new

    private static func begin(_ world: TaskWorld, _ ports: inout PortAllocator) -> TaskPlan {
        var status = world.task.status
        status.startTime = world.now
        do {
            let layout = try TaskLayout(world.task, appImage: world.appImage)
            try allocate(layout, attempt: 1, &status, world, &ports)
        } catch {
            return failed(status, world, reason(of: error), "\(error)")
        }
        status.phase = .pending
        return TaskPlan(status: status)
    }

    private static func allocate(
        _ layout: TaskLayout, attempt: Int, _ status: inout KusciaTaskStatus, _ world: TaskWorld, _ ports: inout PortAllocator
    ) throws {
        let owner = portOwner(world.task)
        ports.release(owner: owner)
        status.allocatedPorts = layout.allocatedPorts(try ports.allocate(layout.portKeys.count, owner: owner))
        status.setCondition("PortsAllocated", .true, reason: "Attempt\(attempt)", now: world.now)
        status.setCondition("ResourceCreated", .false, reason: "Attempt\(attempt)", now: world.now)
        // The next attempt's pods may land elsewhere.
        status.conditions.removeAll { $0.type == "HostsPublished" }
    }

    private static func reason(of error: any Error) -> String {
        error is PortAllocator.Exhausted ? "PortsExhausted" : "InvalidTask"
    }

    /// How often ports were looked for, from 1.
    static func attempt(_ status: KusciaTaskStatus) -> Int {
        let reason = status.conditions.first { $0.type == "PortsAllocated" }?.reason ?? ""
        return reason.hasPrefix("Attempt") ? Int(reason.dropFirst("Attempt".count)) ?? 1 : 1
    }

    // MARK: under way

    private static func advance(_ world: TaskWorld, _ ports: inout PortAllocator) -> TaskPlan {
        let attempt = attempt(world.task.status)
        let (own, stale) = split(world, attempt)
        let layout: TaskLayout
        do {
            guard world.task.status.isTrue("ResourceCreated") else {
                return make(try TaskLayout(world.task, appImage: world.appImage), attempt, stale, world, &ports)
            }
            guard stale.isEmpty else { return TaskPlan(actions: stale.map { delete($0, grace: 0) }, status: world.task.status) }
            // I-TASK-5. A status that an earlier version wrote does not say what was made.
            layout = try TaskLayout(madeFor: world.task) ?? TaskLayout(world.task, appImage: world.appImage)
        } catch {
            return failed(world.task.status, world, reason(of: error), "\(error)")
        }
        let fates = TaskFates(layout, own, world.task.status)
        var status = world.task.status
        status.partyLayouts = layout.partyLayouts
        status.observe(own, services: layout.services(ports: status.allocatedPorts), now: world.now)
        if let conflict = fates.failures.first(where: { $0.reason == "PortConflict" }), attempt < maximumAttempts {
            do {
                let next = try TaskLayout(world.task, appImage: world.appImage)
                try allocate(next, attempt: attempt + 1, &status, world, &ports)
            } catch {
                return failed(status, world, "PortConflict", "\(conflict.text); \(error)")
            }
            status.podStatuses = [:]
            status.phase = .pending
            status.message = conflict.text
            return TaskPlan(status: status)
        }
        var plan = TaskPlan(status: status)
        plan.actions += publishHosts(layout, own, world, &plan.status)
        judge(layout, own, fates, world, &plan)
        tellOfSilence(own, world, &plan.status)
        return plan
    }

    /// The pods of this attempt, and those that must go before: of an earlier attempt, or of a task that had this name.
    private static func split(_ world: TaskWorld, _ attempt: Int) -> (own: [Pod], stale: [Pod]) {
        let mine = mine(world)
        let others = world.pods.filter { pod in
            !mine.contains { $0.metadata.uid == pod.metadata.uid }
                && pod.metadata.ownerReferences.contains { $0.kind == KusciaTask.kind }
        }
        func isCurrent(_ pod: Pod) -> Bool { pod.metadata.annotations[TaskLayout.attemptAnnotation] == "\(attempt)" }
        return (mine.filter(isCurrent), mine.filter { !isCurrent($0) } + others)
    }

    private static func mine(_ world: TaskWorld) -> [Pod] {
        guard let uid = world.task.metadata.uid else { return world.pods }
        return world.pods.filter { $0.metadata.ownerReferences.contains { $0.uid == uid } }
    }

    /// Makes the objects, once the names that they need are free.
    private static func make(
        _ layout: TaskLayout, _ attempt: Int, _ stale: [Pod], _ world: TaskWorld, _ ports: inout PortAllocator
    ) -> TaskPlan {
        var plan = TaskPlan(status: world.task.status)
        let since = plan.status.conditions.first { $0.type == "ResourceCreated" }?.lastTransitionTime ?? world.now
        if world.now.seconds(since: since) >= Int64(allowedSeconds(world)) {
            return failed(
                plan.status, world, "TaskResourceGroupExpired",
                "its objects could not be made within \(allowedSeconds(world)) s (scheduleConfig.lifecycleSeconds)"
                    + (plan.status.message.map { ": \($0)" } ?? ""))
        }
        plan.actions = stale.map { delete($0, grace: 0) }
        guard stale.isEmpty else { return plan }
        do {
            let status = plan.status
            guard layout.portKeys.allSatisfy({ layout.number(of: $0.port, in: $0.pod, status.allocatedPorts) != nil }) else {
                // The AppImage was changed since.
                try allocate(layout, attempt: attempt, &plan.status, world, &ports)
                return plan
            }
            // Addresses of earlier pods must not reach the new ones.
            plan.actions = layout.hostsMaps("").map {
                .removeConfigMap(namespace: $0.metadata.namespace ?? "", name: $0.metadata.name)
            }
            plan.actions += try layout.configMaps(ports: status.allocatedPorts).map { .apply($0) }
            plan.actions += layout.services(ports: status.allocatedPorts).map { .applyService($0) }
            plan.actions += layout.podObjects(ports: status.allocatedPorts, attempt: attempt).map { .create($0) }
        } catch {
            return failed(plan.status, world, reason(of: error), "\(error)")
        }
        plan.status.setCondition("ResourceCreated", .true, reason: "Attempt\(attempt)", now: world.now)
        plan.status.partyLayouts = layout.partyLayouts
        plan.status.message = nil  // What stood in the way does not any more.
        return plan
    }

    /// Tells all parties where the others are, once as many parties are placed as are needed.
    private static func publishHosts(
        _ layout: TaskLayout, _ pods: [Pod], _ world: TaskWorld, _ status: inout KusciaTaskStatus
    ) -> [TaskAction] {
        func address(_ pod: TaskPod) -> String? {
            let object = pods.first { $0.metadata.name == pod.name && $0.metadata.namespace == pod.domain }
            return object?.spec.nodeName.flatMap(world.nodeAddress)
        }
        let placed = layout.parties.map { party in party.pods.filter { address($0) != nil }.count }
        let ready = zip(layout.parties, placed).filter { party, count in count >= party.minReservedPods }.count
        guard ready >= layout.neededParties else { return [] }
        let reason = "Placed\(placed.reduce(0, +))"
        if status.conditions.contains(where: { $0.type == "HostsPublished" && $0.reason == reason }) { return [] }
        status.setCondition("HostsPublished", .true, reason: reason, now: world.now)
        return layout.hostsMaps(layout.hosts(address: address)).map { .apply($0) }
    }

    static func allowedSeconds(_ world: TaskWorld) -> Int {
        // 0 is "not given": what a client sends that writes every field.
        world.task.spec.scheduleConfig?.lifecycleSeconds.flatMap { $0 > 0 ? $0 : nil } ?? schedulingSeconds
    }

    // MARK: finished

    private static func finish(_ world: TaskWorld, _ ports: inout PortAllocator) -> TaskPlan {
        let pods = mine(world)
        var plan = TaskPlan(status: world.task.status)
        plan.status.observe(pods, services: [], now: world.now)
        plan.status.closePodStatuses(present: pods)
        refineCause(pods, world, &plan.status)
        plan.actions = stop(pods)
        if pods.allSatisfy({ $0.status.phase?.isFinished == true }) { ports.release(owner: portOwner(world.task)) }
        return plan
    }

    /// I-TASK-3.
    static func stop(_ pods: [Pod]) -> [TaskAction] {
        pods.filter { $0.status.phase?.isFinished != true && $0.metadata.deletionTimestamp == nil }
            .map { delete($0, grace: survivorGraceSeconds) }
    }

    private static func delete(_ pod: Pod, grace: Int) -> TaskAction {
        .delete(namespace: pod.metadata.namespace ?? "", pod: pod.metadata.name, uid: pod.metadata.uid, graceSeconds: grace)
    }

    private static func failed(_ status: KusciaTaskStatus, _ world: TaskWorld, _ reason: String, _ message: String) -> TaskPlan {
        var plan = TaskPlan(status: status)
        fail(&plan.status, world, reason, message)
        plan.actions = stop(mine(world))
        return plan
    }

    /// The plan for a task one of whose objects cannot be made for good: the server refuses it, or its name is another's.
    public static func refused(_ world: TaskWorld, reason: String = "CreateFailed", message: String) -> TaskPlan {
        var plan = failed(world.task.status, world, reason, message)
        plan.status.lastReconcileTime = world.now
        return plan
    }

    static func fail(_ status: inout KusciaTaskStatus, _ world: TaskWorld, _ reason: String, _ message: String) {
        status.fail(reason, message, now: world.now)
    }
}
