// One group: made with its limits before its first member, read, emptied and removed. Calls block for microseconds
// (`remove` for up to `Cgroup.removalDeadlineMilliseconds`), so keep them off the cooperative pool.

import Glibc

/// nil is "no limit of its own".
public struct CgroupLimits: Sendable, Hashable {
    public var memoryBytes: Int64?
    /// Thousandths of a CPU.
    public var cpuMillis: Int64?
    public var pids: Int64?

    public init(memoryBytes: Int64? = nil, cpuMillis: Int64? = nil, pids: Int64? = nil) {
        self.memoryBytes = memoryBytes
        self.cpuMillis = cpuMillis
        self.pids = pids
    }
}

public struct CgroupUsage: Sendable, Hashable {
    public var cpuNanoseconds: Int64 = 0
    public var memoryBytes: Int64 = 0
    public var memoryPeakBytes: Int64 = 0
    public var oomKills: Int64 = 0
    public var pids: Int64 = 0
    /// How often a fork was refused at the limit.
    public var pidsLimitHits: Int64 = 0
    public var throttledPeriods: Int64 = 0
}

public struct Cgroup: Sendable, Hashable {
    /// The kernel's default period; a quota is enforced once a period.
    static let cpuPeriodMicroseconds: Int64 = 100_000
    /// The kernel refuses less than a millisecond.
    static let cpuQuotaMinimumMicroseconds: Int64 = 1_000
    /// A group whose last member was just killed stays busy until it is reaped.
    static let removalDeadlineMilliseconds = 5_000

    public let host: CgroupHost
    public let name: String
    /// Where a task joins, in this order.
    public let directories: [CgroupDirectory]

    public var exists: Bool { directories.contains { CgroupFile.exists($0.path) } }

    /// Makes the group and sets its limits; a group that exists already gets the limits. Throws before anything is made
    /// when a limit is asked for whose controller the machine lacks.
    public func create(limits: CgroupLimits) throws(CgroupError) {
        for (controller, asked) in [
            (CgroupController.memory, limits.memoryBytes), (.cpu, limits.cpuMillis), (.pids, limits.pids),
        ] where asked != nil && host.hierarchies[controller] == nil {
            throw CgroupError(stage: "unenforceable", path: "\(controller.rawValue) controller", errno: ENOTSUP)
        }
        for directory in directories { try make(directory) }
        try set(limits)
    }

    private func make(_ directory: CgroupDirectory) throws(CgroupError) {
        let base = directory.path.dropLast(name.utf8.count + 1)
        var path = String(base)
        for part in name.split(separator: "/") {
            // On v2 a group's controllers are switched on by its parent.
            if directory.version == 2 { enableControllers(below: path) }
            path += "/\(part)"
            if mkdir(path, 0o755) != 0, errno != EEXIST { throw CgroupError(stage: "mkdir", path: path, errno: errno) }
        }
    }

    /// What cannot be switched on shows when the limit's file is missing.
    private func enableControllers(below path: String) {
        for controller in CgroupController.ofVersion2 where host.hierarchies[controller] != nil {
            try? CgroupFile.write("+\(controller.rawValue)", to: "\(path)/cgroup.subtree_control")
        }
    }

    private func file(_ controller: CgroupController, _ name: String) -> String? {
        let directory = directories.first { $0.version == 2 || $0.controller == controller.rawValue }
            ?? (controller == .cpuacct || controller == .cpu ? directories.first { $0.controller.hasPrefix("cpu") } : nil)
        return directory.map { "\($0.path)/\(name)" }
    }

    private func write(_ value: String, _ controller: CgroupController, _ name: String) throws(CgroupError) {
        guard let path = file(controller, name) else { return }
        try CgroupFile.write(value, to: path)
    }

    /// Memory limits count swap: a task over its limit is killed, not slowed down by swapping.
    public func set(_ limits: CgroupLimits) throws(CgroupError) {
        let version2 = host.layout == .version2
        if let bytes = limits.memoryBytes {
            let swap = file(.memory, "memory.memsw.limit_in_bytes")
            // v1 keeps memory <= memory+swap at all times: when the limit is raised, the sum has to go first.
            if !version2, let swap { try? CgroupFile.write("\(bytes)", to: swap) }
            try write("\(bytes)", .memory, version2 ? "memory.max" : "memory.limit_in_bytes")
            if version2, let path = file(.memory, "memory.swap.max"), CgroupFile.exists(path) {
                try CgroupFile.write("0", to: path)
            } else if !version2, let swap, CgroupFile.exists(swap) {
                try CgroupFile.write("\(bytes)", to: swap)
            }
        }
        if let millis = limits.cpuMillis {
            let quota = max(millis * Self.cpuPeriodMicroseconds / 1000, Self.cpuQuotaMinimumMicroseconds)
            if version2 {
                try write("\(quota) \(Self.cpuPeriodMicroseconds)", .cpu, "cpu.max")
            } else {
                try write("\(Self.cpuPeriodMicroseconds)", .cpu, "cpu.cfs_period_us")
                try write("\(quota)", .cpu, "cpu.cfs_quota_us")
            }
        }
        if let pids = limits.pids { try write("\(pids)", .pids, "pids.max") }
    }

    public func usage() -> CgroupUsage {
        var usage = CgroupUsage()
        func number(_ controller: CgroupController, _ name: String, key: String? = nil) -> Int64 {
            guard let path = file(controller, name) else { return 0 }
            return (key.map { CgroupFile.number(path, key: $0) } ?? CgroupFile.number(path)) ?? 0
        }
        usage.pids = number(.pids, "pids.current")
        usage.pidsLimitHits = number(.pids, "pids.events", key: "max")
        usage.throttledPeriods = number(.cpu, "cpu.stat", key: "nr_throttled")
        if host.layout == .version2 {
            usage.cpuNanoseconds = number(.cpu, "cpu.stat", key: "usage_usec") * 1000
            usage.memoryBytes = number(.memory, "memory.current")
            usage.memoryPeakBytes = number(.memory, "memory.peak")
            usage.oomKills = number(.memory, "memory.events", key: "oom_kill")
        } else {
            usage.cpuNanoseconds = number(.cpuacct, "cpuacct.usage")
            usage.memoryBytes = number(.memory, "memory.usage_in_bytes")
            usage.memoryPeakBytes = number(.memory, "memory.max_usage_in_bytes")
            usage.oomKills = number(.memory, "memory.oom_control", key: "oom_kill")
        }
        return usage
    }

    /// Process ids of the members, as this process' pid namespace sees them.
    public func processes() -> [Int32] {
        Set(
            directories.flatMap { directory in
                (CgroupFile.read("\(directory.path)/cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }
            }
        ).sorted()
    }

    /// SIGKILL to every member, once. Returns how many there were; repeat until none.
    @discardableResult
    public func kill() -> Int {
        for directory in directories where directory.version == 2 {
            try? CgroupFile.write("1", to: "\(directory.path)/cgroup.kill")
        }
        let members = processes()
        for pid in members where pid > 0 { _ = Glibc.kill(pid, SIGKILL) }
        return members.count
    }

    /// Kills what is left and removes the directories; nothing to do when they are gone.
    public func remove() throws(CgroupError) {
        for directory in directories {
            var waited = 0
            while rmdir(directory.path) != 0, errno != ENOENT {
                guard errno == EBUSY, waited < Self.removalDeadlineMilliseconds else {
                    throw CgroupError(stage: "rmdir", path: directory.path, errno: errno)
                }
                kill()
                let pause = min(1 + waited / 4, 50)
                usleep(UInt32(pause) * 1000)
                waited += pause
            }
        }
    }
}
