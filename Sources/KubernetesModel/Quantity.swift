// Quantity: an exact amount of a resource in Kubernetes' notation ("500m", "1.5Gi", "2e3"; apimachinery's
// resource.Quantity). Kept in billionths, the finest step that the notation has.

/// Why a text is no quantity.
public struct QuantityError: Error, Sendable, Hashable, CustomStringConvertible {
    public var text: String
    public var expected: String

    public init(text: String, expected: String) {
        self.text = text
        self.expected = expected
    }

    public var description: String { "quantity \"\(text)\": expected \(expected)" }
}

public struct Quantity: Sendable {
    /// Which family of suffixes the canonical form uses.
    public enum Format: Sendable, Hashable {
        case decimalSI
        case binarySI
        case decimalExponent
    }

    static let nanosPerUnit: Int128 = 1_000_000_000
    /// Larger amounts are capped here, as Kubernetes does (2^63 - 1).
    static let maximum = Int128(Int64.max) * nanosPerUnit

    /// The amount in billionths.
    let nanos: Int128
    public let format: Format
    /// As it was written; the canonical form for computed quantities.
    public let text: String

    init(nanos: Int128, format: Format) {
        self.nanos = min(max(nanos, -Self.maximum), Self.maximum)
        self.format = format
        text = Self.canonical(nanos: self.nanos, format: format)
    }

    init(nanos: Int128, format: Format, text: String) {
        self.nanos = nanos
        self.format = format
        self.text = text
    }

    /// Whole units: cores, bytes, pods.
    public init(_ value: Int64, format: Format = .decimalSI) {
        self.init(nanos: Int128(value) * Self.nanosPerUnit, format: format)
    }

    /// Thousandths, as CPU is counted.
    public init(millis: Int64) { self.init(nanos: Int128(millis) * 1_000_000, format: .decimalSI) }

    /// Bytes, shown with binary suffixes.
    public init(bytes: Int64) { self.init(bytes, format: .binarySI) }

    public static let zero = Quantity(0)

    /// For ratios, where the last digits do not matter.
    public var approximateUnits: Double { Double(nanos) / Double(Self.nanosPerUnit) }

    /// Whole units, rounded away from zero.
    public var value: Int64 { rounded(to: Self.nanosPerUnit) }

    /// Thousandths, rounded away from zero; capped at Int64's range.
    public var milliValue: Int64 { rounded(to: 1_000_000) }

    /// Thousand-millionths, as metrics.k8s.io counts CPU; capped at Int64's range.
    public var nanoValue: Int64 { Int64(clamping: nanos) }

    private func rounded(to step: Int128) -> Int64 {
        let (quotient, remainder) = nanos.quotientAndRemainder(dividingBy: step)
        let away: Int128 = remainder == 0 ? 0 : remainder.signum()
        return Int64(clamping: quotient + away)
    }

    public var isZero: Bool { nanos == 0 }
    public var isNegative: Bool { nanos < 0 }

    /// The one form in which Kubernetes writes this amount: no fraction, the largest suffix that loses nothing.
    public var canonical: String { Self.canonical(nanos: nanos, format: format) }
}

/// Amounts are compared, however they were written: 1 == 1000m.
extension Quantity: Comparable, Hashable {
    public static func == (left: Quantity, right: Quantity) -> Bool { left.nanos == right.nanos }
    public static func < (left: Quantity, right: Quantity) -> Bool { left.nanos < right.nanos }
    public func hash(into hasher: inout Hasher) { hasher.combine(nanos) }

    /// The sum keeps the left side's notation, or the right side's when left is zero. Capped at 2^63 - 1.
    public static func + (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos + right.nanos, format: left.isZero ? right.format : left.format)
    }

    public static func - (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos - right.nanos, format: left.isZero ? right.format : left.format)
    }

    public static func += (left: inout Quantity, right: Quantity) { left = left + right }
    public static func -= (left: inout Quantity, right: Quantity) { left = left - right }
}

extension Quantity: CustomStringConvertible {
    public var description: String { text }
}

extension Quantity: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int64) { self.init(value) }
}

extension Quantity: Codable {
    /// From a string or, as manifests often have it, a number.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            if let text = try? container.decode(String.self) {
                try self.init(text)
            } else if let number = try? container.decode(Int64.self) {
                self.init(number)
            } else {
                try self.init("\(try container.decode(Double.self))")
            }
        } catch let error as QuantityError {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
