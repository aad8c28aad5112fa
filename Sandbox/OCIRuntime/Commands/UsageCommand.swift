// ps and events.

import Glibc
import JSON

enum UsageCommand {
    static func processes(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) -> Int32 {
        let options = try CommandOptions(words, flags: [.value("format", "f")], verb: "ps", stopsAtFirst: true)
        guard let id = options.arguments.first else { throw .usage("\"ps\" requires a minimum of 1 argument(s)") }
        let pids = try lifecycle.processes(id)
        switch options.value("format") ?? "table" {
        case "json":
            CommandLog.print(JSONValue.array(pids.map { .int(Int64($0)) }).serializedString() + "\n")
            return 0
        case "table": return try table(pids, Array(options.arguments.dropFirst()))
        default: throw .usage("invalid format option")
        }
    }

    /// ps(1)'s own table, by its own selection: no output is parsed, so that any of its options may be asked for.
    private static func table(_ pids: [Int32], _ options: [String]) throws(OCIError) -> Int32 {
        let selection = options.isEmpty ? ["-f"] : options.filter { $0 != "-e" && $0 != "-A" && $0 != "-ef" }
        // Nobody's number for a container without processes: ps(1) takes an empty list for a mistake.
        let list = pids.isEmpty ? "0" : pids.map(String.init).joined(separator: ",")
        let format = options.contains("-ef") ? ["-f"] : []
        let places: [String] = ["/bin/ps", "/usr/bin/ps"]
        guard let path = places.first(where: { path in access(path, X_OK) == 0 }) else {
            throw .system(stage: "find", errno: ENOENT, subject: "ps")
        }
        let pid = try ChildProcess.spawn(
            path, ["ps"] + selection + format + ["-p", list], environment: ["LC_ALL=C", "PATH=/usr/bin:/bin"])
        let status = ChildProcess.reap(pid).map(ChildProcess.exitCode) ?? 1
        return pids.isEmpty ? 0 : status
    }

    static func events(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: [.toggle("stats"), .value("interval")], verb: "events")
        let id = try options.oneArgument("events")
        let milliseconds = try interval(options.value("interval") ?? "5s")
        var deaths = OutOfMemoryWatch(id, try lifecycle.directory.load(id))
        while true {
            do {
                CommandLog.print(try lifecycle.statistics(id).serializedString() + "\n")
            } catch {
                // Its end is the end of the events.
                guard case .conflict = error, !options.has("stats") else { throw error }
                return
            }
            if options.has("stats") { return }
            if deaths.waitForEnd(milliseconds: milliseconds) { return }
        }
    }

    /// As Go writes durations: "500ms", "1m30s", "1.5h"; a plain number is seconds.
    static func interval(_ text: String) throws(OCIError) -> Int {
        let units: [String: Double] = ["ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000]
        var total = 0.0
        var rest = Substring(text)
        repeat {
            let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
            rest = rest.dropFirst(name.count)
            let unit = name.isEmpty && total == 0 && rest.isEmpty ? 1000 : units[String(name)]
            guard let number = Double(digits), let unit else {
                throw .usage("invalid value \"\(text)\" for flag -interval: expected a duration such as 500ms or 1m30s")
            }
            total += number * unit
        } while !rest.isEmpty
        guard total >= 1, total <= 86_400_000 else {
            throw .usage("duration interval must be greater than 0: expected 1ms to 24h, found \"\(text)\"")
        }
        return Int(total)
    }
}

/// Tells when the kernel has killed processes of the container for memory, as runc does: one line for each time it was seen.
private struct OutOfMemoryWatch {
    private static let look = 250

    private let id: String
    private let container: ContainerRecord
    private var seen: Int64

    init(_ id: String, _ container: ContainerRecord) {
        (self.id, self.container) = (id, container)
        seen = CgroupStatistics(container.cgroups).outOfMemoryKills
    }

    /// False when it still lives after so long.
    mutating func waitForEnd(milliseconds: Int) -> Bool {
        var left = milliseconds
        while left > 0 {
            let isGone = container.process.waitUntilGone(milliseconds: Int32(clamping: min(left, Self.look)))
            // The kernel counts before it kills: what ended the container is told too.
            let now = CgroupStatistics(container.cgroups).outOfMemoryKills
            if now > seen {
                CommandLog.print(JSONValue.object(JSONObject([("type", "oom"), ("id", .string(id))])).serializedString() + "\n")
            }
            seen = max(seen, now)
            if isGone { return true }
            left -= Self.look
        }
        return false
    }
}
