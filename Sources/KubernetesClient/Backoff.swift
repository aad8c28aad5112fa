// The pause before trying again, for whoever follows a server.

/// Pauses before a repeated attempt: doubling from `first` to `longest`, each jittered by a fifth, so that many clients of
/// a server that comes back do not come all at once.
public struct Backoff: Sendable {
    public var first: Duration
    public var longest: Duration
    private var current: Duration

    public init(first: Duration = .milliseconds(200), longest: Duration = .seconds(15)) {
        self.first = first
        self.longest = longest
        current = first
    }

    public mutating func reset() { current = first }

    public mutating func next() -> Duration {
        defer { current = min(current * 2, longest) }
        return current * Double.random(in: 0.8...1.2)
    }
}
