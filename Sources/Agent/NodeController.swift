// Keeps this node's object and lease: registers, says what the machine has and how full it is, and that the agent lives.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

public final class NodeController: Sendable {
    static let leaseNamespace = "kube-node-lease"
    /// Registration is tried again after this time when the master is away.
    static let registrationRetryNanoseconds: Int64 = 1_000_000_000
    /// The first is told, then one a minute.
    static let refusalsPerWarning = 60
    /// The orderly good-bye must not hold up the agent's end.
    static let farewellSeconds: Int64 = 5

    private struct State {
        var heartbeat: Heartbeat
        var reported: NodeStatus?
        var uid: String?
        var nameGuard: NodeNameGuard?
    }

    private let api: any KubernetesAPI
    private let builder: NodeStatusBuilder
    private let measure: @Sendable () -> NodeMeasurement
    /// What the node is short of, as `EvictionController` sees it; nil: the one measurement decides.
    private let pressures: @Sendable () -> Set<NodePressure>?
    private let images: @Sendable () async -> [ContainerImage]
    /// Of the place where pods run that do not run here.
    private let remote: @Sendable () async -> [NodeCondition]
    private let clock: any AgentClock
    private let logger: Logger
    private let state: Mutex<State>
    private let intervals: Heartbeat.Intervals
    /// Where this agent's instance is kept; nil: only the machine tells agents apart.
    private let instancePath: String?

    public init(
        api: any KubernetesAPI, builder: NodeStatusBuilder, intervals: Heartbeat.Intervals, clock: any AgentClock, logger: Logger,
        measure: @escaping @Sendable () -> NodeMeasurement, pressures: @escaping @Sendable () -> Set<NodePressure>? = { nil },
        images: @escaping @Sendable () async -> [ContainerImage],
        remote: @escaping @Sendable () async -> [NodeCondition] = { [] },
        instancePath: String? = nil
    ) {
        self.remote = remote
        self.instancePath = instancePath
        self.api = api
        self.builder = builder
        self.intervals = intervals
        self.clock = clock
        self.logger = logger
        self.measure = measure
        self.pressures = pressures
        self.images = images
        state = Mutex(State(heartbeat: Heartbeat(intervals: intervals)))
    }

    private var name: String { builder.identity.name }

    /// Registers, then keeps lease and status until cancelled. `registered` is called once. Throws when another agent that lives has
    /// the node's name.
    public func run(registered: @Sendable () -> Void) async throws(DuplicateNodeError) {
        guard try await register() else { return }
        registered()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keepLease() }
            group.addTask { await self.keepStatus() }
        }
    }

    // MARK: Registration

    private func register() async throws(DuplicateNodeError) -> Bool {
        var refusals = 0
        while !Task.isCancelled {
            var taken: DuplicateNodeError?
            do {
                taken = try await ensureNode()
                if taken == nil { return true }
            } catch {
                tell(error, &refusals)
            }
            if let taken { throw taken }
            try? await clock.sleep(nanoseconds: Self.registrationRetryNanoseconds)
        }
        return false
    }

    /// A server that is away comes back; one that refuses will not think better of it, and somebody has to look.
    private func tell(_ error: any Error, _ refusals: inout Int) {
        let metadata: Logger.Metadata = ["node": "\(name)", "error": "\(error)"]
        guard let code = (error as? KubernetesAPIError)?.code, [401, 403, 422].contains(code) else {
            return logger.info("node not registered yet", metadata: metadata)
        }
        if refusals % Self.refusalsPerWarning == 0 {
            logger.warning("the server refuses this node; it is tried again", metadata: metadata)
        }
        refusals += 1
    }

    /// Not nil: somebody else has the name. Throws when it has to be tried again.
    private func ensureNode() async throws -> DuplicateNodeError? {
        let instance = try await loadInstance()
        guard let node = try await api.find(Node.self, name: name) else {
            var wanted = builder.node(await status(.ready, previous: []))
            if !instance.isEmpty { wanted.metadata.annotations[NodeHolder.annotation] = instance }
            let created = try await api.create(wanted)
            remember(created)
            // Most servers keep the status that a node is created with: it need not be told again.
            if created.status.isReady { reported(wanted.status) }
            return nil
        }
        if let taken = try await refuseForeign(node, instance) { return taken }
        try await claim(node, instance)
        remember(node)
        try await pushStatus(await status(.ready, previous: node.status.conditions))
        return nil
    }

    private func loadInstance() async throws -> String {
        guard let instancePath else { return "" }
        return try await InstanceFile.load(instancePath)
    }

    /// Brings labels and, where a node may, taints of an existing node to what this agent wants. At a cluster of others
    /// NodeRestriction lets a node set its taints when it is created and never again.
    private func claim(_ node: Node, _ instance: String) async throws {
        var (merge, metadata): (JSONValue, JSONValue) = ([:], [:])
        let missing = builder.labels.filter { node.metadata.labels[$0.key] != $0.value }
        if !missing.isEmpty { metadata["labels"] = .object(JSONObject(missing.mapValues { .string($0) })) }
        if !instance.isEmpty, node.metadata.annotations[NodeHolder.annotation] != instance {
            metadata["annotations"] = [NodeHolder.annotation: .string(instance)]
            // Of two agents that claim the name at the same moment one is refused, and looks again.
            if let version = node.metadata.resourceVersion { metadata["resourceVersion"] = .string(version) }
        }
        if metadata.objectValue?.isEmpty == false { merge["metadata"] = metadata }
        if builder.identity.domain != nil {
            let keys = Set(builder.taints.map(\.key))
            let taints = node.spec.taints.filter { !keys.contains($0.key) } + builder.taints
            if Set(taints) != Set(node.spec.taints) { merge["spec"] = ["taints": try JSON.encodeToValue(taints)] }
        }
        if merge.objectValue?.isEmpty == false { try await api.patch(Node.self, name: name, merge: merge) }
    }

    /// The owner of what this node makes; nil before it is registered.
    public var owner: OwnerReference? {
        state.withLock(\.uid).map { OwnerReference(apiVersion: "v1", kind: "Node", name: name, uid: $0) }
    }

    /// Throws while the other may be dead.
    private func refuseForeign(_ node: Node, _ instance: String) async throws -> DuplicateNodeError? {
        let own = NodeHolder(machineID: builder.identity.machineID, instance: instance)
        let theirs = NodeHolder(
            machineID: node.status.nodeInfo?.machineID ?? "", instance: node.metadata.annotations[NodeHolder.annotation] ?? "")
        let isClash = node.status.isReady && theirs.differs(from: own)
        let lease = isClash ? try await api.find(Lease.self, namespace: Self.leaseNamespace, name: name) : nil
        let verdict = state.withLock { state in
            var nameGuard = state.nameGuard ?? NodeNameGuard(own: own, leaseSeconds: intervals.leaseDurationSeconds)
            defer { state.nameGuard = nameGuard }
            return nameGuard.look(
                theirs, isReady: node.status.isReady, renewTime: lease?.spec.renewTime?.description, now: clock.now())
        }
        switch verdict {
        case .free: return nil
        case .wait: throw NodeNameAwaited(node: name)
        case .taken:
            return DuplicateNodeError(node: name, machineID: theirs.machineID, isOwnMachine: theirs.machineID == own.machineID)
        }
    }

    private func remember(_ node: Node) {
        state.withLock { $0.uid = node.metadata.uid }
    }

    // MARK: Lease

    private func keepLease() async {
        while !Task.isCancelled {
            var succeeded = true
            do {
                try await renewLease()
            } catch {
                succeeded = false
                logger.debug("lease not renewed", metadata: ["error": "\(error)"])
            }
            let pause = state.withLock { state in
                state.heartbeat.pauseAfterRenewal(succeeded: succeeded, jitter: Double.random(in: 0..<1), now: clock.now())
            }
            try? await clock.sleep(nanoseconds: pause)
        }
    }

    private func renewLease() async throws {
        let renewTime = MicroTimestamp(unixMicroseconds: clock.now() / 1000)
        let merge: JSONValue = [
            "spec": [
                "renewTime": .string(renewTime.description), "holderIdentity": .string(name),
                "leaseDurationSeconds": .int(intervals.leaseDurationSeconds),
            ]
        ]
        do {
            try await api.patch(Lease.self, namespace: Self.leaseNamespace, name: name, merge: merge)
        } catch let error as KubernetesAPIError where error.isNotFound {
            try await api.create(lease(renewTime))
        }
    }

    private func lease(_ renewTime: MicroTimestamp) -> Lease {
        Lease(
            metadata: ObjectMeta(name: name, namespace: Self.leaseNamespace, ownerReferences: owner.map { [$0] } ?? []),
            spec: LeaseSpec(
                holderIdentity: name, leaseDurationSeconds: Int(intervals.leaseDurationSeconds), renewTime: renewTime))
    }

    // MARK: Status

    private func keepStatus() async {
        while !Task.isCancelled {
            try? await clock.sleep(nanoseconds: intervals.statusCheckSeconds * .nanosecondsPerSecond)
            if Task.isCancelled { return }
            let (reported, heartbeat) = state.withLock { ($0.reported, $0.heartbeat) }
            let fresh = await status(.ready, previous: reported?.conditions ?? [])
            let changed = reported.map { NodeStatusBuilder.differs(fresh, from: $0) } ?? true
            guard heartbeat.shouldReportStatus(changed: changed, now: clock.now()) else { continue }
            do {
                try await pushStatus(fresh)
            } catch let error as KubernetesAPIError where error.isNotFound {
                // Somebody deleted the node; it is alive.
                do throws(DuplicateNodeError) { _ = try await register() } catch {
                    logger.error("node deleted, and its name taken", metadata: ["error": "\(error)"])
                }
            } catch {
                logger.debug("node status not reported", metadata: ["error": "\(error)"])
            }
        }
    }

    private func status(_ readiness: NodeReadiness, previous: [NodeCondition]) async -> NodeStatus {
        builder.status(
            measure(), readiness, pressures: pressures(), remote: await remote(), previous: previous, images: await images(),
            now: clock.now())
    }

    /// Conditions and addresses are joined by their type (strategic merge), as kubelets send them: those that others
    /// keep on the node, such as NetworkUnavailable, stay.
    private func pushStatus(_ status: NodeStatus) async throws {
        let body: JSONValue = ["status": try JSON.encodeToValue(status)]
        _ = try await api.patch(
            Node.resource, namespace: nil, name: name, subresource: "status", type: .strategicMerge, body: body.serialized())
        reported(status)
    }

    private func reported(_ status: NodeStatus) {
        let now = clock.now()
        state.withLock { state in
            state.reported = status
            state.heartbeat.statusReported(now: now)
        }
    }

    /// The last word of an orderly exit, so that the scheduler need not wait for the lease to run out. Bounded in time.
    public func sayGoodbye() async {
        let status = await status(.exiting, previous: state.withLock(\.reported)?.conditions ?? [])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await self.pushStatus(status) }
            group.addTask { try? await self.clock.sleep(nanoseconds: Self.farewellSeconds * .nanosecondsPerSecond) }
            await group.next()
            group.cancelAll()
        }
    }
}

/// Another agent is registered under this node's name and alive.
public struct DuplicateNodeError: Error, Sendable, CustomStringConvertible {
    public var node: String
    public var machineID: String
    /// It is an agent of this machine, with a state directory of its own.
    public var isOwnMachine: Bool

    public var description: String {
        isOwnMachine
            ? "node \(node) is in use by another agent of this machine, with another state directory, which renews its lease; "
                + "stop that agent, or give this one another node name"
            : "node \(node) is in use by another machine (machine id \(machineID)), which renews its lease; give this one another node name"
    }
}

/// Another agent had the name and may be dead; its lease tells.
struct NodeNameAwaited: Error, CustomStringConvertible {
    var node: String
    var description: String { "node \(node) was in use by another agent; waiting until its lease is renewed or runs out" }
}
