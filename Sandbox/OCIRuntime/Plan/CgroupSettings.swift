// linux.resources as files and values, for v1 controllers and for v2.

/// One value for one file of the container's group.
struct CgroupSetting: Sendable, Hashable {
    var controller: String
    var file: String
    var value: String
    /// The property that asked for it.
    var field: String
    /// A file that this kernel may lack without the property being lost (a fallback is set as well).
    var isOptional = false
}

extension ResourceSpecification {
    /// In the order of writing. `isVersion2` says for each controller where it sits.
    func settings(isVersion2: (String) -> Bool) throws(OCIError) -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        settings += isVersion2("memory") ? try memory.version2() : memory.version1()
        settings += isVersion2("cpu") ? cpu.version2() : cpu.version1()
        settings += cpusets()
        if let limit = pidsLimit {
            // Zero is a limit (config-linux.md, "PIDs"), and the program itself is one (as with runc); any negative number is none.
            settings.append(
                CgroupSetting(
                    controller: "pids", file: "pids.max", value: limit < 0 ? "max" : "\(max(limit, 1))",
                    field: "linux.resources.pids.limit"))
        }
        settings += isVersion2("io") ? try blockIO.version2() : blockIO.version1()
        settings += hugepages(isVersion2: isVersion2("hugetlb"))
        settings += network()
        settings += rdmaSettings()
        settings += unified.map {
            CgroupSetting(controller: "unified", file: $0.file, value: $0.value, field: "linux.resources.unified.\($0.file)")
        }
        return settings
    }

    private func cpusets() -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        if let cpus = cpu.cpus {
            settings.append(
                CgroupSetting(controller: "cpuset", file: "cpuset.cpus", value: cpus, field: "linux.resources.cpu.cpus"))
        }
        if let mems = cpu.mems {
            settings.append(
                CgroupSetting(controller: "cpuset", file: "cpuset.mems", value: mems, field: "linux.resources.cpu.mems"))
        }
        return settings
    }

    private func hugepages(isVersion2: Bool) -> [CgroupSetting] {
        hugepageLimits.enumerated().flatMap { index, limit -> [CgroupSetting] in
            let field = "linux.resources.hugepageLimits[\(index)]"
            let suffix = isVersion2 ? "max" : "limit_in_bytes"
            return [
                CgroupSetting(
                    controller: "hugetlb", file: "hugetlb.\(limit.pageSize).\(suffix)", value: "\(limit.limit)", field: field),
                // Reservations too, where the kernel counts them.
                CgroupSetting(
                    controller: "hugetlb", file: "hugetlb.\(limit.pageSize).rsvd.\(suffix)", value: "\(limit.limit)",
                    field: field,
                    isOptional: true),
            ]
        }
    }

    private func network() -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        if let classID {
            settings.append(
                CgroupSetting(
                    controller: "net_cls", file: "net_cls.classid", value: "\(classID)", field: "linux.resources.network.classID")
            )
        }
        return settings
            + networkPriorities.enumerated().map { index, entry in
                CgroupSetting(
                    controller: "net_prio", file: "net_prio.ifpriomap", value: "\(entry.name) \(entry.priority)",
                    field: "linux.resources.network.priorities[\(index)]")
            }
    }

    private func rdmaSettings() -> [CgroupSetting] {
        rdma.map { limit in
            let handles = limit.handles.map { ["hca_handle=\($0)"] } ?? []
            let objects = limit.objects.map { ["hca_object=\($0)"] } ?? []
            return CgroupSetting(
                controller: "rdma", file: "rdma.max", value: ([limit.device] + handles + objects).joined(separator: " "),
                field: "linux.resources.rdma.\(limit.device)")
        }
    }
}

extension ResourceSpecification.Memory {
    private func setting(_ key: String, _ file: String, _ value: String, optional: Bool = false) -> CgroupSetting {
        CgroupSetting(
            controller: "memory", file: file, value: value, field: "linux.resources.memory.\(key)", isOptional: optional)
    }

    func version1() -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        // Memory first: a new group has no limit yet, and memory and swap together may never be below it.
        if let limit { settings.append(setting("limit", "memory.limit_in_bytes", "\(limit)")) }
        if let swap { settings.append(setting("swap", "memory.memsw.limit_in_bytes", "\(swap)")) }
        if let reservation { settings.append(setting("reservation", "memory.soft_limit_in_bytes", "\(reservation)")) }
        if let kernelTCP { settings.append(setting("kernelTCP", "memory.kmem.tcp.limit_in_bytes", "\(kernelTCP)")) }
        if let swappiness { settings.append(setting("swappiness", "memory.swappiness", "\(swappiness)")) }
        if disableOOMKiller == true { settings.append(setting("disableOOMKiller", "memory.oom_control", "1")) }
        return settings
    }

    func version2() throws(OCIError) -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        func bytes(_ value: Int64) -> String { value < 0 ? "max" : "\(value)" }
        if let swap {
            // v1 limits memory and swap together, v2 swap by itself.
            let value: String
            if swap < 0 {
                value = "max"
            } else {
                guard let limit, limit > 0 else {
                    throw .invalid(field: "linux.resources.memory.swap", reason: "needs a memory limit to be told from it")
                }
                value = "\(swap - limit)"
            }
            settings.append(setting("swap", "memory.swap.max", value))
        }
        if let limit { settings.append(setting("limit", "memory.max", bytes(limit))) }
        if let reservation { settings.append(setting("reservation", "memory.low", bytes(reservation))) }
        if kernelTCP != nil {
            throw .unsupported(field: "linux.resources.memory.kernelTCP", reason: "cgroup v2 counts it within memory.limit")
        }
        if disableOOMKiller == true {
            throw .unsupported(
                field: "linux.resources.memory.disableOOMKiller", reason: "cgroup v2 cannot disable the OOM killer")
        }
        if swappiness != nil {
            throw .unsupported(field: "linux.resources.memory.swappiness", reason: "cgroup v2 has no swappiness per group")
        }
        return settings
    }
}

extension ResourceSpecification.CPU {
    private func setting(_ key: String, _ file: String, _ value: String) -> CgroupSetting {
        CgroupSetting(controller: "cpu", file: file, value: value, field: "linux.resources.cpu.\(key)")
    }

    func version1() -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        if let realtimePeriod { settings.append(setting("realtimePeriod", "cpu.rt_period_us", "\(realtimePeriod)")) }
        if let realtimeRuntime { settings.append(setting("realtimeRuntime", "cpu.rt_runtime_us", "\(realtimeRuntime)")) }
        if let shares, shares != 0 { settings.append(setting("shares", "cpu.shares", "\(shares)")) }
        if let period, period != 0 { settings.append(setting("period", "cpu.cfs_period_us", "\(period)")) }
        if let quota, quota != 0 { settings.append(setting("quota", "cpu.cfs_quota_us", "\(quota)")) }
        if let burst { settings.append(setting("burst", "cpu.cfs_burst_us", "\(burst)")) }
        if let idle { settings.append(setting("idle", "cpu.idle", "\(idle)")) }
        return settings
    }

    func version2() -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        if let shares, shares != 0 { settings.append(setting("shares", "cpu.weight", "\(Self.weight(shares: shares))")) }
        if quota ?? 0 != 0 || period ?? 0 != 0 {
            let allowed = quota.map { $0 > 0 ? "\($0)" : "max" } ?? "max"
            settings.append(setting("quota", "cpu.max", "\(allowed) \(period.flatMap { $0 == 0 ? nil : $0 } ?? 100_000)"))
        }
        if let burst { settings.append(setting("burst", "cpu.max.burst", "\(burst)")) }
        if let idle { settings.append(setting("idle", "cpu.idle", "\(idle)")) }
        return settings
    }

    /// [2, 262144] to [1, 10000], as the specification's implementations convert.
    static func weight(shares: UInt64) -> UInt64 { 1 + ((min(max(shares, 2), 262_144) - 2) * 9999) / 262_142 }
}

extension ResourceSpecification.BlockIO {
    private func setting(_ field: String, _ controller: String, _ file: String, _ value: String) -> CgroupSetting {
        CgroupSetting(controller: controller, file: file, value: value, field: "linux.resources.blockIO.\(field)")
    }

    func version1() -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        if let weight, weight != 0 { settings.append(setting("weight", "blkio", "blkio.bfq.weight|blkio.weight", "\(weight)")) }
        if let leafWeight, leafWeight != 0 {
            settings.append(setting("leafWeight", "blkio", "blkio.leaf_weight", "\(leafWeight)"))
        }
        for (index, device) in weightDevices.enumerated() {
            if let weight = device.weight, weight != 0 {
                settings.append(
                    setting(
                        "weightDevice[\(index)]", "blkio", "blkio.bfq.weight_device|blkio.weight_device",
                        "\(device.major):\(device.minor) \(weight)"))
            }
            if let leaf = device.leafWeight, leaf != 0 {
                settings.append(
                    setting(
                        "weightDevice[\(index)]", "blkio", "blkio.leaf_weight_device", "\(device.major):\(device.minor) \(leaf)"))
            }
        }
        for throttle in throttles {
            settings.append(
                setting(
                    throttle.kind.rawValue, "blkio", throttle.kind.version1File,
                    "\(throttle.major):\(throttle.minor) \(throttle.rate)"))
        }
        return settings
    }

    func version2() throws(OCIError) -> [CgroupSetting] {
        var settings: [CgroupSetting] = []
        if let weight, weight != 0 {
            // [10, 1000] to [1, 10000].
            settings.append(
                setting("weight", "io", "io.bfq.weight|io.weight", "\(1 + (UInt64(max(weight, 10)) - 10) * 9999 / 990)"))
        }
        if leafWeight ?? 0 != 0 {
            throw .unsupported(field: "linux.resources.blockIO.leafWeight", reason: "cgroup v2 has no leaf weights")
        }
        for (index, device) in weightDevices.enumerated() {
            guard let weight = device.weight, device.leafWeight ?? 0 == 0 else {
                throw .unsupported(
                    field: "linux.resources.blockIO.weightDevice[\(index)]", reason: "cgroup v2 has no leaf weights")
            }
            settings.append(setting("weightDevice[\(index)]", "io", "io.bfq.weight", "\(device.major):\(device.minor) \(weight)"))
        }
        for throttle in throttles {
            settings.append(
                setting(
                    throttle.kind.rawValue, "io", "io.max",
                    "\(throttle.major):\(throttle.minor) \(throttle.kind.version2Key)=\(throttle.rate)"))
        }
        return settings
    }
}

extension ResourceSpecification.Throttle.Kind {
    var version1File: String {
        switch self {
        case .throttleReadBpsDevice: "blkio.throttle.read_bps_device"
        case .throttleWriteBpsDevice: "blkio.throttle.write_bps_device"
        case .throttleReadIOPSDevice: "blkio.throttle.read_iops_device"
        case .throttleWriteIOPSDevice: "blkio.throttle.write_iops_device"
        }
    }

    var version2Key: String {
        switch self {
        case .throttleReadBpsDevice: "rbps"
        case .throttleWriteBpsDevice: "wbps"
        case .throttleReadIOPSDevice: "riops"
        case .throttleWriteIOPSDevice: "wiops"
        }
    }
}
