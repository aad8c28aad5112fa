// What was measured, and the JSON line that tells it.
import JSON
import NIOCore

/// Latencies in microseconds, all of them: a run is short.
struct Latencies {
    private(set) var values: [Double] = []

    mutating func add(since start: NIODeadline, until end: NIODeadline = .now()) {
        values.append(Double((end - start).nanoseconds) / 1000)
    }

    /// Milliseconds; nil when nothing was measured.
    func percentile(_ part: Double) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))] / 1000
    }

    var json: JSONValue {
        func figure(_ part: Double) -> JSONValue { percentile(part).map { .double($0) } ?? .null }
        return ["p50": figure(0.5), "p90": figure(0.9), "p99": figure(0.99), "max": figure(1)]
    }
}
