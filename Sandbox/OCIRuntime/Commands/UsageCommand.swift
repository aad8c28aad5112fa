// ps and events.

import Glibc
import JSON

enum UsageCommand {
    static func processes(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) -> Int32 {
        let options = try CommandOptions(words, flags: [.value("format", "f")], verb: "ps")
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
        let seconds = try interval(options.value("interval") ?? "5s")
        while true {
            do {
                CommandLog.print(try lifecycle.statistics(id).serializedString() + "\n")
            } catch {
                // Its end is the end of the events.
                guard case .conflict = error, !options.has("stats") else { throw error }
                return
            }
            if options.has("stats") { return }
            let container = try lifecycle.directory.load(id)
            if container.process.waitUntilGone(milliseconds: Int32(clamping: seconds * 1000)) { return }
        }
    }

    private static func interval(_ text: String) throws(OCIError) -> Int {
        let unit = text.last == "m" ? 60 : 1
        guard let number = Int(text.hasSuffix("s") || text.hasSuffix("m") ? String(text.dropLast()) : text), number > 0,
            number < 86400
        else {
            throw .usage("duration interval must be greater than 0")
        }
        return number * unit
    }
}
