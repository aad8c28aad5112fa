// One watch's way out: what it has still to send, as references to the store's shared events, and when it is too slow.
import APIServer
import NIOCore
import ResourceStore

/// Lives on its connection's loop.
final class WatchWriter {
    /// Events that may wait for a peer that does not read; then the connection is closed, and the client watches anew.
    static let maximumWaiting = 4096

    /// Of one delivery; a chunk holds about so many of the smallest objects.
    private static let joinedEvents = 256

    enum Form {
        case chunked
        /// HTTP/1.0.
        case untilClose
        /// Chunked too.
        case gzip(GzipStream)
    }

    private let watch: APIWatch
    /// nil once the connection has gone or the stream has ended.
    private var connection: ConnectionHandler?
    private var form: Form
    private var waiting: [APIWatch.Delivery] = []
    /// Of the first of `waiting`, when those are events: so many are written already.
    private var written = 0
    private var waitingEvents = 0
    /// The state at the watch's beginning does not count against the bound.
    private var allowance: Int?
    private var isTouched = false
    private var hasEnded = false

    init(_ watch: APIWatch, _ connection: ConnectionHandler, _ form: Form) {
        self.watch = watch
        self.connection = connection
        self.form = form
    }

    func begin(_ mailbox: WatchMailbox, on loop: any EventLoop) {
        if case .gzip = form {
            connection?.writeStream(Self.chunk(GzipStream.head))
            connection?.flush()
        }
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
        if !joinLast(delivery) { waiting.append(delivery) }
        defer { isTouched = true }
        return !isTouched
    }

    /// Events that follow events become one delivery, hence one piece on the wire. (Commits are small; drains come in the store's wake.)
    private func joinLast(_ delivery: APIWatch.Delivery) -> Bool {
        guard case .events(let events) = delivery, case .events(var last)? = waiting.last,
            last.count + events.count <= Self.joinedEvents
        else { return false }
        waiting[waiting.count - 1] = .end  // the only reference to the array, once it has been joined: appending copies nothing
        last.append(contentsOf: events)
        waiting[waiting.count - 1] = .events(last)
        return true
    }

    /// As much as the peer takes.
    func write(_ chunks: inout SharedChunks) {
        isTouched = false
        guard let connection else { return }
        var wrote = false
        var unflushed = 0
        while !waiting.isEmpty, !hasEnded, connection.isWritable {
            wrote = true
            switch waiting[0] {
            case .events(let events):
                let (chunk, count) = piece(of: events[written...], &chunks)
                unflushed += chunk.readableBytes
                connection.writeStream(chunk)
                written += count
                waitingEvents -= count
                guard written >= events.count else { break }
                written = 0
                waiting.removeFirst()
            case .bytes(let bytes):
                connection.writeStream(piece(bytes))
                unflushed += bytes.count
                waiting.removeFirst()
            case .end:
                hasEnded = true
                waiting = []
                if case .gzip(let stream) = form { connection.writeStream(Self.chunk(stream.end())) }
            }
            // To the socket after each full chunk: whether the peer keeps up shows only then.
            if unflushed >= SharedChunks.chunkBytes / 2 {
                unflushed = 0
                connection.flush()
            }
        }
        if unflushed > 0 { connection.flush() }
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

    /// The first of `events` as they go out, and how many they are.
    private func piece(of events: ArraySlice<StoreEvent>, _ chunks: inout SharedChunks) -> (ByteBuffer, Int) {
        switch form {
        case .chunked: return chunks.chunk(events)
        case .untilClose:
            let (chunk, count) = chunks.chunk(events)
            return (Self.unframed(chunk), count)
        case .gzip(var stream):
            let (chunk, piece, count) = chunks.compressed(events)
            guard let piece else { return (self.piece(Self.plain(chunk)), count) }
            stream.add(piece)
            form = .gzip(stream)
            return (chunk, count)
        }
    }

    private func piece(_ bytes: [UInt8]) -> ByteBuffer {
        switch form {
        case .chunked: return Self.chunk(bytes)
        case .untilClose: return ByteBuffer(bytes: bytes)
        case .gzip(var stream):
            let stored = stream.stored(bytes)
            form = .gzip(stream)
            return Self.chunk(stored)
        }
    }

    private static func chunk(_ bytes: [UInt8]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: bytes.count + 16)
        buffer.writeChunkHead(bytes.count)
        buffer.writeBytes(bytes)
        buffer.writeChunkEnd()
        return buffer
    }

    private static func unframed(_ chunk: ByteBuffer) -> ByteBuffer { ByteBuffer(bytes: plain(chunk)) }

    private static func plain(_ chunk: ByteBuffer) -> [UInt8] {
        let view = chunk.readableBytesView
        guard let newline = view.firstIndex(of: 10) else { return Array(view) }
        return Array(view[(newline + 1)...].dropLast(2))
    }
}
