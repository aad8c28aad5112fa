// The Kubernetes API over HTTPS (HTTP/1.1, keep-alive): our master's, or any other API server's.
import AsyncHTTPClient
import Glibc
import HandlerTypes
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Call `shutdown()` when done: it tells when everything has ended. Letting go of it does the same, some time later.
public final class HTTPKubernetesAPI: KubernetesAPI, Sendable {
    /// A call's answer must begin within this time and may pause no longer while it comes.
    static let callTimeout = TimeAmount.seconds(30)
    static let connectTimeout = TimeAmount.seconds(10)
    /// The server is asked to end a watch after this time; a watch silent for longer than that is dead.
    static let watchSeconds = 300
    /// The master sends a line every 15 s.
    static let tunnelSilence = TimeAmount.seconds(45)
    /// Largest answer that is taken into memory.
    static let maximumAnswerBytes = 512 << 20
    /// Watches, logs and calls of one process at once; more wait for a connection.
    static let maximumConnections = 256

    /// Each kind of exchange has its own idea of a silence that is too long.
    enum Exchange: CaseIterable {
        case call, watch, tunnel, stream

        var readTimeout: TimeAmount? {
            switch self {
            case .call: HTTPKubernetesAPI.callTimeout
            case .watch: .seconds(Int64(HTTPKubernetesAPI.watchSeconds + 30))
            case .tunnel: HTTPKubernetesAPI.tunnelSilence
            // A log may be silent for days: TCP keep-alive alone tells whether the server still lives.
            case .stream: nil
            }
        }
    }

    /// Reads the credentials again, where they may have been renewed.
    public typealias CredentialSource = @Sendable () async throws -> ClientCredentials

    private let server: String
    /// `fieldValidation` of what is created and changed: "Strict" refuses unknown fields; nil leaves it to the server.
    private let fieldValidation: String?
    private let clients: [Exchange: HTTPClient]
    private let identity: ClientIdentity
    let log: Logger

    /// Throws `KubeconfigError` when a certificate or key cannot be read. `credentialSource` is asked when the server knows the
    /// present credentials no more (401, or a connection that it will not have).
    public init(
        endpoint: APIServerEndpoint, credentials: ClientCredentials, fieldValidation: String? = nil,
        credentialSource: CredentialSource? = nil, log: Logger = Logger(label: "kubernetes-client")
    ) throws {
        self.fieldValidation = fieldValidation
        self.log = log
        var server = endpoint.server
        while server.hasSuffix("/") { server.removeLast() }
        self.server = server
        identity = try ClientIdentity(endpoint, credentials, source: credentialSource, log: log)
        clients = Dictionary(uniqueKeysWithValues: Exchange.allCases.map { ($0, Self.client(for: $0)) })
    }

    /// From a kubeconfig's current (or named) context. Reads files: call it at start.
    public convenience init(
        kubeconfig: Kubeconfig, context: String? = nil, directory: String? = nil,
        log: Logger = Logger(label: "kubernetes-client")
    ) throws {
        let (endpoint, credentials) = try kubeconfig.connection(context: context, directory: directory).loaded()
        try self.init(endpoint: endpoint, credentials: credentials, log: log)
    }

    /// From now on requests use these (a renewed certificate). Watches under way go on with the old ones until they end.
    public func replaceCredentials(_ credentials: ClientCredentials) throws {
        try identity.replace(credentials)
    }

    /// Breaks whatever is under way. Idempotent.
    public func shutdown() async {
        for client in clients.values { try? await client.shutdown() }
    }

    /// An HTTPClient that goes without having been shut down stops a debug build.
    deinit {
        let clients = Array(clients.values)
        Task.detached { for client in clients { try? await client.shutdown() } }
    }

    private static func client(for exchange: Exchange) -> HTTPClient {
        HandlerTypes.name()
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        // Nobody collects spans, and those of nobody cost a twentieth of a millisecond a request.
        configuration.tracing.tracer = nil
        configuration.timeout = .init(connect: connectTimeout, read: exchange.readTimeout)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.idleTimeout = .seconds(60)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = maximumConnections
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.http1_1ConnectionDebugInitializer = { channel in
            // NIO's sockets are not close-on-exec: a process that this one starts would keep the connection open.
            try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
                _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            }
            guard let options = channel.syncOptions else { return channel.eventLoop.makeSucceededVoidFuture() }
            // A server that vanished is noticed after about 15 + 3 x 5 s: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
            try? options.setOption(.socketOption(.so_keepalive), value: 1)
            for (name, value) in [(4, 15), (5, 5), (6, 3)] as [(CInt, Int)] {
                try? options.setOption(.tcpOption(.init(rawValue: name)), value: value)
            }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// As `send` for a WebSocket.
    func dial(_ target: String, subprotocols: [String]) async throws -> (socket: WebSocketDialer.Socket, subprotocol: String) {
        let used = identity.current
        do {
            return try await dial(target, subprotocols, used)
        } catch let error as KubernetesAPIError {
            guard let fresh = await identity.other(than: used, after: error), error.code == 401 else { throw error }
            return try await dial(target, subprotocols, fresh)
        }
    }

    private func dial(
        _ target: String, _ subprotocols: [String], _ used: ClientIdentity.Credentials
    ) async throws -> (socket: WebSocketDialer.Socket, subprotocol: String) {
        try await WebSocketDialer(server: server, tls: used.tls, bearerToken: used.bearerToken)
            .dial(target, subprotocols: subprotocols)
    }

    // MARK: - Requests

    /// Sends a request; returns once its answer begins. Throws `KubernetesAPIError` for every status from 400 on. One that was not
    /// done because its credentials are over is sent once more with renewed ones, if there are any.
    func send(
        _ method: String, _ target: String, body: HTTPClientRequest.Body? = nil, headers: [(String, String)] = [],
        as exchange: Exchange = .call
    ) async throws -> HTTPClientResponse {
        let used = identity.current
        do {
            return try await send(method, target, body: body, headers: headers, as: exchange, used)
        } catch let error as KubernetesAPIError {
            // A body that streams has been read by now.
            let isRepeatable = error.code == 401 && (exchange != .stream || body == nil)
            guard let fresh = await identity.other(than: used, after: error), isRepeatable else { throw error }
            return try await send(method, target, body: body, headers: headers, as: exchange, fresh)
        }
    }

    private func send(
        _ method: String, _ target: String, body: HTTPClientRequest.Body?, headers: [(String, String)], as exchange: Exchange,
        _ used: ClientIdentity.Credentials
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: server + target)
        request.method = .init(rawValue: method)
        request.tlsConfiguration = used.tls
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "User-Agent", value: "swiftlet")
        if let token = used.bearerToken { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        for header in headers { request.headers.replaceOrAdd(name: header.0, value: header.1) }
        request.body = body
        let response = try await execute(request, mayRepeat: method == "GET", exchange)
        guard response.status.code >= 400 else { return response }
        throw try await failure(response, "\(method) \(target)")
    }

    /// A connection that lay idle may have been closed by the server just when it was used again: reading is repeated once.
    private func execute(
        _ request: HTTPClientRequest, mayRepeat: Bool, _ exchange: Exchange
    ) async throws -> HTTPClientResponse {
        guard let client = clients[exchange] else { throw KubernetesAPIError.transport("no client for \(exchange)") }
        do {
            // The deadline is that of the answer's head; an uploaded stream may take as long as it likes.
            let deadline: NIODeadline = exchange == .stream ? .distantFuture : .now() + Self.callTimeout
            return try await client.execute(request, deadline: deadline)
        } catch {
            if Task.isCancelled { throw CancellationError() }
            if mayRepeat, error as? HTTPClientError == .remoteConnectionClosed {
                return try await execute(request, mayRepeat: false, exchange)
            }
            throw KubernetesAPIError.transport("\(request.method.rawValue) \(request.url): \(error)")
        }
    }

    func collect(_ response: HTTPClientResponse, _ what: String) async throws -> [UInt8] {
        do {
            return Array(try await response.body.collect(upTo: Self.maximumAnswerBytes).readableBytesView)
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw KubernetesAPIError.transport("\(what): the answer broke off: \(error)")
        }
    }

    private func failure(_ response: HTTPClientResponse, _ what: String) async throws -> KubernetesAPIError {
        let code = Int(response.status.code)
        let body = try await collect(response, what)
        if let status = try? JSON.decode(APIStatus.self, from: body), status.kind == "Status" {
            var status = status
            status.code = status.code ?? code
            return .status(status)
        }
        let text = String(decoding: body.prefix(1024), as: UTF8.self)
        return .status(
            APIStatus(status: "Failure", message: "\(what): HTTP \(code): \(text)", reason: Self.reason(code), code: code))
    }

    /// The reason that a server which gave none would have given.
    private static func reason(_ code: Int) -> String {
        switch code {
        case 400: "BadRequest"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "NotFound"
        case 405: "MethodNotAllowed"
        case 409: "Conflict"
        case 410: "Gone"
        case 413: "RequestEntityTooLarge"
        case 415: "UnsupportedMediaType"
        case 422: "Invalid"
        case 429: "TooManyRequests"
        case 503: "ServiceUnavailable"
        case 504: "Timeout"
        default: code >= 500 ? "InternalError" : "Unknown"
        }
    }

    private func call(
        _ method: String, _ target: String, body: [UInt8]? = nil, contentType: String = "application/json"
    ) async throws -> [UInt8] {
        let headers = body == nil ? [] : [("Content-Type", contentType)]
        let response = try await send(method, target, body: body.map { .bytes(ByteBuffer(bytes: $0)) }, headers: headers)
        return try await collect(response, "\(method) \(target)")
    }

    private func write(
        _ method: String, _ path: String, _ body: [UInt8], _ contentType: String = "application/json"
    ) async throws -> [UInt8] {
        try await call(
            method, path + RequestURL.query([("fieldValidation", fieldValidation)]), body: body, contentType: contentType)
    }

    // MARK: - Verbs

    public func get(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?
    ) async throws -> [UInt8] {
        try await call("GET", RequestURL.path(resource, namespace: namespace, name: name, subresource: subresource))
    }

    public func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] {
        try await call("GET", RequestURL.path(resource, namespace: namespace) + RequestURL.query(RequestURL.query(options)))
    }

    public func watch(
        _ resource: GroupVersionResource, namespace: String?, options: ListOptions
    ) async throws -> any WatchStream {
        let query: [(String, String?)] =
            RequestURL.query(options) + [
                ("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", String(Self.watchSeconds)),
            ]
        let target = try RequestURL.path(resource, namespace: namespace) + RequestURL.query(query)
        let response = try await send("GET", target, as: .watch)
        return HTTPWatchStream(response, what: "watch of \(resource)")
    }

    public func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await write("POST", RequestURL.path(resource, namespace: namespace, name: name, subresource: subresource), body)
    }

    public func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await write("PUT", RequestURL.path(resource, namespace: namespace, name: name, subresource: subresource), body)
    }

    public func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType, body: [UInt8]
    ) async throws -> [UInt8] {
        try await write(
            "PATCH", RequestURL.path(resource, namespace: namespace, name: name, subresource: subresource), body, type.rawValue)
    }

    public func delete(
        _ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions
    ) async throws -> [UInt8] {
        var body: JSONObject = ["kind": "DeleteOptions", "apiVersion": "v1"]
        if let seconds = options.gracePeriodSeconds { body["gracePeriodSeconds"] = .int(Int64(seconds)) }
        if let policy = options.propagationPolicy { body["propagationPolicy"] = .string(policy) }
        if let uid = options.uid { body["preconditions"] = ["uid": .string(uid)] }
        return try await call(
            "DELETE", RequestURL.path(resource, namespace: namespace, name: name), body: JSONValue.object(body).serialized())
    }
}

extension HTTPKubernetesAPI: PodLogReading {
    public func podLog(
        namespace: String, pod: String, options: PodLogOptions, onChunk: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let query = RequestURL.query([
            ("container", options.container), ("follow", options.follow ? "true" : nil),
            ("tailLines", options.tailLines.map(String.init)), ("sinceSeconds", options.sinceSeconds.map(String.init)),
            ("timestamps", options.timestamps ? "true" : nil), ("previous", options.previous ? "true" : nil),
        ])
        let pods = GroupVersionResource(resource: "pods")
        let target = try RequestURL.path(pods, namespace: namespace, name: pod, subresource: "log") + query
        // One that is followed may be silent for days, before its first line too.
        let response = try await send("GET", target, headers: [("Accept", "*/*")], as: options.follow ? .stream : .call)
        var iterator = response.body.makeAsyncIterator()
        while true {
            let part: ByteBuffer?
            do {
                part = try await iterator.next()
            } catch {
                if Task.isCancelled { throw CancellationError() }
                throw KubernetesAPIError.transport("log of pod \(namespace)/\(pod) broke off: \(error)")
            }
            guard let part else { return }
            try await onChunk(Array(part.readableBytesView))
        }
    }
}
