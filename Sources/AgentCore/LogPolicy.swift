// How much of containers' output a node keeps, and for how long.

public struct LogPolicy: Sendable, Hashable {
    /// Bytes of one file; a full one is rotated by the container's supervisor, whether an agent lives or not.
    public var maximumFileBytes: Int64
    /// Files of one run of a container, the present one among them.
    public var maximumFiles: Int64
    /// Lines are not kept longer than this (and as long again until their file is full of such); nil: no bound.
    public var maximumAgeSeconds: Int64?
    /// Rotated files but the newest are compressed.
    public var compresses: Bool
    /// Logs of a pod stay so long after it is gone; 0: they go with it.
    public var keepAfterPodSeconds: Int64
    /// Bytes of the logs of all pods that are gone; the oldest make room.
    public var keepAfterPodBytes: Int64

    public init(
        maximumFileBytes: Int64 = 50 << 20, maximumFiles: Int64 = 5, maximumAgeSeconds: Int64? = 30 * 86_400,
        compresses: Bool = true,
        keepAfterPodSeconds: Int64 = 7 * 86_400, keepAfterPodBytes: Int64 = 1 << 30
    ) {
        self.maximumFileBytes = maximumFileBytes
        self.maximumFiles = maximumFiles
        self.maximumAgeSeconds = maximumAgeSeconds
        self.compresses = compresses
        self.keepAfterPodSeconds = keepAfterPodSeconds
        self.keepAfterPodBytes = keepAfterPodBytes
    }
}

/// "0.log", "0.log.3", "0.log.3.gz": a run of a container, and which of its files.
public struct LogFileName: Sendable, Hashable {
    public var attempt: Int
    /// nil: the present file.
    public var number: UInt64?
    public var isCompressed: Bool

    public init(attempt: Int, number: UInt64? = nil, isCompressed: Bool = false) {
        self.attempt = attempt
        self.number = number
        self.isCompressed = isCompressed
    }

    /// nil for any other name.
    public init?(_ name: String) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts.count <= 4, parts[1] == "log", let attempt = Int(parts[0]), attempt >= 0 else { return nil }
        self.init(attempt: attempt)
        guard parts.count > 2 else { return }
        guard let number = UInt64(parts[2]), number > 0, parts.count == 3 || parts[3] == "gz" else { return nil }
        (self.number, isCompressed) = (number, parts.count == 4)
    }

    public var text: String { "\(attempt).log" + (number.map { ".\($0)" } ?? "") + (isCompressed ? ".gz" : "") }
}
