// The HTTP endpoints of a node tunnel (wire format: NodeTunnelHub.swift). A node reaches only its own.
import APIServer
import KubernetesClient
import NIOCore
import NIOHTTP1

/// A path below /apis/swiftlet.io/v1alpha1/nodes/NODE/tunnel.
struct TunnelRoute: Hashable, Sendable {
    var node: String
    /// nil: the tunnel itself.
    var requestID: String?
    /// The caller's bytes of that request.
    var isInput = false

    init?(path: String) {
        guard path.utf8.starts(with: Self.prefix.utf8) else { return nil }
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        guard (6...8).contains(parts.count), parts[0] == "apis", parts[1] == "swiftlet.io", parts[2] == "v1alpha1",
            parts[3] == "nodes", parts[5] == "tunnel", parts.count < 8 || parts[7] == "input"
        else { return nil }
        node = String(parts[4])
        requestID = parts.count >= 7 ? String(parts[6]) : nil
        isInput = parts.count == 8
    }

    private static let prefix = "/apis/swiftlet.io/"

    /// A node's answer is read while it arrives: a log that is followed has no end.
    static func takesStreamedBody(_ head: HTTPRequestHead) -> Bool {
        guard head.method == .POST, head.uri.utf8.starts(with: prefix.utf8) else { return false }
        return TunnelRoute(path: String(head.uri.prefix { $0 != "?" })).map { $0.requestID != nil && !$0.isInput } ?? false
    }
}

extension APIResponder {
    func answer(_ route: TunnelRoute, _ method: HTTPMethodName, _ request: FrontRequest, _ user: UserInfo) async throws
        -> FrontAnswer
    {
        guard user.name == "system:node:\(route.node)", user.groups.contains("system:nodes") else {
            throw FrontStatus.forbidden("only node \"\(route.node)\" itself may open its tunnel, not \"\(user.name)\"")
        }
        try handler.requireTunnel(route.node, user: user)
        switch (method, route.requestID) {
        case (.get, nil): return try tunnel(of: route.node, user)
        case (.get, let id?) where route.isInput: return try input(of: id, node: route.node)
        case (.post, let id?) where !route.isInput: return try await receiveAnswer(id, of: route.node, request)
        default: throw FrontStatus.methodNotAllowed(method.rawValue)
        }
    }

    private func tunnel(of node: String, _ user: UserInfo) throws -> FrontAnswer {
        // The name may become another's while the tunnel stands.
        let isItsOwn: @Sendable () -> Bool = { [handler] in (try? handler.requireTunnel(node, user: user)) != nil }
        guard let session = tunnels.open(node: node, isItsOwn: isItsOwn) else { throw FrontStatus.shuttingDown }
        log.info("node tunnel opened", metadata: ["node": "\(node)"])
        // The first heartbeat at once: the node knows then that its tunnel stands.
        session.heartbeat()
        return .stream(
            AnswerStream(
                contentType: "application/json",
                produce: { writer in
                    defer { log.info("node tunnel closed", metadata: ["node": "\(node)"]) }
                    while let lines = await session.next() { try await writer.write(lines) }
                },
                cancel: { tunnels.close(session) }))
    }

    /// The caller's bytes, as they come, until he or the answer ends.
    private func input(of id: String, node: String) throws -> FrontAnswer {
        guard let pending = tunnels.pendingAnswer(id, node: node) else {
            throw FrontStatus.notFound("nobody waits for answer \"\(id)\"")
        }
        return .stream(
            AnswerStream(
                contentType: "application/octet-stream",
                produce: { writer in while let bytes = try await pending.input.next() { try await writer.write(bytes) } },
                cancel: { pending.input.abandon() }))
    }

    private func receiveAnswer(_ id: String, of node: String, _ request: FrontRequest) async throws -> FrontAnswer {
        guard let status = request.header("x-swiftlet-status").flatMap({ Int($0) }), (200...599).contains(status) else {
            throw FrontStatus.badRequest("header X-Swiftlet-Status: expected a status from 200 to 599")
        }
        let head = TunnelAnswerHead(status: status, contentType: request.header("content-type") ?? "text/plain")
        guard let body = request.bodyStream, let pending = tunnels.pendingAnswer(id, node: node),
            pending.deliver(head, breakAnswer: { body.finish(.failure(RequestBody.Broken())) })
        else { throw FrontStatus.notFound("nobody waits for answer \"\(id)\"") }
        do {
            while let piece = try await body.next() { try await pending.body.write(Array(piece.readableBytesView)) }
        } catch {
            // Either the node broke off or the caller did; in both cases this connection is of no further use.
            pending.answerBroke()
            throw FrontStatus.notFound("answer \"\(id)\" was broken off")
        }
        pending.answerEnded()
        return .nothing
    }
}
