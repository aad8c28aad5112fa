// The scheduler's view of a pod and of a node: the few facts that decide where a pod goes.
import KubernetesModel

public struct PodKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    public var name: String

    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    public var description: String { "\(namespace)/\(name)" }

    public static func < (left: PodKey, right: PodKey) -> Bool { (left.namespace, left.name) < (right.namespace, right.name) }
}

/// Pods that are placed together or not at all. The name is the key, across namespaces: the parties of a task.
public struct PodGroup: Sendable, Hashable {
    public var name: String
    /// Pods of the whole group. Nothing is placed before so many (or `minMembers`, if fewer) exist.
    public var size: Int
    /// So many are enough for the group to start; normally all.
    public var minMembers: Int

    public init(name: String, size: Int, minMembers: Int? = nil) {
        self.name = name
        self.size = max(size, 1)
        self.minMembers = min(max(minMembers ?? self.size, 1), self.size)
    }
}

/// A port of the node itself that a container takes. Two meet when protocol and number are the same and one of the
/// addresses is that of all interfaces, or both are equal.
public struct HostPort: Sendable, Hashable {
    /// "TCP", "UDP" or "SCTP".
    public var transport: String
    public var port: Int
    /// "0.0.0.0" is every address of the node.
    public var address: String

    public init(_ port: Int, transport: String = "TCP", address: String = "0.0.0.0") {
        self.port = port
        self.transport = transport
        self.address = address
    }

    func meets(_ other: HostPort) -> Bool {
        port == other.port && transport == other.transport
            && (address == other.address || address == "0.0.0.0" || other.address == "0.0.0.0")
    }
}

public struct PodDescription: Sendable, Hashable {
    public var key: PodKey
    public var uid: String
    public var priority: Int
    /// Whether pods of lower priority may be ended to make room for it (`spec.preemptionPolicy`).
    public var mayPreempt: Bool
    /// It has a deletion timestamp: what it uses will be free without anybody's doing.
    public var terminating: Bool
    /// When the pod was created, milliseconds since 1970: first come, first served.
    public var arrival: Int64
    /// `pods` is counted as one whatever it says.
    public var request: ResourceAmounts
    public var nodeSelector: [String: String]
    public var tolerations: [Toleration]
    /// Required node affinity: one of the terms must match; nil asks for nothing.
    public var requiredTerms: [NodeSelectorTerm]?
    /// Preferred node affinity.
    public var preferredTerms: [PreferredSchedulingTerm]
    /// Where its volumes can be reached: one of the terms of each list must match.
    public var volumeTerms: [[NodeSelectorTerm]] = []
    /// Claims that have no volume yet, under names that no other claim has: pods that share one go to one node.
    public var unboundClaims: [String] = []
    public var hostPorts: [HostPort]
    public var group: PodGroup?
    /// The node it is bound to; nil while it is pending.
    public var nodeName: String?

    public init(
        key: PodKey, uid: String = "", priority: Int = 0, mayPreempt: Bool = true, terminating: Bool = false, arrival: Int64 = 0,
        request: ResourceAmounts = ResourceAmounts(), nodeSelector: [String: String] = [:], tolerations: [Toleration] = [],
        requiredTerms: [NodeSelectorTerm]? = nil, preferredTerms: [PreferredSchedulingTerm] = [], hostPorts: [HostPort] = [],
        group: PodGroup? = nil, nodeName: String? = nil
    ) {
        self.key = key
        self.uid = uid
        self.priority = priority
        self.mayPreempt = mayPreempt
        self.terminating = terminating
        self.arrival = arrival
        self.request = request
        self.nodeSelector = nodeSelector
        self.tolerations = tolerations
        self.requiredTerms = requiredTerms
        self.preferredTerms = preferredTerms
        self.hostPorts = hostPorts
        self.group = group
        self.nodeName = nodeName
    }
}

public struct NodeDescription: Sendable, Hashable {
    public var name: String
    public var allocatable: ResourceAmounts
    public var labels: [String: String]
    public var taints: [Taint]
    public var ready: Bool
    /// Cordoned (`spec.unschedulable`).
    public var unschedulable: Bool

    public init(
        name: String, allocatable: ResourceAmounts, labels: [String: String] = [:], taints: [Taint] = [], ready: Bool = true,
        unschedulable: Bool = false
    ) {
        self.name = name
        self.allocatable = allocatable
        self.labels = labels
        self.taints = taints
        self.ready = ready
        self.unschedulable = unschedulable
    }

    /// The organisation to which the node belongs, by its label.
    public var domain: String? { labels["kuscia.secretflow/namespace"] }
}
