// What a group used and how often it met its limits, from the files of either version.

/// Sums since the group was made, but for the present values (`memoryBytes`, `anonymousBytes`, `fileBytes`, `swapBytes`, `pids`).
/// 0 where the machine does not tell.
public struct CgroupUsage: Sendable, Hashable {
    public var cpuNanoseconds: Int64 = 0
    public var cpuUserNanoseconds: Int64 = 0
    public var cpuSystemNanoseconds: Int64 = 0
    /// Periods in which the group ran, and in which it ran out of quota; and for how long it then waited.
    public var periods: Int64 = 0
    public var throttledPeriods: Int64 = 0
    public var throttledNanoseconds: Int64 = 0

    public var memoryBytes: Int64 = 0
    public var memoryPeakBytes: Int64 = 0
    public var anonymousBytes: Int64 = 0
    public var fileBytes: Int64 = 0
    /// Page cache that was not used lately; usage without it is Kubernetes' working set.
    public var inactiveFileBytes: Int64 = 0
    public var swapBytes: Int64 = 0
    /// How often an allocation met the limit (v1 failcnt, v2 max) or was slowed down at `memory.high`. v1 counts nothing where memory and
    /// swap together have the same limit, as they have by default: it is that one which is met, and the kernel does not count there.
    public var memoryLimitHits: Int64 = 0
    public var memoryHighHits: Int64 = 0
    /// Processes that the kernel killed at the limit, and times it took a whole group at once.
    public var oomKills: Int64 = 0
    public var oomGroupKills: Int64 = 0
    /// Page faults that had to wait for the disk, and pages that were read again soon after they had been reclaimed.
    public var majorFaults: Int64 = 0
    public var refaults: Int64 = 0

    public var pids: Int64 = 0
    public var pidsPeak: Int64 = 0
    /// How often a fork was refused at the limit.
    public var pidsLimitHits: Int64 = 0

    public var readBytes: Int64 = 0
    public var writtenBytes: Int64 = 0

    public init() {}

    public var workingSetBytes: Int64 { max(0, memoryBytes - inactiveFileBytes) }
}

/// How long members waited for a resource (Documentation/accounting/psi.rst): shares of the last 10 s in percent, and sums.
public struct PressureStall: Sendable, Hashable {
    public var somePercent: Double = 0
    /// All members that were not idle waited at once.
    public var fullPercent: Double = 0
    public var someMicroseconds: Int64 = 0
    public var fullMicroseconds: Int64 = 0

    public init() {}

    /// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=..."
    public init?(text: String) {
        var seen = false
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            func value(_ key: String) -> Substring? {
                words.first { $0.hasPrefix("\(key)=") }.map { $0.dropFirst(key.count + 1) }
            }
            guard let kind = words.first, let total = value("total").flatMap({ Int64($0) }) else { continue }
            let percent = value("avg10").flatMap { Double($0) } ?? 0
            if kind == "some" { (somePercent, someMicroseconds, seen) = (percent, total, true) }
            if kind == "full" { (fullPercent, fullMicroseconds) = (percent, total) }
        }
        if !seen { return nil }
    }
}

extension Cgroup {
    public func usage() -> CgroupUsage {
        var usage = CgroupUsage()
        readPids(&usage)
        readCPU(&usage)
        if let memory = host.hierarchies[.memory] {
            if memory.version == 2 { readMemory2(&usage) } else { readMemory1(&usage) }
        }
        readIO(&usage)
        return usage
    }

    /// `usage().memoryBytes` without reading the rest.
    func memoryBytes() -> Int64 {
        number(.memory, host.hierarchies[.memory]?.version == 2 ? "memory.current" : "memory.usage_in_bytes")
    }

    private func number(_ controller: CgroupController, _ file: String) -> Int64 {
        path(controller, file).flatMap(CgroupFile.number) ?? 0
    }
    private func table(_ controller: CgroupController, _ file: String) -> [Substring: Int64] {
        path(controller, file).map(CgroupFile.table) ?? [:]
    }

    private func readPids(_ usage: inout CgroupUsage) {
        usage.pids = number(.pids, "pids.current")
        usage.pidsPeak = number(.pids, "pids.peak")
        usage.pidsLimitHits = table(.pids, "pids.events")["max"] ?? 0
    }

    private func readCPU(_ usage: inout CgroupUsage) {
        let stat = table(.cpu, "cpu.stat")
        usage.periods = stat["nr_periods"] ?? 0
        usage.throttledPeriods = stat["nr_throttled"] ?? 0
        usage.throttledNanoseconds = stat["throttled_time"] ?? (stat["throttled_usec"] ?? 0) * 1000
        if let total = stat["usage_usec"] {
            usage.cpuNanoseconds = total * 1000
            usage.cpuUserNanoseconds = (stat["user_usec"] ?? 0) * 1000
            usage.cpuSystemNanoseconds = (stat["system_usec"] ?? 0) * 1000
        } else {
            usage.cpuNanoseconds = number(.cpuacct, "cpuacct.usage")
            usage.cpuUserNanoseconds = number(.cpuacct, "cpuacct.usage_user")
            usage.cpuSystemNanoseconds = number(.cpuacct, "cpuacct.usage_sys")
        }
    }

    private func readMemory2(_ usage: inout CgroupUsage) {
        usage.memoryBytes = number(.memory, "memory.current")
        usage.memoryPeakBytes = number(.memory, "memory.peak")
        usage.swapBytes = number(.memory, "memory.swap.current")
        let events = table(.memory, "memory.events")
        usage.memoryLimitHits = events["max"] ?? 0
        usage.memoryHighHits = events["high"] ?? 0
        usage.oomKills = events["oom_kill"] ?? 0
        usage.oomGroupKills = events["oom_group_kill"] ?? 0
        let stat = table(.memory, "memory.stat")
        usage.anonymousBytes = stat["anon"] ?? 0
        usage.fileBytes = stat["file"] ?? 0
        usage.inactiveFileBytes = stat["inactive_file"] ?? 0
        usage.majorFaults = stat["pgmajfault"] ?? 0
        usage.refaults = (stat["workingset_refault_file"] ?? 0) + (stat["workingset_refault_anon"] ?? 0)
    }

    /// The `total_` rows and the hierarchical usage count groups below, as v2 does; `oom_control` counts this group alone.
    private func readMemory1(_ usage: inout CgroupUsage) {
        usage.memoryBytes = number(.memory, "memory.usage_in_bytes")
        usage.memoryPeakBytes = number(.memory, "memory.max_usage_in_bytes")
        usage.memoryLimitHits = number(.memory, "memory.failcnt")
        usage.oomKills = table(.memory, "memory.oom_control")["oom_kill"] ?? 0
        let stat = table(.memory, "memory.stat")
        usage.anonymousBytes = stat["total_rss"] ?? 0
        usage.fileBytes = stat["total_cache"] ?? 0
        usage.inactiveFileBytes = stat["total_inactive_file"] ?? 0
        usage.swapBytes = stat["total_swap"] ?? 0
        usage.majorFaults = stat["total_pgmajfault"] ?? 0
        usage.refaults = (stat["total_workingset_refault_file"] ?? 0) + (stat["total_workingset_refault_anon"] ?? 0)
    }

    private func readIO(_ usage: inout CgroupUsage) {
        guard let io = host.hierarchies[.io] else { return }
        guard
            let text = path(.io, io.version == 2 ? "io.stat" : "blkio.throttle.io_service_bytes_recursive").flatMap({
                CgroupFile.read($0)
            })
        else { return }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if io.version == 2 {
                for word in words {
                    if word.hasPrefix("rbytes=") { usage.readBytes += Int64(word.dropFirst(7)) ?? 0 }
                    if word.hasPrefix("wbytes=") { usage.writtenBytes += Int64(word.dropFirst(7)) ?? 0 }
                }
            } else if words.count == 3, let bytes = Int64(words[2]) {
                if words[1] == "Read" { usage.readBytes += bytes }
                if words[1] == "Write" { usage.writtenBytes += bytes }
            }
        }
    }

    public enum PressureResource: String, Sendable, CaseIterable { case cpu, memory, io }

    /// nil where the kernel does not measure groups: v1, or without PSI.
    public func pressure(_ resource: PressureResource) -> PressureStall? {
        host.directory(name, nil).flatMap { CgroupFile.read("\($0)/\(resource.rawValue).pressure") }.flatMap {
            PressureStall(text: $0)
        }
    }
}
