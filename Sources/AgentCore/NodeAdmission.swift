// Whether this node takes a pod that was bound to it: the scheduler saw the cluster, the node sees itself.
import KubernetesModel

public struct NodeAdmission: Sendable {
    public enum Verdict: Sendable, Hashable {
        case accept
        /// `reason` becomes the pod's status reason: OutOfcpu, OutOfmemory, OutOfpods, PortConflict, ...
        case reject(reason: String, message: String)
    }

    public var allocatable: PodResources
    /// Sum of the pods that hold resources here already, this one not included.
    public var used: PodResources
    /// Ports that the pod wants and that are not free on the machine or promised to another pod.
    public var takenPorts: Set<Int>
    /// RuntimeClasses that this node can serve; a pod without one gets the node's default.
    public var runtimeClasses: Set<String>
    /// Images (as written in the pod) that the node has.
    public var presentImages: Set<String>

    public init(
        allocatable: PodResources, used: PodResources, takenPorts: Set<Int> = [], runtimeClasses: Set<String> = [],
        presentImages: Set<String> = []
    ) {
        self.allocatable = allocatable
        self.used = used
        self.takenPorts = takenPorts
        self.runtimeClasses = runtimeClasses
        self.presentImages = presentImages
    }

    public func admit(_ pod: Pod) -> Verdict {
        if let name = pod.spec.runtimeClassName, !name.isEmpty, !runtimeClasses.contains(name) {
            let known = runtimeClasses.sorted().joined(separator: ", ")
            return .reject(reason: "RuntimeClassNotFound", message: "runtimeClassName \(name) is none of: \(known)")
        }
        if let refusal = refusalForResources(pod) { return refusal }
        for (container, port) in Self.ports(of: pod) where takenPorts.contains(port) {
            return .reject(
                reason: "PortConflict", message: "port \(port) of container \(container) is already in use on the node")
        }
        for container in pod.spec.initContainers + pod.spec.containers {
            let image = container.image ?? ""
            if !presentImages.contains(image) {
                return .reject(
                    reason: "ErrImageNeverPull",
                    message: "image \"\(image)\" of container \(container.name) is not present on this node")
            }
        }
        return .accept
    }

    private func refusalForResources(_ pod: Pod) -> Verdict? {
        let wanted = PodResources(requestedBy: pod)
        let checks = [
            ("pods", wanted.pods, used.pods, allocatable.pods), ("cpu", wanted.cpuMillis, used.cpuMillis, allocatable.cpuMillis),
            ("memory", wanted.memoryBytes, used.memoryBytes, allocatable.memoryBytes),
        ]
        for (name, asked, taken, limit) in checks where asked > 0 && asked > limit - taken {
            let unit = name == "cpu" ? " (thousandths of a CPU)" : name == "memory" ? " (bytes)" : ""
            return .reject(
                reason: "OutOf\(name)",
                message:
                    "Node didn't have enough resource: \(name), requested: \(asked), used: \(taken), capacity: \(limit)\(unit)")
        }
        return nil
    }

    /// Every port that the pod will take on the node: all it declares when it shares the node's network.
    public static func ports(of pod: Pod) -> [(container: String, port: Int)] {
        pod.spec.containers.flatMap { container in
            container.ports.map { (container.name, $0.hostPort ?? $0.containerPort) }
        }
    }
}
