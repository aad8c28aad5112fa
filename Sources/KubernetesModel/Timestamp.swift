// Points in time as Kubernetes writes them: whole seconds (metav1.Time) and microseconds (metav1.MicroTime), in UTC.

/// Whole seconds: "2026-01-31T12:00:00Z".
public struct Timestamp: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    public var unixSeconds: Int64

    public init(unixSeconds: Int64) { self.unixSeconds = unixSeconds }

    /// From RFC 3339 with any zone; fractions of a second are cut off. nil when malformed.
    public init?(_ text: String) {
        guard let parsed = CivilTime.parse(text) else { return nil }
        unixSeconds = parsed.seconds
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.unixSeconds < right.unixSeconds }

    /// Seconds from `earlier` to this.
    public func seconds(since earlier: Timestamp) -> Int64 { unixSeconds - earlier.unixSeconds }

    /// At most what can be written: the year 9999.
    public func adding(seconds: Int64) -> Timestamp {
        Timestamp(unixSeconds: min(unixSeconds.saturatingAdding(seconds), Self.latestSeconds))
    }

    private static let latestSeconds: Int64 = 253_402_300_799

    public var description: String { CivilTime.format(seconds: unixSeconds) + "Z" }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Timestamp(text) else { throw malformed(text, in: container) }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Microseconds: "2026-01-31T12:00:00.000000Z"; leases and events use it.
public struct MicroTimestamp: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    public var unixMicroseconds: Int64

    public init(unixMicroseconds: Int64) { self.unixMicroseconds = unixMicroseconds }

    public init(_ timestamp: Timestamp) { unixMicroseconds = timestamp.unixSeconds * 1_000_000 }

    /// From RFC 3339 with any zone and any number of decimals. nil when malformed.
    public init?(_ text: String) {
        guard let parsed = CivilTime.parse(text) else { return nil }
        unixMicroseconds = parsed.seconds * 1_000_000 + parsed.micros
    }

    public static func < (left: MicroTimestamp, right: MicroTimestamp) -> Bool {
        left.unixMicroseconds < right.unixMicroseconds
    }

    /// Cut down to whole seconds.
    public var timestamp: Timestamp {
        let (seconds, rest) = unixMicroseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return Timestamp(unixSeconds: rest < 0 ? seconds - 1 : seconds)
    }

    public var description: String {
        let seconds = timestamp.unixSeconds
        let micros = CivilTime.padded(unixMicroseconds - seconds * 1_000_000, 6)
        return "\(CivilTime.format(seconds: seconds)).\(micros)Z"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = MicroTimestamp(text) else { throw malformed(text, in: container) }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

private func malformed(_ text: String, in container: any SingleValueDecodingContainer) -> DecodingError {
    .dataCorruptedError(
        in: container, debugDescription: "\"\(text)\" is no time: expected RFC 3339, for example 2026-01-31T12:00:00Z")
}
