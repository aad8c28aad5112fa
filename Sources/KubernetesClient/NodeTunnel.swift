// How the master reaches a node that has no inbound port: the node holds a connection open, on which the master asks;
// each answer travels in a request of the node's own. Exec, attach and port-forward have bytes in the other direction too.

/// What the master asks of a node, in the words of the kubelet's own HTTP API
/// ("/containerLogs/NAMESPACE/POD/CONTAINER?follow=true&tailLines=5").
public struct TunnelRequest: Sendable, Codable, Hashable {
    public var id: String
    public var method: String
    public var path: String

    public init(id: String, method: String, path: String) {
        self.id = id
        self.method = method
        self.path = path
    }
}

/// Where an answer's body goes. `write` suspends while the receiver is slow and throws when nobody reads any more.
public protocol TunnelBodyWriter: Sendable {
    func write(_ bytes: [UInt8]) async throws
}

/// What a caller sends to the node behind his request.
public protocol TunnelBodyReader: Sendable {
    /// What has come, never empty; nil at the caller's end. Throws when the connection broke.
    func next() async throws -> [UInt8]?
    /// Nothing more will be read.
    func abandon()
}

/// The node's end of an open tunnel.
public protocol NodeTunnel: Sendable {
    /// Suspends until the master asks something; nil when the tunnel ended and should be opened again.
    func nextRequest() async throws -> TunnelRequest?
    /// Sends the answer to one request; several may be under way at once.
    func respond(
        to id: String, status: Int, contentType: String, body: @escaping @Sendable (any TunnelBodyWriter) async throws -> Void
    ) async throws
    /// The caller's bytes of a request that has them (exec, attach, port-forward); at most once for each, before or while answering.
    func input(of id: String) async throws -> any TunnelBodyReader
    func close() async
}

extension NodeTunnel {
    public func input(of id: String) async throws -> any TunnelBodyReader {
        throw KubernetesAPIError.transport("this tunnel has no bytes from the caller")
    }
}

public protocol NodeTunnelDialing: Sendable {
    func openTunnel(node: String) async throws -> any NodeTunnel
}

/// Query of a pod's log, as in `GET pods/NAME/log`.
public struct PodLogOptions: Sendable, Hashable {
    public var container: String?
    public var follow = false
    public var tailLines: Int?
    public var sinceSeconds: Int?
    public var timestamps = false
    public var previous = false

    public init(container: String? = nil, follow: Bool = false, tailLines: Int? = nil) {
        self.container = container
        self.follow = follow
        self.tailLines = tailLines
    }
}

/// Reads a pod's log; `onChunk` is called with each piece as it comes, until the end or (following) the pod's end.
public protocol PodLogReading: Sendable {
    func podLog(
        namespace: String, pod: String, options: PodLogOptions, onChunk: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws
}
