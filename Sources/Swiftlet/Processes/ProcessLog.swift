// The log of a master or Lite: one line per message on standard error, which the starter keeps in a file.
import FoundationEssentials
import Glibc
import Logging

/// `2026-01-02 15:04:05.000 INFO agent: message key=value` (UTC), in the order of Kuscia's log lines.
struct ProcessLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    static func bootstrap(_ level: KusciaConfiguration.LogLevel) {
        let level: Logger.Level =
            switch level {
            case .debug: .debug
            case .info: .info
            case .warn: .warning
            case .error: .error
            }
        LoggingSystem.bootstrap { ProcessLog(label: $0, level: level) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let text = "\(event.message)".replacing("\n", with: " | ")
        let line = "\(Self.time()) \(event.level.rawValue.uppercased()) \(label): \(text)\(pairs)\n"
        // One write per line: several processes and threads may share the file.
        _ =
            line.utf8.withContiguousStorageIfAvailable { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            ?? Array(line.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        var seconds = now.tv_sec
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let date = [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)].map { padded($0, 2) }
        let clock = [Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)].map { padded($0, 2) }
        return "\(date.joined(separator: "-")) \(clock.joined(separator: ":")).\(padded(now.tv_nsec / 1_000_000, 3))"
    }
}
