// The Date header's text.
import Glibc

enum HTTPDate {
    /// Seconds since 1970.
    static var now: Int64 { Int64(time(nil)) }

    /// "Sun, 06 Nov 1994 08:49:37 GMT"
    static func text(_ seconds: Int64) -> String {
        var broken = tm()
        var clock = time_t(seconds)
        gmtime_r(&clock, &broken)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(days[Int(broken.tm_wday)]), \(two(broken.tm_mday)) \(months[Int(broken.tm_mon)]) \(1900 + broken.tm_year) "
            + "\(two(broken.tm_hour)):\(two(broken.tm_min)):\(two(broken.tm_sec)) GMT"
    }
}
