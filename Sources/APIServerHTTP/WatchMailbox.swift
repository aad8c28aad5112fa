// Watch events on their way to the connections of one event loop: however many watches an event concerns, the loop is woken
// once, and watches that see the same events write the same bytes.
import APIServer
import NIOCore
import ResourceStore
import Synchronization

final class WatchMailbox: Sendable {
    private struct Item {
        let writer: NIOLoopBound<WatchWriter>
        let delivery: APIWatch.Delivery
    }

    private struct State {
        var items: [Item] = []
        /// A drain is due or under way, and will see to what is posted meanwhile.
        var isScheduled = false
        var pace = DrainPace()
    }

    private let loop: any EventLoop
    private let state = Mutex(State())

    init(_ loop: any EventLoop) { self.loop = loop }

    /// From any thread; deliveries to one writer stay in order. Bounded by each writer's own bound.
    func post(_ delivery: APIWatch.Delivery, to writer: NIOLoopBound<WatchWriter>) {
        let due: NIODeadline? = state.withLock { state in
            state.items.append(Item(writer: writer, delivery: delivery))
            guard !state.isScheduled else { return nil }
            state.isScheduled = true
            return state.pace.due(.now())
        }
        if let due { schedule(due) }
    }

    private func schedule(_ due: NIODeadline) {
        if due > .now() { loop.scheduleTask(deadline: due) { self.drain() } } else { loop.execute { self.drain() } }
    }

    private func drain() {
        let began = NIODeadline.now()
        let items = state.withLock { state in
            defer { state.items = [] }
            return state.items
        }
        var chunks = SharedChunks()
        var touched: [WatchWriter] = []
        for item in items {
            let writer = item.writer.value
            if writer.append(item.delivery) { touched.append(writer) }
        }
        for writer in touched { writer.write(&chunks) }
        let ended = NIODeadline.now()
        let next: NIODeadline? = state.withLock { state in
            state.pace.drained(touched.count, from: began, until: ended)
            state.isScheduled = !state.items.isEmpty
            return state.isScheduled ? state.pace.next : nil
        }
        if let next { schedule(next) }
    }
}

/// The chunks of one drain. Watches of one collection mostly see the same events, and then one buffer serves all of them.
struct SharedChunks {
    /// Different selections that are remembered at a time.
    private static let maximumKnown = 8
    /// A chunk holds as many events as fit below this, at least one.
    static let chunkBytes = 64 << 10

    private struct Entry {
        var events: ArraySlice<StoreEvent>
        var plain: ByteBuffer
        /// Made for the first watch that wants it.
        var compressed: (chunk: ByteBuffer, piece: CompressedPiece)?
    }

    private var known: [Entry] = []

    /// One HTTP chunk of `events`' first, and how many they are.
    mutating func chunk(_ events: ArraySlice<StoreEvent>) -> (ByteBuffer, Int) {
        let place = entry(events)
        return (known[place].plain, known[place].events.count)
    }

    /// The same compressed; without a piece it could not be, and is plain.
    mutating func compressed(_ events: ArraySlice<StoreEvent>) -> (ByteBuffer, CompressedPiece?, Int) {
        let place = entry(events)
        let count = known[place].events.count
        if let known = known[place].compressed { return (known.chunk, known.piece, count) }
        guard let piece = CompressedPiece(known[place].events.flatMap(\.frame)) else { return (known[place].plain, nil, count) }
        var buffer = ByteBufferAllocator().buffer(capacity: piece.deflated.count + 16)
        buffer.writeChunkHead(piece.deflated.count)
        buffer.writeBytes(piece.deflated)
        buffer.writeChunkEnd()
        known[place].compressed = (buffer, piece)
        return (buffer, piece, count)
    }

    /// Where the chunk of `events`' first is.
    private mutating func entry(_ events: ArraySlice<StoreEvent>) -> Int {
        if let place = known.firstIndex(where: { Self.isPrefix($0.events, of: events) }) { return place }
        var size = 0
        var frames: [[UInt8]] = []
        for event in events {
            let frame = event.frame
            if !frames.isEmpty, size + frame.count > Self.chunkBytes { break }
            size += frame.count
            frames.append(frame)
        }
        var buffer = ByteBufferAllocator().buffer(capacity: size + 16)
        buffer.writeChunkHead(size)
        for frame in frames { buffer.writeBytes(frame) }
        buffer.writeChunkEnd()
        if known.count >= Self.maximumKnown { known.removeFirst() }
        known.append(Entry(events: events.prefix(frames.count), plain: buffer))
        return known.count - 1
    }

    private static func isPrefix(_ known: ArraySlice<StoreEvent>, of events: ArraySlice<StoreEvent>) -> Bool {
        // A chunk that ended because the events ended is not the longest that these would make: close enough.
        guard known.count <= events.count else { return false }
        var (left, right) = (known.startIndex, events.startIndex)
        while left < known.endIndex {
            guard known[left] === events[right] else { return false }
            left += 1
            right += 1
        }
        return true
    }
}
