// One watch's way out: what it has still to send, as references to the store's shared events, and when it is too slow.
import APIServer
import NIOCore
import ResourceStore

/// Lives on its connection's loop.
final class WatchWriter {
    /// Events that may wait for a peer that does not read; then the connection is closed, and the client watches anew.
    static let maximumWaiting = 4096

    private let watch: APIWatch
    /// nil once the connection has gone or the stream has ended.
    private var connection: ConnectionHandler?
    private let isChunked: Bool
    private var waiting: [APIWatch.Delivery] = []
    /// Of the first of `waiting`, when those are events: so many are written already.
    private var written = 0
    private var waitingEvents = 0
    /// The state at the watch's beginning does not count against the bound.
    private var allowance: Int?
    private var isTouched = false
    private var hasEnded = false

    init(_ watch: APIWatch, _ connection: ConnectionHandler, isChunked: Bool) {
        self.watch = watch
        self.connection = connection
        self.isChunked = isChunked
    }

    func begin(_ mailbox: WatchMailbox, on loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        watch.subscribe { mailbox.post($0, to: bound) }
    }

    /// The server ends, or the client does not listen any more.
    func cancel() { watch.cancel() }

    /// The connection has gone.
    func detach() {
        connection = nil
        waiting = []
        watch.cancel()
    }

    /// True when the writer was not in the caller's list yet.
    func append(_ delivery: APIWatch.Delivery) -> Bool {
        guard connection != nil, !hasEnded else { return false }
        if case .events(let events) = delivery {
            waitingEvents += events.count
            allowance = allowance ?? events.count
        }
        waiting.append(delivery)
        defer { isTouched = true }
        return !isTouched
    }

    /// As much as the peer takes.
    func write(_ chunks: inout SharedChunks) {
        isTouched = false
        guard let connection else { return }
        var wrote = false
        while !waiting.isEmpty, !hasEnded, connection.isWritable {
            wrote = true
            switch waiting[0] {
            case .events(let events):
                let (chunk, count) = chunks.chunk(events[written...])
                connection.writeStream(isChunked ? chunk : Self.unframed(chunk))
                written += count
                waitingEvents -= count
                guard written >= events.count else { break }
                written = 0
                waiting.removeFirst()
            case .bytes(let bytes):
                connection.writeStream(Self.chunk(bytes, isChunked: isChunked))
                waiting.removeFirst()
            case .end:
                hasEnded = true
                waiting = []
            }
            // To the socket between chunks: whether the peer keeps up shows only then.
            connection.flush()
        }
        if hasEnded {
            // A flush may have called back in here and told it already.
            if self.connection != nil {
                self.connection = nil
                connection.streamEnded()
            }
            return
        }
        if !wrote || !waiting.isEmpty, waitingEvents > Self.maximumWaiting + (allowance ?? 0) { connection.cut() }
    }

    private static func chunk(_ bytes: [UInt8], isChunked: Bool) -> ByteBuffer {
        guard isChunked else { return ByteBuffer(bytes: bytes) }
        var buffer = ByteBufferAllocator().buffer(capacity: bytes.count + 16)
        buffer.writeChunkHead(bytes.count)
        buffer.writeBytes(bytes)
        buffer.writeChunkEnd()
        return buffer
    }

    private static func unframed(_ chunk: ByteBuffer) -> ByteBuffer {
        let view = chunk.readableBytesView
        guard let newline = view.firstIndex(of: 10) else { return chunk }
        return ByteBuffer(view[(newline + 1)...].dropLast(2))
    }
}
