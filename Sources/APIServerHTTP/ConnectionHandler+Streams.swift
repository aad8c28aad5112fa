// The answers of a connection that go on: watches, logs, tunnels, and connections that leave HTTP behind.
import APIServer
import NIOCore

extension ConnectionHandler {
    var isWritable: Bool { context?.channel.isWritable ?? false }

    func writeStream(_ buffer: ByteBuffer) { outlet?.write(NIOAny(buffer), promise: nil) }
    func flush() { outlet?.flush() }

    /// The request's parser goes; behind the new handlers this one keeps the connection's accounts, and ends it at shutdown.
    func leaveHTTP(_ upgrade: StreamUpgrade) {
        guard let context, let parser = outlet else { return upgrade.cancel() }
        let connection = UpgradedConnection(loop: front.loop)
        var head = ByteBuffer(string: "HTTP/1.1 101 Switching Protocols\r\nAudit-Id: \(current.auditID)\r\n")
        for header in upgrade.headers { head.writeString("\(header.name): \(header.value)\r\n") }
        head.writeStaticString("\r\n")
        parser.writeAndFlush(NIOAny(head), promise: nil)
        enter(.streaming(.task(cancel: { connection.close() })))
        do {
            try UpgradedPipeline.make(connection, upgrade, on: context.pipeline.syncOperations, before: self)
        } catch {
            upgrade.cancel()
            return cut()
        }
        outlet = nil
        // What came behind the request goes on to the new handlers.
        context.pipeline.syncOperations.removeHandler(context: parser, promise: nil)
        server.responder.metrics.ended(current, code: 101)
        task = Task(executorPreference: front.executor) {
            await upgrade.converse(connection)
            connection.close()
        }
    }

    func stream(_ watch: APIWatch, _ resource: String) {
        let metrics = server.responder.metrics
        let isCompressed =
            current.isChunked && WatchCompression.isWorthIt(current.acceptEncoding, watches: metrics.watches(of: resource))
        writeHead(
            status: 200, contentType: watch.contentType, framing: current.isChunked ? .chunked : .untilClose,
            headers: isCompressed ? [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")] : [], flush: true)
        if current.isHead {
            watch.cancel()
            return requestEnded(code: 200)
        }
        let writer = WatchWriter(watch, self, isCompressed ? .gzip(GzipStream()) : current.isChunked ? .chunked : .untilClose)
        enter(.streaming(.watch(writer)))
        current.watched = resource
        metrics.watchBegan(resource)
        writer.begin(front.mailbox, on: front.loop)
    }

    func stream(_ stream: AnswerStream) {
        writeHead(status: 200, contentType: stream.contentType, framing: current.isChunked ? .chunked : .untilClose, flush: true)
        if current.isHead {
            stream.cancel()
            return requestEnded(code: 200)
        }
        enter(.streaming(.task(cancel: stream.cancel)))
        let bound = NIOLoopBound(self, eventLoop: front.loop)
        let writer = StreamWriter(connection: bound, loop: front.loop)
        let loop = front.loop
        task = Task(executorPreference: front.executor) {
            let isWhole: Bool
            do {
                try await stream.produce(writer)
                isWhole = true
            } catch {
                isWhole = false
            }
            stream.cancel()
            loop.execute { if isWhole { bound.value.streamEnded() } else { bound.value.cut() } }
        }
    }

    /// The last piece is written: the body's end follows.
    func streamEnded() {
        guard !isOver, case .streaming = phase else { return }
        task = nil
        if current.isChunked {
            outlet?.writeAndFlush(NIOAny(ByteBuffer(staticString: "0\r\n\r\n")), promise: nil)
        } else {
            current.keepsAlive = false
        }
        requestEnded(code: 200)
        pump()
    }

    func writePiece(_ bytes: [UInt8], _ promise: EventLoopPromise<Void>) {
        guard !isOver, case .streaming = phase else { return promise.fail(ChannelError.ioOnClosedChannel) }
        var buffer = ByteBufferAllocator().buffer(capacity: bytes.count + 16)
        if current.isChunked { buffer.writeChunkHead(bytes.count) }
        buffer.writeBytes(bytes)
        if current.isChunked { buffer.writeChunkEnd() }
        outlet?.writeAndFlush(NIOAny(buffer), promise: nil)
        if isWritable { promise.succeed() } else { waitsForRoom.append(promise) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stalledSince = nil
            let promises = waitsForRoom
            waitsForRoom = []
            for promise in promises { promise.succeed() }
            if case .streaming(.watch(let writer)) = phase {
                var chunks = SharedChunks()
                writer.write(&chunks)
            }
        } else {
            stalledSince = stalledSince ?? .now()
        }
        context.fireChannelWritabilityChanged()
    }
}
