// Numbers as people read them: durations, bytes, and the times of the API.
import FoundationEssentials
import KubernetesModel

enum HumanText {
    /// "4 s", "2 min 5 s", "3 h 10 min"; negative counts as 0.
    static func duration(seconds: Double) -> String {
        let whole = max(0, Int(seconds.rounded(.down)))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        default: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        }
    }

    /// "170 MiB", "1.5 GiB": two digits at most behind the point.
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let rounded = value >= 10 || unit == 0 ? value.rounded() : (value * 10).rounded() / 10
        let text = rounded == rounded.rounded() ? String(Int64(rounded)) : String(rounded)
        return "\(text) \(units[unit])"
    }

    /// Seconds since 1970 of an RFC 3339 time; nil when it is none.
    static func unixSeconds(_ text: String) -> Double? {
        if let date = try? Date(text, strategy: .iso8601) { return date.timeIntervalSince1970 }
        return (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))?.timeIntervalSince1970
    }

    /// "2026-11-23T03:50:32Z" of seconds since 1970.
    static func date(_ unixSeconds: Int64) -> String { Timestamp(unixSeconds: unixSeconds).description }

    static var now: Double { Date().timeIntervalSince1970 }
}
