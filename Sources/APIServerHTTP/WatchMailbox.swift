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
        /// Not before this: see `longestPause`.
        var nextDrain = NIODeadline.uptimeNanoseconds(0)
    }

    /// After writing to watches the loop does other work for as long before it writes to them again, for four times as long when
    /// they are many, at most for this: events that come meanwhile share a record and a system call per watch, and requests are
    /// not kept waiting by them. Of few watches each event goes out almost at once.
    private static let longestPause = TimeAmount.milliseconds(20)
    private static let manyWatches = 64

    private let loop: any EventLoop
    private let state = Mutex(State())

    init(_ loop: any EventLoop) { self.loop = loop }

    /// From any thread; deliveries to one writer stay in order. Bounded by each writer's own bound.
    func post(_ delivery: APIWatch.Delivery, to writer: NIOLoopBound<WatchWriter>) {
        let due: NIODeadline? = state.withLock { state in
            state.items.append(Item(writer: writer, delivery: delivery))
            guard !state.isScheduled else { return nil }
            state.isScheduled = true
            return state.nextDrain
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
        let factor: Int64 = touched.count > Self.manyWatches ? 4 : 1
        let next = ended + min(Self.longestPause, .nanoseconds(factor * (ended - began).nanoseconds))
        let isMore = state.withLock { state in
            state.nextDrain = next
            state.isScheduled = !state.items.isEmpty
            return state.isScheduled
        }
        if isMore { schedule(next) }
    }
}

/// The chunks of one drain. Watches of one collection mostly see the same events, and then one buffer serves all of them.
struct SharedChunks {
    /// Different selections that are remembered at a time.
    private static let maximumKnown = 8
    /// A chunk holds as many events as fit below this, at least one.
    static let chunkBytes = 64 << 10

    private var known: [(events: ArraySlice<StoreEvent>, chunk: ByteBuffer)] = []

    /// One HTTP chunk of `events`' first, and how many they are.
    mutating func chunk(_ events: ArraySlice<StoreEvent>) -> (ByteBuffer, Int) {
        for entry in known where Self.isPrefix(entry.events, of: events) { return (entry.chunk, entry.events.count) }
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
        known.append((events.prefix(frames.count), buffer))
        return (buffer, frames.count)
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
