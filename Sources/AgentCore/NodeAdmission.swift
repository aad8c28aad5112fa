// Whether this node takes a pod that was bound to it: the scheduler saw the cluster, the node sees itself.
import KubernetesModel

public struct NodeAdmission: Sendable {
    public enum Verdict: Sendable, Hashable {
        case accept
        /// `reason` becomes the pod's status reason: OutOfcpu, OutOfmemory, OutOfpods, PortConflict, Evicted, ...
        case reject(reason: String, message: String)
    }

    /// From this priority on a pod is the system's own (system-cluster-critical): pressure does not keep it away.
    public static let criticalPriority = 2_000_000_000

    /// The reason where nothing else keeps the pod away: it is looked at last.
    public static let portConflict = "PortConflict"

    public var allocatable: PodResources
    /// Sum of the pods that hold resources here already, this one not included.
    public var used: PodResources
    /// Ports that the pod wants and that are not free on the machine or promised to another pod.
    public var takenPorts: Set<Int>
    /// The same of UDP (and SCTP), as far as pods hold them.
    public var takenDatagramPorts: Set<Int> = []
    /// RuntimeClasses that this node can serve; a pod without one gets the node's default.
    public var runtimeClasses: Set<String>
    /// What the node is short of at this moment.
    public var pressures: Set<NodePressure>

    public init(
        allocatable: PodResources, used: PodResources, takenPorts: Set<Int> = [], runtimeClasses: Set<String> = [],
        pressures: Set<NodePressure> = []
    ) {
        self.allocatable = allocatable
        self.used = used
        self.takenPorts = takenPorts
        self.runtimeClasses = runtimeClasses
        self.pressures = pressures
    }

    public func admit(_ pod: Pod) -> Verdict {
        if let problem = PodNames.problem(pod) ?? PodNumbers.problem(pod) {
            return .reject(reason: "InvalidPod", message: problem)
        }
        if let name = pod.spec.runtimeClassName, !name.isEmpty, !runtimeClasses.contains(name) {
            let known = runtimeClasses.sorted().joined(separator: ", ")
            return .reject(reason: "RuntimeClassNotFound", message: "runtimeClassName \(name) is none of: \(known)")
        }
        if let refusal = refusalForPressure(pod) ?? refusalForResources(pod) { return refusal }
        for port in Self.ports(of: pod) where (port.isTCP ? takenPorts : takenDatagramPorts).contains(port.port) {
            return .reject(
                reason: Self.portConflict,
                message: "port \(port.port) of container \(port.container) is already in use on the node")
        }
        return .accept
    }

    /// The pod would be the next to be evicted. Memory pressure keeps away only who asked for no memory (they are evicted
    /// first), the others keep away everybody; as the kubelet does.
    private func refusalForPressure(_ pod: Pod) -> Verdict? {
        guard !Self.isCritical(pod), !pressures.isEmpty else { return nil }
        if pressures == [.memory], !Self.isBestEffort(pod) { return nil }
        let names = pressures.map(\.rawValue).sorted().joined(separator: " ")
        return .reject(reason: "Evicted", message: "The node had condition: [\(names)]. ")
    }

    private func refusalForResources(_ pod: Pod) -> Verdict? {
        let wanted = PodResources(requestedBy: pod)
        var checks = [
            ("pods", wanted.pods, used.pods, allocatable.pods), ("cpu", wanted.cpuMillis, used.cpuMillis, allocatable.cpuMillis),
            ("memory", wanted.memoryBytes, used.memoryBytes, allocatable.memoryBytes),
        ]
        if allocatable.ephemeralStorageBytes > 0 {
            checks.append(
                (
                    "ephemeral-storage", wanted.ephemeralStorageBytes, used.ephemeralStorageBytes,
                    allocatable.ephemeralStorageBytes
                ))
        }
        // What this node has never heard of is counted by the cluster, not by nodes (the kubelet sees it so too).
        for (name, limit) in allocatable.extended.sorted(by: { $0.key < $1.key }) {
            checks.append((name, wanted.extended[name] ?? 0, used.extended[name] ?? 0, limit))
        }
        for (name, asked, taken, limit) in checks where asked > 0 && asked > limit - taken {
            let unit =
                name == "cpu" ? " (thousandths of a CPU)" : name == "memory" || name == "ephemeral-storage" ? " (bytes)" : ""
            return .reject(
                reason: "OutOf\(name)",
                message:
                    "Node didn't have enough resource: \(name), requested: \(asked), used: \(taken), capacity: \(limit)\(unit)")
        }
        return nil
    }

    /// The system's own pods, and those of this machine's files: the node does not end them to help itself.
    public static func isCritical(_ pod: Pod) -> Bool {
        (pod.spec.priority ?? 0) >= criticalPriority || StaticPod.isStatic(pod) || StaticPod.isMirror(pod)
    }

    /// No container asks for or limits cpu or memory (QoS class BestEffort).
    static func isBestEffort(_ pod: Pod) -> Bool {
        (pod.spec.initContainers + pod.spec.containers).allSatisfy { container in
            let wanted = PodResources(container)
            return wanted.cpuMillis == 0 && wanted.memoryBytes == 0
        }
    }

    /// Every port that the pod holds on the node while it runs: all it declares when it shares the node's network, else those that lead
    /// into its own. What plain init containers declare is free again when the others begin.
    public static func ports(of pod: Pod) -> [NodePort] {
        let sharesNetwork = NetworkWish.isHost(pod)
        return (sidecars(of: pod) + pod.spec.containers).flatMap { container in
            container.ports.compactMap { port in
                (port.givenHostPort ?? (sharesNetwork ? port.containerPort : nil)).map {
                    NodePort(container: container.name, port: $0, protocol: port.protocol)
                }
            }
        }
    }

    /// Init containers that run beside the main ones.
    public static func sidecars(of pod: Pod) -> [Container] { pod.spec.initContainers.filter { $0.restartPolicy == "Always" } }
}

/// A port of the node that a pod holds.
public struct NodePort: Sendable, Hashable {
    public var container: String
    public var port: Int
    /// A port of UDP and the same of TCP are two.
    public var isTCP: Bool

    init(container: String, port: Int, protocol: String?) {
        self.container = container
        self.port = port
        isTCP = Self.isTCP(`protocol`)
    }

    static func isTCP(_ name: String?) -> Bool { !["UDP", "SCTP"].contains(name?.uppercased()) }
}

extension ContainerPort {
    /// 0 is written for "none".
    var givenHostPort: Int? { hostPort == 0 ? nil : hostPort }
}
