// HTTP on one side, the core's requests and responses on the other: identify the caller, ask the core, write its answer.
import APIServer
import HTTPTypes
import Hummingbird
import KubernetesClient
import Logging
import NIOCore
import Synchronization

/// What Hummingbird makes per request.
struct APIRequestContext: InitializableFromSource {
    let channel: any Channel

    init(source: ApplicationRequestContextSource) { channel = source.channel }
}

struct APIResponder: HTTPResponder {
    let handler: APIHandler
    let authenticator: RequestAuthenticator
    let connections: ConnectionTable
    let tunnels: NodeTunnelHub
    let metrics: ServerMetrics
    let log: Logger

    func respond(to request: Request, context: APIRequestContext) async throws -> Response {
        guard let connection = connections.connection(of: context.channel) else {
            return response(FrontStatus.shuttingDown.document)
        }
        let started = ContinuousClock.now
        let id = metrics.nextRequestID()
        var answer: Response
        do {
            answer = try await self.answer(request, connection)
        } catch let refusal as FrontStatus {
            answer = response(refusal.document)
        }
        answer.headers[.auditID] = id
        metrics.count(method: request.method.rawValue, path: request.head.path ?? "", code: answer.status.code)
        log.debug(
            "request",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(request.head.path ?? "")", "code": "\(answer.status.code)",
                "duration": "\(ContinuousClock.now - started)", "id": "\(id)",
            ])
        return request.method == .head ? answer.createHeadResponse() : answer
    }

    private func answer(_ request: Request, _ connection: ClientConnection) async throws -> Response {
        guard let target = RequestTarget(request.head.path ?? "") else {
            throw FrontStatus.badRequest("the request target is malformed or too long")
        }
        guard let method = HTTPMethodName(rawValue: request.method.rawValue) else {
            throw FrontStatus.methodNotAllowed(request.method.rawValue)
        }
        let user = try await identify(request, target, connection)
        if let tunnel = TunnelRoute(path: target.path) {
            return try await answer(tunnel, method, request, user, connection)
        }
        if target.path == "/metrics" { return try metricsDocument(user) }
        var body = try await collect(request)
        var contentType = request.headers[.contentType]
        if contentType?.hasPrefix(ProtobufBody.contentType) == true, !body.isEmpty {
            body = try ProtobufBody.json(body)
            contentType = "application/json"
        }
        let answer = await handler.handle(
            APIRequest(
                method: method, path: target.path, query: target.query, contentType: contentType,
                accept: request.headers[.accept], ifNoneMatch: request.headers[.ifNoneMatch], body: body, user: user))
        switch answer {
        case .document(let document): return response(document)
        case .watch(let watch): return try stream(watch, isHead: method == .head, connection)
        case .podLog(let target): return try await podLog(target, isHead: method == .head, connection)
        }
    }

    private func identify(
        _ request: Request, _ target: RequestTarget, _ connection: ClientConnection
    ) async throws -> UserInfo {
        let identity = try await authenticator.identify(
            certificateUser: await connection.certificateUser(), authorization: request.headers[.authorization])
        switch identity {
        case .user(let user): return user
        case .anonymous where RequestAuthenticator.openPaths.contains(target.path): return RequestAuthenticator.anonymousUser
        case .anonymous, .refused: throw FrontStatus.unauthorized
        }
    }

    private func collect(_ request: Request) async throws -> [UInt8] {
        let limit = APIHandler.maximumBodyBytes
        var body = ByteBuffer()
        var discarded = 0
        for try await var part in request.body {
            if body.readableBytes + part.readableBytes <= limit, discarded == 0 {
                body.writeBuffer(&part)
                continue
            }
            // Read on for a while: a client that is still sending would see a broken connection instead of the refusal.
            body.clear()
            discarded += part.readableBytes
            if discarded > Self.maximumDiscardedBytes { break }
        }
        guard discarded == 0 else { throw FrontStatus.tooLarge(limit: limit) }
        return Array(body.readableBytesView)
    }

    static let maximumDiscardedBytes = 32 << 20

    // MARK: Answers

    func response(_ document: APIDocument) -> Response {
        var headers = HTTPFields()
        if !document.contentType.isEmpty { headers[.contentType] = document.contentType }
        headers[.cacheControl] = "no-cache, private"
        for header in document.headers {
            guard let name = HTTPField.Name(header.name) else { continue }
            headers.append(HTTPField(name: name, value: header.value))
        }
        let hasBody = document.status != 304 && document.status != 204
        if hasBody { headers[.contentLength] = String(document.body.count) }
        return Response(
            status: .init(code: document.status), headers: headers,
            body: hasBody ? ResponseBody(byteBuffer: ByteBuffer(bytes: document.body)) : ResponseBody())
    }

    private func stream(_ watch: APIWatch, isHead: Bool, _ connection: ClientConnection) throws -> Response {
        let headers: HTTPFields = [.contentType: watch.contentType, .cacheControl: "no-cache, private"]
        if isHead {
            watch.cancel()
            return Response(status: .ok, headers: headers)
        }
        guard let stream = connection.addStream(ending: { _ in watch.cancel() }) else {
            watch.cancel()
            throw FrontStatus.shuttingDown
        }
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                metrics.watchBegan()
                defer {
                    metrics.watchEnded()
                    watch.cancel()
                    connection.removeStream(stream)
                }
                // The core gathers what happens while a write is under way, and ends a watch that falls too far behind.
                while let events = await watch.next() {
                    try await connection.writing { try await writer.write(ByteBuffer(bytes: events)) }
                }
                try await writer.finish(nil)
            })
    }

    private func podLog(_ target: PodLogTarget, isHead: Bool, _ connection: ClientConnection) async throws -> Response {
        let query = target.rawQuery.isEmpty ? "" : "?" + target.rawQuery
        let answer: TunnelAnswer
        do {
            answer = try await tunnels.request(
                node: target.node, method: "GET",
                path: "/containerLogs/\(target.namespace)/\(target.pod)/\(target.container)\(query)")
        } catch let error as NodeTunnelError {
            throw FrontStatus.unavailable(
                "the log of pod \(target.namespace)/\(target.pod) cannot be read: \(error.description)")
        }
        guard answer.status == 200 else { throw await refusal(answer) }
        guard !isHead, let stream = connection.addStream(ending: { _ in answer.close() }) else {
            answer.close()
            if isHead { return Response(status: .ok, headers: [.contentType: answer.contentType]) }
            throw FrontStatus.shuttingDown
        }
        return Response(
            status: .ok, headers: [.contentType: answer.contentType, .cacheControl: "no-cache, private"],
            body: ResponseBody { writer in
                defer {
                    answer.close()
                    connection.removeStream(stream)
                }
                while let bytes = try await answer.next() {
                    try await connection.writing { try await writer.write(ByteBuffer(bytes: bytes)) }
                }
                try await writer.finish(nil)
            })
    }

    /// The node's own words, in the form that kubectl shows.
    private func refusal(_ answer: TunnelAnswer) async -> FrontStatus {
        defer { answer.close() }
        var text: [UInt8] = []
        while text.count < Self.maximumRefusalBytes, let bytes = try? await answer.next() { text += bytes }
        let message = String(decoding: text.prefix(Self.maximumRefusalBytes), as: UTF8.self)
        switch answer.status {
        case 400: return .badRequest(message)
        case 404: return .notFound(message)
        case 503: return .unavailable(message)
        default: return FrontStatus(code: 500, reason: "InternalError", message: message)
        }
    }

    private static let maximumRefusalBytes = 4096

    private func metricsDocument(_ user: UserInfo) throws -> Response {
        guard user.groups.contains(SwiftletAuthorizer.administrators) else {
            throw FrontStatus.forbidden("forbidden: User \"\(user.name)\" cannot get path \"/metrics\"")
        }
        let text = metrics.text(connections: connections.count, tunnels: tunnels.connectedNodes.count)
        return response(APIDocument(status: 200, contentType: "text/plain; version=0.0.4", body: Array(text.utf8)))
    }
}

extension HTTPField.Name {
    /// Kubernetes' name for the request id.
    static var auditID: HTTPField.Name { known("Audit-Id") }
    static var swiftletStatus: HTTPField.Name { known("X-Swiftlet-Status") }

    private static func known(_ name: String) -> HTTPField.Name { HTTPField.Name(name) ?? .server }
}
