// The HTTP endpoints of a node tunnel (wire format: NodeTunnelHub.swift). A node reaches only its own.
import APIServer
import HTTPTypes
import Hummingbird
import KubernetesClient
import NIOCore

/// A path below /apis/swiftlet.io/v1alpha1/nodes/NODE/tunnel.
struct TunnelRoute: Hashable, Sendable {
    var node: String
    /// nil: the tunnel itself.
    var requestID: String?

    init?(path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        guard parts.count == 6 || parts.count == 7, parts[0] == "apis", parts[1] == "swiftlet.io", parts[2] == "v1alpha1",
            parts[3] == "nodes", parts[5] == "tunnel"
        else { return nil }
        node = String(parts[4])
        requestID = parts.count == 7 ? String(parts[6]) : nil
    }
}

extension APIResponder {
    func answer(
        _ route: TunnelRoute, _ method: HTTPMethodName, _ request: Request, _ user: UserInfo, _ connection: ClientConnection
    ) async throws -> Response {
        guard user.name == "system:node:\(route.node)", user.groups.contains("system:nodes") else {
            throw FrontStatus.forbidden("only node \"\(route.node)\" itself may open its tunnel, not \"\(user.name)\"")
        }
        switch (method, route.requestID) {
        case (.get, nil): return try tunnel(of: route.node, connection)
        case (.post, let id?): return try await receiveAnswer(id, of: route.node, request, connection)
        default: throw FrontStatus.methodNotAllowed(method.rawValue)
        }
    }

    private func tunnel(of node: String, _ connection: ClientConnection) throws -> Response {
        guard let session = tunnels.open(node: node) else { throw FrontStatus.shuttingDown }
        guard let stream = connection.addStream(ending: { _ in tunnels.close(session) }) else {
            tunnels.close(session)
            throw FrontStatus.shuttingDown
        }
        log.info("node tunnel opened", metadata: ["node": "\(node)"])
        // The first heartbeat at once: the node knows then that its tunnel stands.
        session.heartbeat()
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-cache, private"],
            body: ResponseBody { writer in
                defer {
                    tunnels.close(session)
                    connection.removeStream(stream)
                    log.info("node tunnel closed", metadata: ["node": "\(node)"])
                }
                while let lines = await session.next() {
                    try await connection.writing { try await writer.write(ByteBuffer(bytes: lines)) }
                }
                try await writer.finish(nil)
            })
    }

    private func receiveAnswer(
        _ id: String, of node: String, _ request: Request, _ connection: ClientConnection
    ) async throws -> Response {
        guard let status = request.headers[.swiftletStatus].flatMap({ Int($0) }), (200...599).contains(status) else {
            throw FrontStatus.badRequest("header X-Swiftlet-Status: expected a status from 200 to 599")
        }
        let head = TunnelAnswerHead(status: status, contentType: request.headers[.contentType] ?? "text/plain")
        guard let pending = tunnels.pendingAnswer(id, node: node),
            let stream = connection.addStream(ending: { wasComplete in if !wasComplete { pending.answerBroke() } })
        else { throw FrontStatus.notFound("nobody waits for answer \"\(id)\"") }
        defer { connection.removeStream(stream) }
        guard pending.deliver(head, breakAnswer: { connection.close() }) else {
            throw FrontStatus.notFound("nobody waits for answer \"\(id)\"")
        }
        do {
            for try await part in request.body { try await pending.body.write(Array(part.readableBytesView)) }
        } catch {
            // Either the node broke off or the caller did; in both cases this connection is of no further use.
            pending.answerBroke()
            connection.close()
            throw FrontStatus.notFound("answer \"\(id)\" was broken off")
        }
        pending.answerEnded()
        return Response(status: .noContent)
    }
}
