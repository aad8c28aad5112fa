// How much a pod asks for, in the scheduler's way of counting.
import KubernetesModel

public struct PodResources: Sendable, Hashable {
    public var cpuMillis: Int64
    public var memoryBytes: Int64
    public var pods: Int64

    public init(cpuMillis: Int64 = 0, memoryBytes: Int64 = 0, pods: Int64 = 0) {
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.pods = pods
    }

    /// Main containers together, or the largest init container if that is more. A limit without a request is the request.
    public init(requestedBy pod: Pod) {
        var sum = PodResources(pods: 1)
        for container in pod.spec.containers {
            sum.cpuMillis += Self.request("cpu", of: container)?.milliValue ?? 0
            sum.memoryBytes += Self.request("memory", of: container)?.value ?? 0
        }
        for container in pod.spec.initContainers {
            sum.cpuMillis = max(sum.cpuMillis, Self.request("cpu", of: container)?.milliValue ?? 0)
            sum.memoryBytes = max(sum.memoryBytes, Self.request("memory", of: container)?.value ?? 0)
        }
        self = sum
    }

    private static func request(_ name: String, of container: Container) -> Quantity? {
        container.resources.requests[name] ?? container.resources.limits[name]
    }

    public static func + (left: PodResources, right: PodResources) -> PodResources {
        PodResources(
            cpuMillis: left.cpuMillis + right.cpuMillis, memoryBytes: left.memoryBytes + right.memoryBytes,
            pods: left.pods + right.pods)
    }
}
