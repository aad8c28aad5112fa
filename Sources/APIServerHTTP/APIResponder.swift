// HTTP on one side, the core's requests and responses on the other: identify the caller, ask the core, pass on its answer.
import APIServer
import KubernetesClient
import Logging
import NIOCore

struct APIResponder: Sendable {
    let handler: APIHandler
    let authenticator: RequestAuthenticator
    let gate: any RequestGate
    let tunnels: NodeTunnelHub
    let metrics: ServerMetrics
    let log: Logger

    func answer(_ request: FrontRequest) async -> FrontAnswer {
        do {
            return try await attempt(request)
        } catch let refusal as FrontStatus {
            return .document(refusal.document)
        } catch let refusal as Refusal {
            return .document(refusal.document)
        } catch {
            // Only a caller that went away is left: nobody reads this.
            return .document(FrontStatus.requestTimeout.document)
        }
    }

    private func attempt(_ request: FrontRequest) async throws -> FrontAnswer {
        guard request.uri.utf8.count <= RequestTarget.maximumBytes else { throw FrontStatus.targetTooLong }
        guard let target = RequestTarget(request.uri) else { throw FrontStatus.badRequest("the request target is malformed") }
        guard let method = HTTPMethodName(rawValue: request.method) else {
            throw FrontStatus.methodNotAllowed(request.method)
        }
        let user = try handler.impersonated(
            try await identify(request, target),
            ImpersonationRequest(headers: request.headers.lazy.map { (name: $0.name, value: $0.value) }))
        if let tunnel = TunnelRoute(path: target.path) { return try await answer(tunnel, method, request, user) }
        if target.path == "/metrics" { return .document(try metricsDocument(user, method)) }
        return try await ask(request, target, method, user)
    }

    private func ask(
        _ request: FrontRequest, _ target: RequestTarget, _ method: HTTPMethodName, _ user: UserInfo
    ) async throws -> FrontAnswer {
        var body = request.body
        let limit = RequestSize.maximumBytes(for: user)
        guard body.count <= limit else { throw FrontStatus.tooLarge(limit: limit) }
        var contentType = request.header("content-type")
        if let given = contentType, given.hasPrefix(ProtobufBody.contentType), !body.isEmpty {
            body = try ProtobufBody.json(body)
            contentType = "application/json"
        }
        let question = APIRequest(
            method: method, path: target.path, query: target.query, contentType: contentType, accept: request.header("accept"),
            ifNoneMatch: request.header("if-none-match"), body: body, user: user)
        let isWatch = (method == .get || method == .head) && question.flag("watch")
        let ticket = try await gate.enter(user, method: method, path: target.path, isLongRunning: isWatch)
        metrics.answerBegan()
        let answer = await handler.handle(question)
        metrics.answerEnded()
        ticket.leave()
        switch answer {
        case .document(let document):
            return .document(ResponseCompression.applied(to: document, acceptEncoding: request.header("accept-encoding")))
        case .watch(let watch): return .watch(watch, resource: RequestLabels.resource(of: target.path))
        case .podLog(let target): return try await podLog(target)
        case .podStream(let target): return try await podStream(target, request)
        case .nodeProxy(let proxied): return try await nodeProxy(proxied, query: target.query)
        }
    }

    private func identify(_ request: FrontRequest, _ target: RequestTarget) async throws -> UserInfo {
        let identity = try await authenticator.identify(
            certificateUser: request.certificateUser, authorization: request.header("authorization"), source: request.source)
        switch identity {
        case .user(let user): return user
        case .anonymous where RequestAuthenticator.openPaths.contains(target.path): return RequestAuthenticator.anonymousUser
        case .anonymous, .refused: throw FrontStatus.unauthorized
        }
    }

    private func podLog(_ target: PodLogTarget) async throws -> FrontAnswer {
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
        return .stream(
            AnswerStream(
                contentType: answer.contentType,
                produce: { writer in while let bytes = try await answer.next() { try await writer.write(bytes) } },
                cancel: { answer.close() }))
    }

    /// The node's own words, in the form that kubectl shows.
    func refusal(_ answer: TunnelAnswer) async -> FrontStatus {
        defer { answer.close() }
        let message = await answer.refusalText()
        switch answer.status {
        case 400: return .badRequest(message)
        case 404: return .notFound(message)
        case 503: return .unavailable(message)
        default: return FrontStatus(code: 500, reason: "InternalError", message: message)
        }
    }

    private func metricsDocument(_ user: UserInfo, _ method: HTTPMethodName) throws -> APIDocument {
        guard method == .get || method == .head else { throw FrontStatus.methodNotAllowed(method.rawValue) }
        try handler.requirePath("/metrics", user: user)
        return APIDocument(
            status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Array(metrics.text(tunnels: tunnels.connectedNodes.count).utf8))
    }
}
