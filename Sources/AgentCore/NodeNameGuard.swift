// Whether a node's name is free for this agent: two agents under one name would take each other's pods for their own.

/// Who serves a node: the machine, and the agent's state directory on it.
public struct NodeHolder: Sendable, Hashable {
    /// Where the Node keeps `instance`; an agent of before, and other kubelets, have none.
    public static let annotation = "swiftlet.io/agent-instance"

    public var machineID: String
    /// Made once per state directory.
    public var instance: String

    public init(machineID: String, instance: String) {
        self.machineID = machineID
        self.instance = instance
    }

    /// What is not known differs from nothing.
    public func differs(from other: NodeHolder) -> Bool {
        func differ(_ one: String, _ other: String) -> Bool { !one.isEmpty && !other.isEmpty && one != other }
        return differ(machineID, other.machineID) || differ(instance, other.instance)
    }
}

/// Remembers the other's lease from look to look, so that clocks of two machines need not agree.
public struct NodeNameGuard: Sendable {
    public enum Verdict: Sendable, Hashable {
        case free
        /// The other may be dead: look again soon.
        case wait
        /// It renewed its lease while we watched.
        case taken
    }

    private struct Watch {
        var holder: NodeHolder
        var renewTime: String?
        var since: UnixNanoseconds
    }

    private let own: NodeHolder
    private let leaseSeconds: Int64
    private var watch: Watch?

    public init(own: NodeHolder, leaseSeconds: Int64) {
        self.own = own
        self.leaseSeconds = leaseSeconds
    }

    /// `renewTime`: of the node's lease, as written; nil when it has none. A node that is not ready said good-bye or was given up.
    public mutating func look(_ holder: NodeHolder, isReady: Bool, renewTime: String?, now: UnixNanoseconds) -> Verdict {
        guard holder.differs(from: own), isReady else {
            watch = nil
            return .free
        }
        guard let before = watch, before.holder == holder else {
            watch = Watch(holder: holder, renewTime: renewTime, since: now)
            return .wait
        }
        if before.renewTime != renewTime { return .taken }
        return now >= before.since.adding(seconds: leaseSeconds) ? .free : .wait
    }
}
