// Reaching into pods whose provider has no ContainerRuntime of this machine under it: their logs, commands and ports lie elsewhere.
import KubernetesModel

/// What of a log is asked for.
public struct RemoteLogQuery: Sendable, Hashable {
    /// "" means the pod's only container.
    public var container: String
    public var follow: Bool
    public var previous: Bool
    public var timestamps: Bool
    public var tailLines: Int?
    public var sinceSeconds: Int?

    public init(
        container: String = "", follow: Bool = false, previous: Bool = false, timestamps: Bool = false, tailLines: Int? = nil,
        sinceSeconds: Int? = nil
    ) {
        self.container = container
        self.follow = follow
        self.previous = previous
        self.timestamps = timestamps
        self.tailLines = tailLines
        self.sinceSeconds = sinceSeconds
    }
}

/// Throws `RuntimeError`: notFound for a pod or container that is not there, unavailable with the other side's words.
public protocol PodProviderAccess: Sendable {
    func knows(namespace: String, pod: String) async -> Bool
    /// Calls `write` with each piece as it comes; returns at the log's end, following at the container's. Throws what `write` throws.
    func readLog(
        namespace: String, pod: String, query: RemoteLogQuery, write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws
    /// As `ContainerRuntime.exec`; the container "" means the pod's only one.
    func exec(namespace: String, pod: String, container: String, _ request: ExecRequest) async throws -> any ExecSession
    func attach(namespace: String, pod: String, container: String, _ request: ExecRequest) async throws -> any ExecSession
    func portForward(namespace: String, pod: String, port: UInt16) async throws -> any ByteStream
    /// What running pods use; pods of which nothing is known are left out.
    func podStats() async -> [RemotePodStats]
}

/// What a pod that runs elsewhere uses, as it was measured there: rates, no totals since its start.
public struct RemotePodStats: Sendable, Hashable {
    public struct Container: Sendable, Hashable {
        public var name: String
        /// Thousand-millionths of a CPU, over the measurer's own window.
        public var cpuNanoCores: Int64
        public var workingSetBytes: Int64

        public init(name: String, cpuNanoCores: Int64, workingSetBytes: Int64) {
            self.name = name
            self.cpuNanoCores = cpuNanoCores
            self.workingSetBytes = workingSetBytes
        }
    }

    public var uid: String
    public var namespace: String
    public var name: String
    /// Unix seconds.
    public var startedAt: Int64
    /// When it was measured, Unix seconds.
    public var measuredAt: Int64
    public var containers: [Container]

    public init(uid: String, namespace: String, name: String, startedAt: Int64, measuredAt: Int64, containers: [Container]) {
        self.uid = uid
        self.namespace = namespace
        self.name = name
        self.startedAt = startedAt
        self.measuredAt = measuredAt
        self.containers = containers
    }
}

/// A provider of pods that run elsewhere, chosen by their RuntimeClass.
public protocol RemotePodProvider: PodProvider, PodProviderAccess {
    /// What the node says of the place where they run: beside its own conditions. Their times are the node's to fill in.
    func nodeConditions() async -> [NodeCondition]
}
