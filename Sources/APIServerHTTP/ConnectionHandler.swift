// One client's connection: requests come in one after the other, each is answered before the next is looked at, and every
// phase has its time limit.
//
//   idle ── head ──> receiving ── end ──> answering ──> idle              a document, kept alive
//                       │                     ├───────> streaming ──> idle   a watch, a log, a tunnel
//                       └── too slow, refused ┴───────> closing
//
// Requests sent ahead (pipelining) wait in order; while enough of them wait nothing more is read from the socket.
import APIServer
import NIOCore
import NIOHTTP1
import NIOSSL
import PKI

/// Lives on its event loop.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case idle
        case receiving(PartialRequest)
        case answering
        case streaming(Stream)
        case closing
    }

    enum Stream {
        case watch(WatchWriter)
        case task(cancel: @Sendable () -> Void)
    }

    /// Parts of later requests that may wait; more stay in the socket.
    private static let maximumWaitingParts = 64

    let server: FrontServer
    let front: FrontLoop
    var context: ChannelHandlerContext?
    /// Writes start behind the request decoder: responses are made ready here, and only TLS is in their way.
    var outlet: ChannelHandlerContext?
    var phase = Phase.idle
    var phaseSince = NIODeadline.now()
    private var hasServed = false
    private var waiting = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 2)
    private var isPumping = false
    private var readIsPending = false
    private var parserError: (any Error)?
    private var certificate: CertificateIdentity??
    var task: Task<Void, Never>?
    /// Of the request being answered.
    var current = CurrentRequest()
    private var body: RequestBody?
    var stalledSince: NIODeadline?
    var waitsForRoom: [EventLoopPromise<Void>] = []
    var isOver = false

    init(server: FrontServer, front: FrontLoop) {
        self.server = server
        self.front = front
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outlet = try? context.pipeline.syncOperations.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
        front.add(self)
        SocketOptions.apply(to: context.channel)
        if front.isShuttingDown { cut() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { gone() }

    private func gone() {
        guard !isOver else { return }
        isOver = true
        front.remove(self)
        server.connectionClosed()
        switch phase {
        case .streaming(.watch(let writer)): writer.detach()
        case .streaming(.task(let cancel)): cancel()
        case .idle, .receiving, .answering, .closing: break
        }
        if case .receiving(let partial) = phase { partial.release(server.bodyBudget) }
        watchEnded()
        task?.cancel()
        body?.finish(.failure(RequestBody.Broken()))
        for promise in waitsForRoom { promise.fail(ChannelError.ioOnClosedChannel) }
        waitsForRoom = []
        waiting.removeAll()
        phase = .closing
        context = nil
        outlet = nil
    }

    private func endStream() {
        guard case .streaming(let stream) = phase else { return }
        switch stream {
        case .watch(let writer): writer.cancel()
        case .task(let cancel): cancel()
        }
    }

    /// Whoever has closed his half will not read a stream's end either: no HTTP client of ours half-closes.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { endStream() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return context.close(promise: nil) }
        parserError = parserError ?? error
        pump()
    }

    /// The server ends: streams are finished, idle connections closed; what is being answered is answered.
    func shutDown() {
        switch phase {
        case .streaming: endStream()
        case .idle, .receiving: cut()
        case .answering, .closing: break
        }
    }

    /// Closes without TLS's farewell: that would wait for the peer's, up to five seconds.
    func cut() {
        guard let context, !isOver else { return }
        if let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) {
            tls.close(mode: .all, promise: nil)
        } else {
            context.close(promise: nil)
        }
    }

    private func closeInOrder() {
        enter(.closing)
        context?.close(promise: nil)
    }

    func enter(_ next: Phase) {
        phase = next
        phaseSince = .now()
    }

    func checkDeadlines(_ now: NIODeadline) {
        let limits = server.limits
        if let stalledSince, now - stalledSince > limits.stall { return cut() }
        switch phase {
        case .idle where now - phaseSince > (hasServed ? limits.idle : limits.firstRequest): cut()
        case .receiving where now - phaseSince > limits.body:
            refuse(.requestTimeout)
        case .closing where now - phaseSince > limits.farewell: cut()
        case .idle, .receiving, .answering, .streaming, .closing: break
        }
    }

    // MARK: Reading

    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { readIsPending = true }
    }

    private var mayRead: Bool { waiting.count < Self.maximumWaitingParts && body?.isFull != true }

    private func readIfWanted() {
        guard readIsPending, mayRead, let context else { return }
        readIsPending = false
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        waiting.append(unwrapInboundIn(data))
        pump()
    }

    /// Takes what may be taken now. Not re-entered: an answer that is ready at once only changes the phase.
    func pump() {
        guard !isPumping else { return }
        isPumping = true
        while mayTakeNext, let part = waiting.popFirst() { take(part) }
        isPumping = false
        if waiting.isEmpty, parserError != nil {
            switch phase {
            case .idle, .receiving: refuseUnparsable()
            case .answering, .streaming, .closing: break  // what came before the nonsense is answered first
            }
        }
        readIfWanted()
    }

    private var mayTakeNext: Bool {
        switch phase {
        case .idle, .receiving: true
        case .closing: !waiting.isEmpty
        case .answering, .streaming:
            // The rest of a body that is read while it is answered.
            body != nil && waiting.first.map { if case .head = $0 { false } else { true } } ?? false
        }
    }

    private func take(_ part: HTTPServerRequestPart) {
        switch (part, phase) {
        case (.head(let head), .idle): begin(head)
        case (.body(let bytes), .receiving(var partial)):
            phase = .idle  // the only reference to the buffer: appending copies nothing
            partial.append(bytes, budget: server.bodyBudget)
            phase = .receiving(partial)
            if partial.isBeyondBounds { refuse(.tooLarge(limit: APIHandler.maximumBodyBytes)) }
        case (.end, .receiving(let partial)): received(partial)
        case (.body(let bytes), .answering), (.body(let bytes), .streaming): body?.push(bytes)
        case (.end, .answering), (.end, .streaming):
            body?.finish(.success(()))
            body = nil
        case (_, .closing), (.head, _), (_, .idle): break
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        current = CurrentRequest(head, auditID: server.responder.metrics.nextRequestID())
        if front.isShuttingDown { return refuse(.shuttingDown) }
        let headerBytes = head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        if headerBytes > server.limits.headerBytes { return refuse(.headersTooLarge(limit: server.limits.headerBytes)) }
        let expectation = head.headers.first(name: "expect")
        var request = FrontRequest(
            method: head.method.rawValue, uri: head.uri, headers: head.headers, certificateUser: userOfCertificate(),
            source: SourceAddress(context?.remoteAddress))
        let declared = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        if TunnelRoute.takesStreamedBody(head) {
            let bound = NIOLoopBound(self, eventLoop: front.loop)
            let loop = front.loop
            let stream = RequestBody { loop.execute { bound.value.readIfWanted() } }
            body = stream
            request.bodyStream = stream
            if expectation != nil { writeContinue() }
            return answer(request)
        }
        if declared > APIHandler.maximumBodyBytes, expectation != nil {
            return refuse(.tooLarge(limit: APIHandler.maximumBodyBytes))
        }
        if expectation?.lowercased() == "100-continue" { writeContinue() }
        enter(.receiving(PartialRequest(request)))
    }

    private func received(_ partial: PartialRequest) {
        partial.release(server.bodyBudget)
        if let refusal = partial.refusal {
            return finish(.document(refusal.document))
        }
        var request = partial.request
        request.body = Array(partial.body.readableBytesView)
        answer(request)
    }

    /// Read once: it cannot change on a connection (no renegotiation in TLS 1.3, none allowed in 1.2). But it can end.
    private func userOfCertificate() -> UserInfo? {
        if certificate == nil {
            let presented = try? context?.pipeline.syncOperations.nioSSL_peerCertificate()
            certificate = .some((try? presented?.toDERBytes()).flatMap { CertificateIdentity(der: $0) })
        }
        return certificate??.user(at: unixNow())
    }

    // MARK: Answering

    private func answer(_ request: FrontRequest) {
        enter(.answering)
        let bound = NIOLoopBound(self, eventLoop: front.loop)
        let (loop, responder) = (front.loop, server.responder)
        if RequestCost.isWholeCollection(method: request.method, uri: request.uri) {
            // Long work: other connections of this loop must not wait for it.
            task = Task {
                let answer = await responder.answer(request)
                loop.execute { bound.value.finish(answer) }
            }
            return
        }
        let work = Task.immediate(executorPreference: front.executor) {
            let answer = await responder.answer(request)
            if loop.inEventLoop { bound.value.finish(answer) } else { loop.execute { bound.value.finish(answer) } }
        }
        if case .answering = phase { task = work }
    }

    private func finish(_ answer: FrontAnswer) {
        task = nil
        guard !isOver else { return Self.discard(answer) }
        if case .closing = phase { return Self.discard(answer) }
        switch answer {
        case .document(let document):
            write(document)
            requestEnded(code: document.status)
        case .nothing:
            writeHead(status: 204, contentType: "", framing: .none, flush: true)
            requestEnded(code: 204)
        case .watch(let watch, let resource): stream(watch, resource)
        case .stream(let stream): self.stream(stream)
        case .upgrade(let upgrade): leaveHTTP(upgrade)
        }
        pump()
    }

    private static func discard(_ answer: FrontAnswer) {
        switch answer {
        case .watch(let watch, _): watch.cancel()
        case .stream(let stream): stream.cancel()
        case .upgrade(let upgrade): upgrade.cancel()
        case .document, .nothing: break
        }
    }

    /// The answer is written: the next request may come, unless one side wants the connection closed.
    func requestEnded(code: Int) {
        hasServed = true
        watchEnded()
        server.responder.metrics.ended(current, code: code)
        // A body that nobody will read: the next request cannot be found behind it.
        if body != nil || !current.keepsAlive || front.isShuttingDown {
            body?.finish(.failure(RequestBody.Broken()))
            body = nil
            return closeInOrder()
        }
        enter(.idle)
    }

    private func watchEnded() {
        if let resource = current.watched { server.responder.metrics.watchEnded(resource) }
        current.watched = nil
    }

    /// A refusal of the connection's own, after which it is closed.
    private func refuse(_ status: FrontStatus) {
        if case .receiving(let partial) = phase { partial.release(server.bodyBudget) }
        current.keepsAlive = false
        write(status.document)
        requestEnded(code: status.code)
        waiting.removeAll()
    }

    private func refuseUnparsable() {
        let isHeader = parserError as? HTTPParserError == .headerOverflow
        current = CurrentRequest(unparsable: server.responder.metrics.nextRequestID())
        let reason = parserError.map { "\($0)" } ?? ""
        refuse(
            isHeader ? .headersTooLarge(limit: server.limits.headerBytes) : .badRequest("the request is not HTTP/1.1: \(reason)"))
    }

    var isClosing: Bool { if case .closing = phase { true } else { false } }
}
