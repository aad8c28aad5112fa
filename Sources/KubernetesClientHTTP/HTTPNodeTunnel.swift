// The node's end of the tunnel over HTTPS: a GET whose answer never ends brings the requests, each answer is a POST.
// The wire format is described in APIServerHTTP/NodeTunnelHub.swift.
import AsyncHTTPClient
import JSON
import KubernetesClient
import NIOCore
import Synchronization

extension HTTPKubernetesAPI: NodeTunnelDialing {
    static func tunnelPath(_ node: String) -> String {
        "/apis/swiftlet.io/v1alpha1/nodes/\(RequestURL.escaped(node))/tunnel"
    }

    public func openTunnel(node: String) async throws -> any NodeTunnel {
        let response = try await send("GET", Self.tunnelPath(node), as: .tunnel)
        return HTTPNodeTunnel(api: self, node: node, response: response)
    }
}

/// Reads lines in a task of its own, so that `close` can end it and `nextRequest` needs to hold no iterator.
final class HTTPNodeTunnel: NodeTunnel, Sendable {
    /// Requests that the node has not taken yet; the master sends no more than 64 at once.
    private static let maximumWaiting = 256

    private let api: HTTPKubernetesAPI
    private let node: String
    private let lines = BytePipe()
    private let task: Task<Void, Never>
    private let waiting = Mutex<[TunnelRequest]>([])

    init(api: HTTPKubernetesAPI, node: String, response: HTTPClientResponse) {
        self.api = api
        self.node = node
        let lines = lines
        task = Task {
            do {
                for try await buffer in response.body { try await lines.write(Array(buffer.readableBytesView)) }
                lines.finish()
            } catch {
                lines.finish(throwing: KubernetesAPIError.transport("tunnel of node \(node): \(error)"))
            }
        }
    }

    private let splitter = Mutex(LineSplitter())

    func nextRequest() async throws -> TunnelRequest? {
        while true {
            if let request = waiting.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return request }
            guard let bytes = try await lines.next() else { return nil }
            var requests: [TunnelRequest] = []
            try splitter.withLock { splitter in
                // A line without id is a heartbeat.
                try splitter.append(ByteBuffer(bytes: bytes)) { line in
                    if let request = try? JSON.decode(TunnelRequest.self, from: Array(line)) { requests.append(request) }
                }
            }
            try waiting.withLock { waiting in
                guard waiting.count + requests.count <= Self.maximumWaiting else {
                    throw KubernetesAPIError.transport("tunnel of node \(node): more than \(Self.maximumWaiting) requests wait")
                }
                waiting += requests
            }
        }
    }

    /// Returns when the body is sent, throws when it could not be, or when nobody wanted it any more. In both cases `body`
    /// is cancelled: it may be waiting for a log that never grows.
    func respond(
        to id: String, status: Int, contentType: String, body: @escaping @Sendable (any TunnelBodyWriter) async throws -> Void
    ) async throws {
        let pipe = BytePipe()
        let target = HTTPKubernetesAPI.tunnelPath(node) + "/" + RequestURL.escaped(id)
        let headers = [("X-Swiftlet-Status", String(status)), ("Content-Type", contentType)]
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await body(pipe)
                    pipe.finish()
                } catch {
                    pipe.finish(throwing: error)
                    throw error
                }
                return false
            }
            group.addTask { [api] in
                defer { pipe.abandon() }
                let response = try await api.send(
                    "POST", target, body: .stream(PipeBody(pipe: pipe), length: .unknown), headers: headers, as: .stream)
                _ = try await api.collect(response, "POST \(target)")
                return true
            }
            defer { group.cancelAll() }
            // The exchange's end decides; the body's end alone only means that the rest is on its way.
            while let isExchange = try await group.next(), !isExchange {}
        }
    }

    func input(of id: String) async throws -> any TunnelBodyReader {
        let target = HTTPKubernetesAPI.tunnelPath(node) + "/" + RequestURL.escaped(id) + "/input"
        let response = try await api.send("GET", target, headers: [("Accept", "*/*")], as: .stream)
        return TunnelInput(response)
    }

    func close() async {
        task.cancel()
        lines.abandon()
    }

    deinit { task.cancel() }
}

/// A body read in a task of its own, which ends with this.
private final class TunnelInput: TunnelBodyReader {
    private let pipe = BytePipe()
    private let task: Task<Void, Never>

    init(_ response: HTTPClientResponse) {
        let pipe = pipe
        task = Task {
            do {
                for try await buffer in response.body { try await pipe.write(Array(buffer.readableBytesView)) }
                pipe.finish()
            } catch {
                pipe.finish(throwing: error)
            }
        }
    }

    func next() async throws -> [UInt8]? { try await pipe.next() }

    func abandon() {
        task.cancel()
        pipe.abandon()
    }

    deinit { task.cancel() }
}

/// A pipe as AsyncHTTPClient wants a request's body.
private struct PipeBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let pipe: BytePipe

    struct AsyncIterator: AsyncIteratorProtocol {
        let pipe: BytePipe

        mutating func next() async throws -> ByteBuffer? { try await pipe.next().map { ByteBuffer(bytes: $0) } }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pipe: pipe) }
}
