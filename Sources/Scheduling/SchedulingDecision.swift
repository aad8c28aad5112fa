// What the scheduler decided in one pass; the shell carries it out.

public enum SchedulingDecision: Sendable, Hashable {
    /// Bind all of these or none. The room is already taken in the state; if binding fails, the shell says so with
    /// `SchedulerState.bindingFailed`.
    case bind([PodPlacement])
    /// Nothing fits now. Said once per change of the cluster's shape, not in every pass.
    case unschedulable(PodKey, uid: String, message: String)
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
