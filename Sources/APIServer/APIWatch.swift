// The running watch that a front writes out: batches of newline-terminated JSON events.
import JSON
import ResourceStore

/// A running watch of one client.
public final class APIWatch: Sendable {
    public let contentType: String
    private let pull: @Sendable () async -> [UInt8]?
    private let end: @Sendable () -> Void

    init(contentType: String, pull: @escaping @Sendable () async -> [UInt8]?, end: @escaping @Sendable () -> Void) {
        self.contentType = contentType
        self.pull = pull
        self.end = end
    }

    /// Suspends until something happened; whole events, each ending in a newline. nil: the watch has ended in order.
    public func next() async -> [UInt8]? { await pull() }

    /// Ends the watch: a suspended `next` returns nil. Idempotent.
    public func cancel() { end() }
}
