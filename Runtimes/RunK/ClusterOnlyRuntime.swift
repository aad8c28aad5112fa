// The runtime of a node that runs nothing itself: all its pods go to the cluster.
import RuntimeInterface

public struct ClusterOnlyRuntime: ContainerRuntime {
    public let name = "runk"

    public init() {}

    private var none: RuntimeError { .unenforceable("containers of its own: this node's pods run in a cluster") }

    public func adopt() async throws -> [ContainerStatusReport] { [] }
    public func runPodSandbox(_ config: PodSandboxConfig) async throws { throw none }
    public func stopPodSandbox(podUID: String) async throws {}
    public func removePodSandbox(podUID: String) async throws {}
    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID { throw none }
    public func startContainer(_ id: ContainerID) async throws { throw none }
    public func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws {}
    public func removeContainer(_ id: ContainerID) async throws {}
    public func status(_ id: ContainerID) async throws -> ContainerStatusReport? { nil }
    public func list() async throws -> [ContainerStatusReport] { [] }
    public func usage(_ id: ContainerID) async throws -> ContainerUsage { throw RuntimeError.notFound("container \(id)") }
    public func stats() async throws -> [ContainerID: ContainerStats] { [:] }
    public func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async {}
}
