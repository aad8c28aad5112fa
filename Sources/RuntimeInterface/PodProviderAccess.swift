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
    /// What running pods use, by pod uid and container; pods of which nothing is known are left out.
    func podStats() async throws -> [String: [String: ContainerUsage]]
}

/// A provider of pods that run elsewhere, chosen by their RuntimeClass.
public protocol RemotePodProvider: PodProvider, PodProviderAccess {}
