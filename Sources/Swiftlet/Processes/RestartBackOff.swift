// How long `swiftlet up` waits before it starts a process again that died.

struct RestartBackOff {
    static let first = 1
    static let longest = 30
    /// A process that lived so long is taken as healthy: its next death counts as the first.
    static let healthyAfter = Duration.seconds(60)

    private var next = first

    /// Seconds to wait, given how long the process lived this time.
    mutating func delay(afterLiving lifetime: Duration) -> Int {
        if lifetime >= Self.healthyAfter { next = Self.first }
        defer { next = min(next * 2, Self.longest) }
        return next
    }
}
