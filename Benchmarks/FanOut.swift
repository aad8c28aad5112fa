// Many watchers, and writers that stay ahead of the slowest by a bounded number of events.
import Glibc
import NIOCore

/// Lives on one event loop; `@unchecked Sendable` because it is only handed between closures of that loop.
final class FanOut: @unchecked Sendable {
    private let loop: any EventLoop
    private let watchers: [Connection]
    private let writers: [Connection]
    private let make: (Int) -> ByteBuffer
    private let events: Int
    private let promise: EventLoopPromise<Double>
    private var received: [Int]
    private var idle: [Connection] = []
    private var written = 0
    private var next: Int
    private let window: Int
    /// How many watchers have received at least so many events.
    private var reached: [Int]
    private var slowest = 0
    private var start = NIODeadline.now()
    private(set) var bytes = 0
    /// Of them on the way, before TLS.
    private(set) var wireBytes = 0
    /// Of watches that are compressed; one whose stream began before `run` has its head in here already.
    private let inflaters: [Inflater?]

    /// At most `window` events are written before every watcher has them.
    init(
        watchers: [Connection], inflaters: [Inflater?], writers: [Connection], on loop: any EventLoop, events: Int, window: Int,
        first: Int,
        make: @escaping (Int) -> ByteBuffer
    ) {
        self.watchers = watchers
        self.inflaters = inflaters
        self.writers = writers
        self.loop = loop
        self.events = events
        self.window = window
        self.make = make
        next = first
        received = Array(repeating: 0, count: watchers.count)
        reached = Array(repeating: 0, count: events + 1)
        promise = loop.makePromise()
    }

    /// Seconds from the first write to the last delivery.
    func run() -> EventLoopFuture<Double> {
        loop.execute {
            self.start = .now()
            for (index, watcher) in self.watchers.enumerated() {
                // Weak: the last answers come in after the end.
                watcher.onChunk = { [weak self] in self?.took($0, index) }
                watcher.onClose = { [weak self] in
                    guard let self else { return }
                    promise.fail(BenchError("a watcher was closed after \(received[index]) events"))
                }
            }
            for writer in self.writers {
                writer.onResponse = { [weak self, unowned writer] status, body in
                    guard let self else { return }
                    guard status == 201 else { return promise.fail(BenchError("\(status) \(String(buffer: body).prefix(300))")) }
                    idle.append(writer)
                    write()
                }
            }
            self.idle = self.writers
            self.write()
        }
        return promise.futureResult
    }

    private func write() {
        while written < events, written < slowest + window, let writer = idle.popLast() {
            writer.send(make(next))
            next += 1
            written += 1
        }
    }

    private func took(_ piece: ByteBuffer, _ index: Int) {
        wireBytes += piece.readableBytes
        // A line is an event. Bookmarks come once a minute at most and not before a minute has passed.
        var lines = 0
        func count(_ part: UnsafeRawBufferPointer) {
            bytes += part.count
            guard var place = part.baseAddress else { return }
            let end = place + part.count
            while place < end, let found = memchr(place, 10, end - place) {
                lines += 1
                place = UnsafeRawPointer(found) + 1
            }
        }
        if let inflater = inflaters[index] {
            guard inflater.inflate(piece, count) else { return promise.fail(BenchError("a watch's stream is not gzip's")) }
        } else {
            piece.withUnsafeReadableBytes(count)
        }
        for _ in 0..<lines where received[index] < events {
            received[index] += 1
            reached[received[index]] += 1
        }
        var moved = false
        while slowest < events, reached[slowest + 1] == watchers.count {
            slowest += 1
            moved = true
        }
        guard moved else { return }
        if slowest == events {
            for watcher in watchers { watcher.onClose = nil }
            promise.succeed(Double((NIODeadline.now() - start).nanoseconds) / 1e9)
        } else {
            write()
        }
    }
}
