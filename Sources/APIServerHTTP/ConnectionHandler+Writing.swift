// How a connection writes an answer: one buffer for head and document, behind the request decoder.
import APIServer
import NIOCore

extension ConnectionHandler {
    func writeContinue() {
        outlet?.writeAndFlush(NIOAny(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
    }

    func head(status: Int, contentType: String, framing: ResponseHead.Framing) -> ResponseHead {
        ResponseHead(
            status: status, contentType: contentType, framing: framing, date: front.date, auditID: current.auditID,
            closes: !current.keepsAlive || front.isShuttingDown)
    }

    func writeHead(
        status: Int, contentType: String, framing: ResponseHead.Framing, headers: [(name: String, value: String)] = [],
        flush: Bool
    ) {
        var buffer = ByteBufferAllocator().buffer(capacity: ResponseHead.bytesAtMost)
        var head = head(status: status, contentType: contentType, framing: framing)
        head.headers = headers
        head.write(into: &buffer)
        outlet?.write(NIOAny(buffer), promise: nil)
        if flush { outlet?.flush() }
    }

    func write(_ document: APIDocument) {
        let hasBody = document.status != 204 && document.status != 304
        var head = head(
            status: document.status, contentType: document.contentType, framing: hasBody ? .length(document.body.count) : .none)
        head.headers = document.headers
        let writesBody = hasBody && !current.isHead
        var buffer = ByteBufferAllocator().buffer(capacity: ResponseHead.bytesAtMost + (writesBody ? document.body.count : 0))
        head.write(into: &buffer)
        if writesBody { buffer.writeBytes(document.body) }
        outlet?.writeAndFlush(NIOAny(buffer), promise: nil)
    }
}
