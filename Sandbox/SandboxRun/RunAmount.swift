// Amounts as people write them on a command line: sizes, CPUs, durations, id maps.
import KubernetesModel
import SandboxPolicy

enum RunAmount {
    /// A size in bytes: "64Mi", "1.5G", "4096".
    static func bytes(_ text: String, _ field: String) throws(RunFailure) -> Int64 {
        let expected = "a size above 0 and up to 1Ei, for example 512Mi, 1.5Gi or 1000000"
        // Larger ones would be read as the largest number there is, which to some limits means none.
        guard let quantity = try? Quantity(text), case let value = quantity.value, value > 0, value <= 1 << 60 else {
            throw RunFailure(field: field, found: shown(text), expected: expected)
        }
        return value
    }

    /// Thousandths of a CPU: "1.5", "500m".
    static func cpuMillis(_ text: String, _ field: String) throws(RunFailure) -> Int64 {
        guard let quantity = try? Quantity(text), case let value = quantity.milliValue, value >= 10, value <= 4_096_000 else {
            throw RunFailure(field: field, found: shown(text), expected: "CPUs from 0.01 to 4096, for example 1.5 or 500m")
        }
        return value
    }

    /// Milliseconds: "30" and "30s" are seconds; "500ms", "5m", "1h30m", "2d".
    static func milliseconds(_ text: String, _ field: String) throws(RunFailure) -> Int64 {
        guard let value = milliseconds(text), value > 0, value <= 365 * 86_400_000 else {
            throw RunFailure(field: field, found: shown(text), expected: "a time above 0, for example 30s, 500ms or 1h30m")
        }
        return value
    }

    private static let milliseconds: [String: Int64] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]

    private static func milliseconds(_ text: String) -> Int64? {
        var rest = text[...]
        var sum: Int64 = 0
        if !rest.isEmpty, rest.allSatisfy({ $0.isASCII && $0.isNumber }) { return Int64(rest).flatMap { scaled($0, 1000) } }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let count = Int64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let scale = milliseconds[String(unit)],
                let part = scaled(count, scale)
            else { return nil }
            let (total, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { return nil }
            sum = total
        }
        return text.isEmpty ? nil : sum
    }

    private static func scaled(_ value: Int64, _ factor: Int64) -> Int64? {
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    static func integer(_ text: String, in range: ClosedRange<Int64>, _ field: String) throws(RunFailure) -> Int64 {
        guard let value = Int64(text), range.contains(value) else {
            throw RunFailure(
                field: field, found: shown(text), expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// An id of a user or a group: the last one means "none" to the kernel.
    static func identifier(_ text: String, _ field: String) throws(RunFailure) -> UInt32 {
        guard let value = UInt32(text), value < UInt32.max else {
            throw RunFailure(field: field, found: shown(text), expected: "a numeric id below \(UInt32.max)")
        }
        return value
    }

    /// INSIDE:HOST:COUNT.
    static func idMap(_ text: String, _ field: String) throws(RunFailure) -> IDMap {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let inside = UInt32(parts[0]), let host = UInt32(parts[1]), let count = UInt32(parts[2]),
            count > 0,
            UInt64(inside) + UInt64(count) < UInt64(UInt32.max), UInt64(host) + UInt64(count) < UInt64(UInt32.max)
        else {
            throw RunFailure(field: field, found: shown(text), expected: "INSIDE:HOST:COUNT, for example 0:100000:65536")
        }
        return IDMap(inside: inside, host: host, count: count)
    }

    /// For messages: never an empty place where a value was expected.
    static func shown(_ text: String) -> String { text.isEmpty ? "nothing" : "\"\(text)\"" }
}

public typealias IDMap = SandboxSpec.IDMap

extension SandboxSpec.IDMap {
    func contains(inside id: UInt32) -> Bool { id >= inside && id - inside < count }
}
