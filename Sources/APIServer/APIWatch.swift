// The running watch that a front writes out: newline-terminated JSON events, pulled or pushed.
import JSON
import ResourceStore

/// A running watch of one client. Consumed by `next`, or by `subscribe`; by one of them, once.
public final class APIWatch: Sendable {
    public enum Delivery: Sendable {
        /// Plain JSON: each event's line is its `frame`, made once and shared by all watchers.
        case events([StoreEvent])
        /// Whole lines: bookmarks, errors, events in another form.
        case bytes([UInt8])
        /// Nothing comes after this.
        case end
    }

    public let contentType = "application/json"
    private let session: WatchSession
    private let framer: WatchFramer

    init(session: WatchSession, framer: WatchFramer) {
        self.session = session
        self.framer = framer
    }

    deinit { session.cancel() }

    /// Suspends until something happened; whole events, each ending in a newline. nil: the watch has ended in order.
    public func next() async -> [UInt8]? {
        guard let batch = await session.next() else { return nil }
        return framer.lines(batch)
    }

    /// Hands everything to a callback, in order, one at a time, on the thread where it happens (the store's publisher, a
    /// timer, or the caller for what is there already). It must neither block nor take long; `end` comes once.
    public func subscribe(_ deliver: @escaping @Sendable (Delivery) -> Void) {
        let isPlain = framer.sharesFrames
        session.subscribe { [framer] batch in
            switch batch {
            case .events(let events)? where isPlain: deliver(.events(events))
            case let batch?: deliver(.bytes(framer.lines(batch)))
            case nil: deliver(.end)
            }
        }
    }

    /// Ends the watch: a suspended `next` returns nil, a subscriber is told the end. Idempotent.
    public func cancel() { session.cancel() }
}
