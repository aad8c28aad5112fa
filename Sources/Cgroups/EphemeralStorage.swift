// When a task's disk is measured, and what follows from it. Pure; `EphemeralStorageWatch` measures.

/// Measuring a tree costs time in proportion to its files, asking a file system how full it is costs nothing. A task cannot be over its
/// limit before its file system has grown by what was left, so only then is it measured; and now and then anyway, because others may
/// free what it takes.
public struct EphemeralStorage: Sendable, Hashable {
    public enum Step: Sendable, Hashable {
        case wait
        case measure
    }

    public struct Excess: Sendable, Hashable, CustomStringConvertible {
        public var usedBytes: Int64
        public var limitBytes: Int64
        public var entries: Int64
        public var isPartial: Bool

        public var description: String {
            "used \(isPartial ? "at least " : "")\(usedBytes) bytes of ephemeral storage in \(entries) files, more than its limit of "
                + "\(limitBytes) bytes (\(limitBytes >> 20) MiB); raise resources.limits.ephemeral-storage"
        }
    }

    public let limitBytes: Int64
    /// Rounds after which it is measured even where the file system did not grow.
    public let roundsBetweenMeasures: Int
    private var lastUsed: Int64?
    private var filledAtLast: Int64 = 0
    private var rounds = 0

    public init(limitBytes: Int64, roundsBetweenMeasures: Int = 30) {
        self.limitBytes = limitBytes
        self.roundsBetweenMeasures = roundsBetweenMeasures
    }

    /// `filled`: bytes in use on the file systems of its trees, together.
    public mutating func round(filled: Int64) -> Step {
        rounds += 1
        guard let lastUsed else { return .measure }
        if rounds >= roundsBetweenMeasures || filled - filledAtLast >= limitBytes - lastUsed { return .measure }
        return .wait
    }

    /// nil: within its limit.
    public mutating func measured(_ usage: StorageUsage, filled: Int64) -> Excess? {
        rounds = 0
        lastUsed = usage.bytes
        filledAtLast = filled
        // A tree too large to be measured is one that costs more than it may, whatever its files hold.
        guard usage.bytes > limitBytes || usage.isPartial else { return nil }
        return Excess(usedBytes: usage.bytes, limitBytes: limitBytes, entries: usage.entries, isPartial: usage.isPartial)
    }
}
