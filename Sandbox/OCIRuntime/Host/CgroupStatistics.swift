// What a container has used, read from its groups.

import JSON

struct CgroupStatistics {
    private let places: [CgroupPlace]

    init(_ places: [CgroupPlace]) { self.places = places }

    private func text(_ controller: String, _ file: String) -> String? {
        places.holding(controller).flatMap { HostFile.text("\($0.directory)/\(file)") }
    }

    private func number(_ controller: String, _ files: String...) -> Int64? {
        for file in files {
            if let value = text(controller, file).map({ $0.prefix { $0 != "\n" } }) { return value == "max" ? nil : Int64(value) }
        }
        return nil
    }

    private func keyed(_ controller: String, _ file: String) -> [Substring: Int64] {
        var values: [Substring: Int64] = [:]
        for line in (text(controller, file) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { values[words[0]] = Int64(words[1]) }
        }
        return values
    }

    /// How often the kernel has killed somebody here for want of memory (v1 counts since Linux 4.13).
    var outOfMemoryKills: Int64 {
        keyed("memory", "memory.oom_control")["oom_kill"] ?? keyed("memory", "memory.events")["oom_kill"] ?? 0
    }

    func document() -> JSONValue {
        .object(JSONObject([("cpu", cpu()), ("memory", memory()), ("pids", pids()), ("blkio", .object(JSONObject()))]))
    }

    private func object(_ members: [(String, Int64?)]) -> JSONValue {
        .object(JSONObject(members.compactMap { member in member.1.map { (member.0, JSONValue.int($0)) } }))
    }

    private func cpu() -> JSONValue {
        let stat = keyed("cpu", "cpu.stat")
        // v2 counts microseconds, v1 nanoseconds, and user and system apart in its own file.
        let usage = number("cpuacct", "cpuacct.usage") ?? stat["usage_usec"].map { $0 * 1000 }
        let user = number("cpuacct", "cpuacct.usage_user") ?? stat["user_usec"].map { $0 * 1000 }
        let system = number("cpuacct", "cpuacct.usage_sys") ?? stat["system_usec"].map { $0 * 1000 }
        let throttled = stat["throttled_time"] ?? stat["throttled_usec"].map { $0 * 1000 }
        return .object(
            JSONObject([
                ("usage", object([("total", usage), ("user", user), ("kernel", system)])),
                (
                    "throttling",
                    object([
                        ("periods", stat["nr_periods"]), ("throttledPeriods", stat["nr_throttled"]), ("throttledTime", throttled),
                    ])
                ),
            ]))
    }

    private func memory() -> JSONValue {
        let usage = object([
            ("limit", number("memory", "memory.limit_in_bytes", "memory.max")),
            ("usage", number("memory", "memory.usage_in_bytes", "memory.current")),
            ("max", number("memory", "memory.max_usage_in_bytes", "memory.peak")),
            ("failcnt", number("memory", "memory.failcnt") ?? keyed("memory", "memory.events")["max"]),
        ])
        let raw = keyed("memory", "memory.stat").sorted { $0.key < $1.key }.map { (String($0.key), JSONValue.int($0.value)) }
        return .object(JSONObject([("usage", usage), ("raw", .object(JSONObject(raw)))]))
    }

    private func pids() -> JSONValue {
        object([("current", number("pids", "pids.current")), ("limit", number("pids", "pids.max"))])
    }
}
