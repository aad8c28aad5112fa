// Limits as the kernel's files, a function per controller: cgroup-v1/*.rst and cgroup-v2.rst of the kernel's admin guide.

/// A value for a file of a group; which directory that is, the layout says. A nil controller is the v2 group itself.
struct CgroupSetting: Sendable, Hashable {
    var controller: CgroupController?
    var file: String
    var value: String
}

extension CgroupHost {
    /// The kernel's default period, and the least quota that it takes.
    static let cpuPeriodMicroseconds: Int64 = 100_000
    static let cpuQuotaMinimumMicroseconds: Int64 = 1_000

    /// In the order in which a new group takes them.
    func settings(_ limits: CgroupLimits) -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        for (controller, make) in [
            (.memory, memory), (.cpu, cpu), (.cpuset, cpuset), (.pids, pids), (.io, io), (.hugetlb, hugePages),
            (.devices, devices),
        ] as [(CgroupController, (CgroupLimits, Bool) -> [(String, String)])] {
            guard let version = hierarchies[controller]?.version else { continue }
            settings += make(limits, version == 2).map { CgroupSetting(controller: controller, file: $0.0, value: $0.1) }
        }
        if layout == .version2 {
            settings += limits.unified.sorted { $0.key < $1.key }.map { CgroupSetting(file: $0.key, value: $0.value) }
        }
        return settings
    }

    private static func most(_ value: Int64) -> String { value < 0 ? "max" : "\(value)" }

    private func memory(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        var files: [(String, String)] = []
        if version2 {
            // The throttle and the whole-group rule stand before the limit that may start killing.
            if let bytes = limits.memoryReservationBytes { files.append(("memory.low", Self.most(bytes))) }
            if let bytes = limits.memoryHighBytes { files.append(("memory.high", Self.most(bytes))) }
            if let group = limits.oomGroup, features.contains(.oomGroup) { files.append(("memory.oom.group", group ? "1" : "0")) }
            if features.contains(.swap), let swap = limits.swapBytes ?? limits.memoryBytes.map({ $0 < 0 ? $0 : 0 }) {
                files.append(("memory.swap.max", Self.most(swap)))
            }
            if let bytes = limits.memoryBytes { files.append(("memory.max", Self.most(bytes))) }
            return files
        }
        if let bytes = limits.memoryHighBytes ?? limits.memoryReservationBytes {
            files.append(("memory.soft_limit_in_bytes", "\(bytes)"))
        }
        if let value = limits.swappiness { files.append(("memory.swappiness", "\(value)")) }
        if let disabled = limits.oomKillDisabled { files.append(("memory.oom_control", disabled ? "1" : "0")) }
        if let bytes = limits.memoryBytes {
            // memory <= memory+swap holds at all times: from "no limit" down, memory goes first (`Cgroup.set` turns them for a rise).
            files.append(("memory.limit_in_bytes", "\(bytes)"))
            if features.contains(.swap) {
                let swap = limits.swapBytes ?? 0
                let (sum, overflow) = bytes.addingReportingOverflow(swap)
                let unlimited = bytes < 0 || swap < 0 || overflow
                files.append(("memory.memsw.limit_in_bytes", unlimited ? "-1" : "\(sum)"))
            }
        }
        return files
    }

    private func cpu(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        var files: [(String, String)] = []
        if limits.cpuIdle != nil, features.contains(.cpuIdle) { files.append(("cpu.idle", limits.cpuIdle == true ? "1" : "0")) }
        // An idle group has no weight to set.
        if limits.cpuIdle != true {
            if version2, let weight = limits.cpuShares.map(Self.weight(shares:)) ?? limits.cpuWeight {
                files.append(("cpu.weight", "\(weight)"))
            } else if !version2, let shares = limits.cpuShares ?? limits.cpuWeight.map(Self.shares(weight:)) {
                files.append(("cpu.shares", "\(shares)"))
            }
        }
        let period = limits.cpuPeriodMicroseconds ?? Self.cpuPeriodMicroseconds
        let quota = limits.cpuQuotaMicroseconds ?? limits.cpuMillis.map { $0 < 0 ? $0 : Self.scaled($0, by: period) }
        let bounded = quota.map { $0 < 0 ? $0 : max($0, Self.cpuQuotaMinimumMicroseconds) }
        if version2, bounded != nil || limits.cpuPeriodMicroseconds != nil {
            files.append(("cpu.max", "\(Self.most(bounded ?? -1)) \(period)"))
        } else if !version2 {
            if bounded != nil || limits.cpuPeriodMicroseconds != nil { files.append(("cpu.cfs_period_us", "\(period)")) }
            if let bounded { files.append(("cpu.cfs_quota_us", "\(bounded)")) }
        }
        if let burst = limits.cpuBurstMicroseconds, features.contains(.cpuBurst) {
            files.append((version2 ? "cpu.max.burst" : "cpu.cfs_burst_us", "\(burst)"))
        }
        return files
    }

    private static func scaled(_ millis: Int64, by period: Int64) -> Int64 {
        let (product, overflow) = millis.multipliedReportingOverflow(by: period)
        return overflow ? -1 : product / 1000
    }

    /// The linear mapping that Kubernetes' CRI runtimes used from the start (KEP-2254): 2-262144 onto 1-10000.
    public static func weight(shares: Int64) -> Int64 {
        let shares = min(max(shares, 2), 262_144)
        return 1 + (shares - 2) * 9999 / 262_142
    }

    public static func shares(weight: Int64) -> Int64 {
        let weight = min(max(weight, 1), 10_000)
        return 2 + (weight - 1) * 262_142 / 9999
    }

    private func cpuset(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        [("cpuset.cpus", limits.cpusetCPUs), ("cpuset.mems", limits.cpusetMemoryNodes)].compactMap { file, value in
            value.map { (file, $0) }
        }
    }

    private func pids(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        limits.pids.map { [("pids.max", Self.most($0))] } ?? []
    }

    private func hugePages(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        limits.hugePages.map { page in
            version2
                ? ("hugetlb.\(page.pageSize).max", Self.most(page.bytes))
                : ("hugetlb.\(page.pageSize).limit_in_bytes", "\(page.bytes)")
        }
    }

    private func io(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        var files: [(String, String)] = []
        if let weight = limits.ioWeight, features.contains(.ioWeight) {
            // bfq has the same default, 100, but its scale ends at 1000.
            if features.contains(.bfqWeight) {
                files.append((version2 ? "io.bfq.weight" : "blkio.bfq.weight", "\(min(max(weight, 1), 1000))"))
            } else {
                files.append(version2 ? ("io.weight", "default \(weight)") : ("blkio.weight", "\(min(max(weight, 10), 1000))"))
            }
        }
        for device in limits.ioDevices {
            let number = "\(device.major):\(device.minor)"
            let bounds: [(String, String, Int64?)] = [
                ("rbps", "read_bps", device.readBytesPerSecond), ("wbps", "write_bps", device.writeBytesPerSecond),
                ("riops", "read_iops", device.readOperationsPerSecond), ("wiops", "write_iops", device.writeOperationsPerSecond),
            ]
            if version2 {
                let words = bounds.compactMap { key, _, value in value.map { "\(key)=\(Self.most($0))" } }
                if !words.isEmpty { files.append(("io.max", ([number] + words).joined(separator: " "))) }
            } else {
                // 0 takes a bound away on v1.
                files += bounds.compactMap { _, name, value in
                    value.map { ("blkio.throttle.\(name)_device", "\(number) \(max($0, 0))") }
                }
            }
        }
        return files
    }

    /// v1's list; v2 has none.
    private func devices(_ limits: CgroupLimits, version2: Bool) -> [(String, String)] {
        limits.devices.map { rule in
            let file = rule.allow ? "devices.allow" : "devices.deny"
            if rule.kind == .all { return (file, "a *:* rwm") }
            let major = rule.major.map { "\($0)" } ?? "*"
            let minor = rule.minor.map { "\($0)" } ?? "*"
            return (file, "\(rule.kind.rawValue) \(major):\(minor) \(rule.access.letters)")
        }
    }
}
