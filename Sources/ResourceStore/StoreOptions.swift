// What a store is told when it is opened.

public struct StoreOptions: Sendable {
    /// Events kept for watches that begin in the past, also across a restart. A client that was away longer lists again.
    public var logCapacity = 50_000
    /// Bytes of superseded states that the history may hold, what it costs beyond the present states: a quarter of those, but no less
    /// than `leastLogBytes` and no more than `logBytes`.
    public var logBytes = 32 << 20
    public var leastLogBytes = 8 << 20
    /// Events that may wait for a slow watcher.
    public var watchBound = StoreWatch.defaultBound
    /// Collections that are kept in memory only: a restart begins without their objects, and a watch of them from before it is
    /// expired.
    public var volatile: Set<CollectionID> = []
    /// Fields by which lists of a collection are found without a scan, such as `spec.nodeName` of pods.
    public var indexedFields: [CollectionID: [String]] = [:]

    public init() {}

    public init(logCapacity: Int, watchBound: Int) {
        self.logCapacity = logCapacity
        self.watchBound = watchBound
    }
}
