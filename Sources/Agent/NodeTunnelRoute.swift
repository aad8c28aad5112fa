// What a node answers through its tunnel, as a table: path prefix -> handler. Paths are those of the kubelet's own HTTP API.
import KubernetesClient

/// Answers the requests whose path is `prefix`, or continues behind it with "/".
public struct NodeTunnelRoute: Sendable {
    public var prefix: String
    /// False: the next route that fits is asked.
    public var claims: @Sendable (NodeTunnelExchange) async -> Bool
    /// Must call `respond` or `refuse` once. What it throws breaks the answer off.
    public var answer: @Sendable (NodeTunnelExchange) async throws -> Void

    public init(
        prefix: String, claims: @escaping @Sendable (NodeTunnelExchange) async -> Bool = { _ in true },
        answer: @escaping @Sendable (NodeTunnelExchange) async throws -> Void
    ) {
        self.prefix = prefix
        self.claims = claims
        self.answer = answer
    }

    func fits(_ path: String) -> Bool {
        path == prefix
            || (path.utf8.starts(with: prefix.utf8) && path.utf8.dropFirst(prefix.utf8.count).first == UInt8(ascii: "/"))
    }
}

/// One request of the master, and the way to answer it.
public struct NodeTunnelExchange: Sendable {
    public let request: TunnelRequest
    /// Without its query, percent-encoded as it came.
    public let path: String
    /// Decoded, in order.
    public let query: [(name: String, value: String)]
    private let tunnel: any NodeTunnel

    public init(request: TunnelRequest, tunnel: any NodeTunnel) {
        self.request = request
        self.tunnel = tunnel
        let parts = request.path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts.first ?? "")
        query = (parts.count == 2 ? parts[1] : "").split(separator: "&").map { pair in
            let member = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Self.decoded(member[0]), member.count == 2 ? Self.decoded(member[1]) : "")
        }
    }

    public var method: String { request.method }
    /// Decoded, without empty ones.
    public var segments: [String] { path.split(separator: "/").map { Self.decoded($0) } }
    public func values(_ name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }
    public func flag(_ name: String) -> Bool { ["true", "1"].contains(query.last { $0.name == name }?.value) }

    /// Sends the answer; returns at its end. Throws when nobody reads it any more.
    public func respond(
        status: Int = 200, contentType: String, body: @escaping @Sendable (any TunnelBodyWriter) async throws -> Void
    ) async throws {
        try await tunnel.respond(to: request.id, status: status, contentType: contentType, body: body)
    }

    public func respond(status: Int = 200, contentType: String, bytes: [UInt8]) async throws {
        try await respond(status: status, contentType: contentType) { body in if !bytes.isEmpty { try await body.write(bytes) } }
    }

    public func refuse(status: Int, _ message: String) async throws {
        try await respond(status: status, contentType: "text/plain", bytes: Array((message + "\n").utf8))
    }

    /// What the caller sends, for exec, attach and port-forward. Once.
    public func input() async throws -> any TunnelBodyReader { try await tunnel.input(of: request.id) }

    /// Percent-decoding; a broken escape stays as it is.
    private static func decoded(_ text: Substring) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
