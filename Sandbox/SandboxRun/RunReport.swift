// What `--json` writes: the launcher's record in the words of a person at a terminal, with what was not enforced.
import JSON
import SandboxPolicy

public struct RunReport: Sendable {
    var value: JSONValue

    /// `record` is the launcher's state.json; nil when it wrote none. `thrashed`: how, of a task that was ended for it.
    public init(record: JSONValue?, exitCode: Int32, unenforced: [UnenforcedLimit], thrashed: String? = nil) {
        var report = JSONObject()
        let phase = record?["phase"]?.stringValue
        report["exitCode"] = .int(Int64(exitCode))
        report["signal"] = record?["signal"]?.intValue.flatMap { $0 == 0 ? nil : .int($0) } ?? .null
        report["reason"] = .string(thrashed == nil ? Self.reason(record, exitCode: exitCode) : "MemoryThrashing")
        if let thrashed { report["message"] = .string(thrashed) }
        report["started"] = .bool(phase == "exited" || phase == "running")
        report["oomKilled"] = .bool(record?["oomKilled"]?.boolValue ?? false)
        for (name, key) in [("startedAt", "startedAt"), ("finishedAt", "finishedAt")] {
            if let time = record?[key]?.intValue, time > 0 { report[name] = .int(time) }
        }
        if let start = record?["startedAt"]?.intValue, let end = record?["finishedAt"]?.intValue, start > 0, end >= start {
            report["wallNanoseconds"] = .int(end - start)
        }
        for key in [
            "cpuNanoseconds", "cpuUserNanoseconds", "cpuSystemNanoseconds", "memoryPeakBytes", "oomKills", "pidsLimitHits",
            "throttledPeriods", "logBytes", "logDroppedBytes",
        ] {
            if let number = record?[key]?.intValue, number >= 0 { report[key] = .int(number) }
        }
        if let usage = record?["resourceUsage"] { report["resourceUsage"] = usage }
        if let error = record?["error"] { report["error"] = error }
        report["deniedSystemCalls"] = .object(Self.denied(record?["deniedSystemCalls"]))
        report["unenforced"] = .array(unenforced.map(\.json))
        value = .object(report)
    }

    public var text: String { value.serializedString() + "\n" }

    private static func reason(_ record: JSONValue?, exitCode: Int32) -> String {
        if let reason = record?["reason"]?.stringValue, !reason.isEmpty { return reason }
        guard let record else { return "NotStarted" }
        if record["phase"]?.stringValue == "failed" { return "StartError" }
        if record["oomKilled"]?.boolValue == true { return "OOMKilled" }
        if record["stopRequested"]?.boolValue == true { return "Stopped" }
        return exitCode == 0 ? "Completed" : "Error"
    }

    /// Numbers of system calls as their names, counts as they are.
    private static func denied(_ calls: JSONValue?) -> JSONObject {
        var named = JSONObject()
        for (key, count) in calls?.objectValue ?? JSONObject() {
            named[SystemCall.name(key)] = count
        }
        return named
    }
}

extension UnenforcedLimit {
    var json: JSONValue {
        var value = JSONObject([("option", .string(option)), ("reason", .string(reason)), ("fix", .string(fix))])
        if let instead { value["instead"] = .string(instead) }
        return .object(value)
    }
}
