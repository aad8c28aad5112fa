// How much a pod asks for, in the scheduler's way of counting.
import KubernetesModel

public struct PodResources: Sendable, Hashable {
    public var cpuMillis: Int64
    public var memoryBytes: Int64
    public var pods: Int64
    /// Bytes on the node's disk; 0 in a node's capacity means "not counted".
    public var ephemeralStorageBytes: Int64
    /// Everything else by its name: "kuscia.io/bandwidth", devices. Whole numbers of their own unit.
    public var extended: [String: Int64]

    public init(
        cpuMillis: Int64 = 0, memoryBytes: Int64 = 0, pods: Int64 = 0, ephemeralStorageBytes: Int64 = 0,
        extended: [String: Int64] = [:]
    ) {
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.pods = pods
        self.ephemeralStorageBytes = ephemeralStorageBytes
        self.extended = extended
    }

    /// Main containers and sidecars together, or what is needed at an init container's turn (with the sidecars that started
    /// before it) if that is more. A limit without a request is the request.
    /// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    public init(requestedBy pod: Pod) {
        var running = PodResources()
        var peak = PodResources()
        for container in pod.spec.initContainers {
            let wanted = PodResources(container)
            if container.restartPolicy == "Always" { running = running + wanted }
            peak = peak.maximum(container.restartPolicy == "Always" ? running : running + wanted)
        }
        for container in pod.spec.containers { running = running + PodResources(container) }
        self = peak.maximum(running) + PodResources(pod.spec.overhead)
        pods = 1
    }

    /// What one container asks for.
    public init(_ container: Container) {
        let resources = container.resources
        self.init(resources.limits.merging(resources.requests, uniquingKeysWith: { _, request in request }))
    }

    /// From Kubernetes' names of resources.
    public init(_ quantities: [String: Quantity]) {
        self.init()
        for (name, quantity) in quantities {
            switch name {
            case "cpu": cpuMillis = quantity.milliValue
            case "memory": memoryBytes = quantity.value
            case "ephemeral-storage": ephemeralStorageBytes = quantity.value
            default: extended[name] = quantity.value
            }
        }
    }

    public static func + (left: PodResources, right: PodResources) -> PodResources {
        left.joined(right) { sum, more in
            let (result, tooMuch) = sum.addingReportingOverflow(more)
            return tooMuch ? .max : result
        }
    }

    func maximum(_ other: PodResources) -> PodResources { joined(other, Swift.max) }

    /// What is left of a capacity; never below zero.
    func without(_ reserved: PodResources) -> PodResources {
        var result = joined(reserved) { Swift.max(0, $0 - $1) }
        result.pods = pods
        return result
    }

    private func joined(_ other: PodResources, _ operation: (Int64, Int64) -> Int64) -> PodResources {
        var extended = extended
        for (name, value) in other.extended { extended[name] = operation(extended[name] ?? 0, value) }
        return PodResources(
            cpuMillis: operation(cpuMillis, other.cpuMillis), memoryBytes: operation(memoryBytes, other.memoryBytes),
            pods: operation(pods, other.pods),
            ephemeralStorageBytes: operation(ephemeralStorageBytes, other.ephemeralStorageBytes), extended: extended)
    }
}
