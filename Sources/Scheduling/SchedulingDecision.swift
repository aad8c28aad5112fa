// What the scheduler decided in one pass; the shell carries it out.

public enum SchedulingDecision: Sendable, Hashable {
    /// Bind all of these or none. The room is already taken in the state; if binding fails, the shell says so with
    /// `SchedulerState.bindingFailed`.
    case bind([PodPlacement])
    /// Nothing fits now. Said once per change of the cluster's shape, not in every pass.
    case unschedulable(PodKey, uid: String, PlacementObstacle)
    /// End the victims; the room that they leave is kept for the pods, which are bound when it is there.
    case preempt(Preemption)
}

/// What keeps a pod from a node.
public struct PlacementObstacle: Sendable, Hashable {
    public var message: String
    /// The pod would have a place; another one of its group has none.
    public var isAnothers: Bool

    public init(_ message: String, isAnothers: Bool = false) {
        self.message = message
        self.isAnothers = isAnothers
    }
}

public struct PodPlacement: Sendable, Hashable {
    public var pod: PodKey
    public var uid: String
    public var node: String

    public init(pod: PodKey, uid: String, node: String) {
        self.pod = pod
        self.uid = uid
        self.node = node
    }
}

/// Pods of lower priority that make room. No victims: what is ending on the node anyway leaves room enough.
public struct Preemption: Sendable, Hashable {
    /// Where the preempting pods will go (`status.nominatedNodeName`).
    public var nominated: [PodPlacement]
    /// Running pods to delete, each with the node that it runs on.
    public var victims: [PodPlacement]
}
