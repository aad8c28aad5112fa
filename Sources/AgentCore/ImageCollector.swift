// Which images a node that fills up lets go of, and in which order. It sees lists, sizes and the time only.
import KubernetesModel

/// Kubelet's way: from `highPercent` of the disk on, images are removed until `lowPercent` is reached; the one that was not used for
/// longest goes first.
public struct ImageCollector: Sendable, Hashable {
    public struct Policy: Sendable, Hashable {
        public var highPercent: Int64
        public var lowPercent: Int64
        /// An image that came or was used later stays: whoever brought it may be about to use it.
        public var minimumAgeSeconds: Int64

        /// Kubelet's figures: imageGCHighThresholdPercent, imageGCLowThresholdPercent, imageMinimumGCAge.
        public init(highPercent: Int64 = 85, lowPercent: Int64 = 80, minimumAgeSeconds: Int64 = 120) {
            self.highPercent = highPercent
            self.lowPercent = lowPercent
            self.minimumAgeSeconds = minimumAgeSeconds
        }
    }

    public struct Image: Sendable, Hashable {
        public var id: String
        /// Built-in, or kept by its operator.
        public var isPinned: Bool
        /// Some container of this node has it, or will.
        public var isInUse: Bool

        public init(id: String, isPinned: Bool = false, isInUse: Bool = false) {
            self.id = id
            self.isPinned = isPinned
            self.isInUse = isInUse
        }
    }

    public let policy: Policy
    /// When an image was last in use; when it was first seen, for one that never was. Of images that are there only.
    private var lastUsed: [String: UnixNanoseconds] = [:]

    public init(policy: Policy = .init()) { self.policy = policy }

    /// Bytes to free; nil: there is room. `goesOn`: the collecting has begun, so the lower mark counts.
    public func excess(capacityBytes: Int64, availableBytes: Int64, goesOn: Bool = false) -> Int64? {
        guard capacityBytes > 0 else { return nil }
        let used = capacityBytes - min(availableBytes, capacityBytes)
        // In whole percents first: capacity times 100 may not overflow.
        let (high, low) = (capacityBytes / 100 * policy.highPercent, capacityBytes / 100 * policy.lowPercent)
        guard used >= (goesOn ? low + 1 : high) else { return nil }
        return used - low
    }

    /// Takes note of what is there. To be called now and then, so that ages are known when they are needed.
    public mutating func note(_ images: [Image], now: UnixNanoseconds) {
        var known: [String: UnixNanoseconds] = [:]
        for image in images { known[image.id] = image.isInUse ? now : lastUsed[image.id] ?? now }
        lastUsed = known
    }

    /// Ids of what may go, the first to go first. Never a pinned image, one in use, or one too young.
    public func order(_ images: [Image], now: UnixNanoseconds) -> [String] {
        let removable = images.filter { image in
            guard !image.isPinned, !image.isInUse, let used = lastUsed[image.id] else { return false }
            return now >= used.adding(seconds: policy.minimumAgeSeconds)
        }
        return removable.map(\.id).sorted { left, right in
            let (a, b) = (lastUsed[left] ?? 0, lastUsed[right] ?? 0)
            return a == b ? left < right : a < b
        }
    }
}
