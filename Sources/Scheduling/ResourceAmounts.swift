// What a pod asks for and what a node has, in fixed units, so that comparing them is exact integer arithmetic.

/// An amount of each resource that the scheduler counts. Extended resources (GPUs) are named as in the API.
public struct ResourceAmounts: Sendable, Hashable {
    /// Thousandths of a processor.
    public var milliCPU: Int64
    /// Bytes.
    public var memory: Int64
    /// Number of pods; a pod asks for one.
    public var pods: Int64
    public var extended: [String: Int64]

    public init(milliCPU: Int64 = 0, memory: Int64 = 0, pods: Int64 = 0, extended: [String: Int64] = [:]) {
        self.milliCPU = milliCPU
        self.memory = memory
        self.pods = pods
        self.extended = extended
    }
}

/// Amounts as people write them, for messages.
enum AmountText {
    /// "2", "1.5" or "250m".
    static func cpu(_ milli: Int64) -> String {
        if milli % 1000 == 0 { return "\(milli / 1000)" }
        return "\(milli)m"
    }

    /// "8Gi", "1536Mi", "512Ki" or plain bytes: the largest unit that keeps the number whole, rounded down to Mi above 1 Gi.
    static func memory(_ bytes: Int64) -> String {
        let units: [(name: String, size: Int64)] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        for unit in units where bytes >= unit.size && bytes % unit.size == 0 { return "\(bytes / unit.size)\(unit.name)" }
        if bytes >= 1 << 30 { return "\(bytes >> 20)Mi" }
        if bytes >= 1 << 20 { return "\(bytes >> 10)Ki" }
        return "\(bytes)"
    }
}
