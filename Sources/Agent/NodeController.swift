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
    /// The orderly good-bye must not hold up the agent's end.
    static let farewellSeconds: Int64 = 5

    private struct State {
        var heartbeat: Heartbeat
        var reported: NodeStatus?
        var uid: String?
    }

    private let api: any KubernetesAPI
    private let builder: NodeStatusBuilder
    private let measure: @Sendable () -> NodeMeasurement
    /// What the node is short of, as `EvictionController` sees it; nil: the one measurement decides.
    private let pressures: @Sendable () -> Set<NodePressure>?
    private let images: @Sendable () -> [String]
    private let clock: any AgentClock
    private let logger: Logger
    private let state: Mutex<State>
    private let intervals: Heartbeat.Intervals

    public init(
        api: any KubernetesAPI, builder: NodeStatusBuilder, intervals: Heartbeat.Intervals, clock: any AgentClock, logger: Logger,
        measure: @escaping @Sendable () -> NodeMeasurement, pressures: @escaping @Sendable () -> Set<NodePressure>? = { nil },
        images: @escaping @Sendable () -> [String]
    ) {
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

    /// Registers, then keeps lease and status until cancelled. `registered` is called once.
    public func run(registered: @Sendable () -> Void) async {
        guard await register() else { return }
        registered()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keepLease() }
            group.addTask { await self.keepStatus() }
        }
    }

    // MARK: Registration

    private func register() async -> Bool {
        while !Task.isCancelled {
            do {
                try await ensureNode()
                return true
            } catch {
                logger.info("node not registered yet", metadata: ["node": "\(name)", "error": "\(error)"])
            }
            try? await clock.sleep(nanoseconds: Self.registrationRetryNanoseconds)
        }
        return false
    }

    private func ensureNode() async throws {
        guard let node = try await api.find(Node.self, name: name) else {
            let created = try await api.create(builder.node(status(.ready, previous: [])))
            return remember(created)
        }
        try refuseForeign(node)
        try await claim(node)
        remember(node)
        try await pushStatus(status(.ready, previous: node.status.conditions))
    }

    /// Brings labels and, where a node may, taints of an existing node to what this agent wants. At a cluster of others
    /// NodeRestriction lets a node set its taints when it is created and never again.
    private func claim(_ node: Node) async throws {
        var merge: JSONValue = [:]
        let missing = builder.labels.filter { node.metadata.labels[$0.key] != $0.value }
        if !missing.isEmpty { merge["metadata"] = ["labels": .object(JSONObject(missing.mapValues { .string($0) }))] }
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

    /// Two machines under one name would take each other's pods for their own.
    private func refuseForeign(_ node: Node) throws {
        let (theirs, ours) = (node.status.nodeInfo?.machineID ?? "", builder.identity.machineID)
        guard node.status.isReady, !theirs.isEmpty, !ours.isEmpty, theirs != ours else { return }
        throw DuplicateNodeError(node: name, machineID: theirs)
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
                state.heartbeat.pauseAfterRenewal(succeeded: succeeded, jitter: Double.random(in: 0..<1))
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
            let fresh = status(.ready, previous: reported?.conditions ?? [])
            let changed = reported.map { NodeStatusBuilder.differs(fresh, from: $0) } ?? true
            guard heartbeat.shouldReportStatus(changed: changed, now: clock.now()) else { continue }
            do {
                try await pushStatus(fresh)
            } catch let error as KubernetesAPIError where error.isNotFound {
                // Somebody deleted the node; it is alive.
                _ = await register()
            } catch {
                logger.debug("node status not reported", metadata: ["error": "\(error)"])
            }
        }
    }

    private func status(_ readiness: NodeReadiness, previous: [NodeCondition]) -> NodeStatus {
        builder.status(
            measure(), readiness, pressures: pressures(), previous: previous, images: images(), now: clock.now())
    }

    /// Conditions and addresses are joined by their type (strategic merge), as kubelets send them: those that others
    /// keep on the node, such as NetworkUnavailable, stay.
    private func pushStatus(_ status: NodeStatus) async throws {
        let body: JSONValue = ["status": try JSON.encodeToValue(status)]
        _ = try await api.patch(
            Node.resource, namespace: nil, name: name, subresource: "status", type: .strategicMerge, body: body.serialized())
        let now = clock.now()
        state.withLock { state in
            state.reported = status
            state.heartbeat.statusReported(now: now)
        }
    }

    /// The last word of an orderly exit, so that the scheduler need not wait for the lease to run out. Bounded in time.
    public func sayGoodbye() async {
        let status = status(.exiting, previous: state.withLock(\.reported)?.conditions ?? [])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await self.pushStatus(status) }
            group.addTask { try? await self.clock.sleep(nanoseconds: Self.farewellSeconds * .nanosecondsPerSecond) }
            await group.next()
            group.cancelAll()
        }
    }
}

/// Another machine is registered under this node's name and alive.
struct DuplicateNodeError: Error, CustomStringConvertible {
    var node: String
    var machineID: String
    var description: String { "node \(node) is in use by another machine (machine id \(machineID)); give this one another name" }
}
